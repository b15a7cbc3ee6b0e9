"""``sessiond next-track``: what a station plays when nobody does."""

import asyncio
import json
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import click

from sessiond.cli.arguments import FILE
from sessiond.cli.jukebox import Jukebox
from sessiond.cli.operator import Operator
from sessiond.cli.track_server import TrackServer
from sessiond.cli.tracks import Journal, Shelf
from sessiond.core.playlist import Order
from sessiond.errors import Broken, Refused, Unavailable
from sessiond.wire.address import TcpAddress, parse_address

Tell = Callable[[str, str], None]


@click.command(name="next-track")
@click.argument("place", type=FILE, metavar="FOLDER|M3U")
@click.option(
    "--order",
    type=click.Choice([str(order) for order in Order]),
    default=str(Order.SHUFFLE),
    show_default=True,
    help="How tracks follow that nobody asked for.",
)
@click.option(
    "--listen",
    metavar="HOST:PORT",
    default="127.0.0.1:7790",
    show_default=True,
    help="Where it answers. Whoever reaches it may ask and queue.",
)
@click.option(
    "--state",
    type=FILE,
    metavar="FILE",
    help="Keep history and queue in this file over a restart.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Tell what happens as lines of JSON."
)
@click.pass_obj
def next_track(
    operator: Operator,
    place: Path,
    order: str,
    listen: str,
    state: Path | None,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Hand out one track after another, over HTTP.

    A station's filler asks for GET /next; listeners' wishes come by POST /queue and are
    played first. New and removed files are noticed. Ctrl-C ends it.

    \b
    Example:
      sessiond next-track ~/Music/station --order shuffle
      curl http://127.0.0.1:7790/next
      curl -d 'jazz/blue.flac' http://127.0.0.1:7790/queue
    """  # noqa: D301
    address = _address(listen)

    def tell(event: str, what: str) -> None:
        document = json.dumps({"event": event, "what": what})
        # Who reads along may go; the music goes on.
        with suppress(BrokenPipeError):
            click.echo(document if as_json else f"{event} {what}")

    jukebox = Jukebox(Shelf(place), Journal(state), Order(order), _complain)
    asyncio.run(_serve(jukebox, address, tell))


def _address(text: str) -> TcpAddress:
    try:
        address = parse_address(text)
    except Refused as e:
        raise Refused(f"{text!r} is no address to listen on.", _WRITE) from e
    if not isinstance(address, TcpAddress):
        raise Refused("HTTP is spoken over TCP here.", _WRITE)
    return address


_WRITE = "Write HOST:PORT, such as 127.0.0.1:7790."


def _complain(error: Broken) -> None:
    click.echo(f"warning: {error.sentence}", err=True)


async def _serve(jukebox: Jukebox, address: TcpAddress, tell: Tell) -> None:
    """Answer until SIGTERM, which is an end as asked for, or Ctrl-C."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    server = TrackServer(jukebox, tell)
    try:
        listener = await asyncio.start_server(
            server.converse, address.host, address.port
        )
    except OSError as e:
        raise Unavailable(
            f"Nobody can listen on {address}: {e.strerror}.",
            "Choose another place with --listen HOST:PORT.",
        ) from e
    async with listener:
        host, port = listener.sockets[0].getsockname()[:2]
        count = len(jukebox.playlist.tracks)
        tell("serving", f"{count} tracks on http://{TcpAddress(host, port)}/next")
        await ended.wait()
