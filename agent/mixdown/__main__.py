"""``python -m agent.mixdown --name mixdown --socket PATH [--server NAME]``.

Runs until it is told to end, with or without an agent: the mix has no lease. Requests
on the socket are those of `messages`. Exit codes: 0 told to end, 2 bad arguments, 3
JACK is absent, gone or has our name already, 4 libjack or the socket's folder is
missing.
"""

import argparse
import asyncio
import gc
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from agent.mixdown.messages import bus_from_json, order_from_json, report_to_json
from agent.steering import Json, SteeringServer
from sessiond.core.levelhistory import history_document
from sessiond.errors import Broken, Refused, SessiondError, Unavailable

if TYPE_CHECKING:
    from agent.mixdown.client import MixDown

# A stage is taken over within one period and faded within a few: look again soon.
_SOON: Final = 0.01

# Nothing rings when JACK silently drops a client, so look now and then.
_SELDOM: Final = 1.0

# JACK restarts a stumbling sound card within two seconds; a client that it has not
# called for longer than this has been dropped.
_DROPPED: Final = 5.0


class Desk:
    """Brings requests and signals to the mix-down, one turn at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._bell = asyncio.Event()
        self._ending = False
        self._gone = ""

    def ring(self) -> None:
        """Ask for a turn; from any thread, also after the loop has closed."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._bell.set)

    def lose(self, sentence: str) -> None:
        """End with this sentence; from any thread."""
        self._gone = sentence
        self.ring()

    def end(self) -> None:
        """End in peace."""
        self._ending = True
        self._bell.set()

    async def run(self, mixdown: "MixDown", socket: Path) -> None:
        """Serve until the end.

        Raises:
            Unavailable: JACK has left us.
        """

        def answer(request: Mapping[str, Json]) -> Mapping[str, Json]:
            return _answer(mixdown, request)

        async with SteeringServer(socket, answer):
            _say(f"mixing at {mixdown.report().rate_hz} Hz")
            heard, since = mixdown.periods, self._loop.time()
            while not self._ending:
                if settled := mixdown.settled:
                    # The collector is off for the sake of JACK's thread, and
                    # connections leave cycles behind. What was there at the start is
                    # frozen, so this takes microseconds.
                    gc.collect()
                await self._rest(_SELDOM if settled else _SOON)
                if self._gone:
                    raise Unavailable(self._gone)
                mixdown.turn()
                if mixdown.periods != heard:
                    heard, since = mixdown.periods, self._loop.time()
                elif self._loop.time() - since > _DROPPED:
                    raise Unavailable(f"JACK has not called us for {_DROPPED:g} s")

    async def _rest(self, within: float) -> None:
        """Wait for the bell, but not longer than this."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._bell.wait()
        self._bell.clear()


def _answer(mixdown: "MixDown", request: Mapping[str, Json]) -> Mapping[str, Json]:
    match request:
        case {"order": order, **rest} if not rest:
            mixdown.want(order_from_json(order))
            return {"accepted": True}
        case {"report": True, **rest} if not rest:
            return report_to_json(mixdown.report())
        case {"fade_in": bus, **rest} if not rest:
            mixdown.fade_in(bus_from_json(bus))
            return {"accepted": True}
        case {"history": True, **rest} if not rest:
            return history_document(mixdown.history())  # type: ignore[return-value]
        case {"forget": True, **rest} if not rest:
            mixdown.forget()
            return {"accepted": True}
        case _:
            raise Refused("a request is an order, a fade-in, a report or a forget")


async def _serve(name: str, server: str | None, socket: Path) -> None:
    try:
        # JACK-Client loads libjack when it is imported.
        from agent.mixdown.client import MixDown  # noqa: PLC0415
    except (ImportError, OSError) as e:
        raise Broken(f"JACK's library is missing: {e}", "install jackd2") from e
    loop = asyncio.get_running_loop()
    desk = Desk(loop)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, desk.end)
    mixdown = MixDown(name, server, ring=desk.ring, gone=desk.lose)
    try:
        mixdown.start()
        await desk.run(mixdown, socket)
    except Unavailable as e:
        _leave(e)
    finally:
        mixdown.close()


def _leave(error: Unavailable) -> NoReturn:
    """End without a word to libjack, now that its server has gone or dropped us.

    Closing the client then waited for ever in 2 of 12 trials, and the interpreter
    would close it on its way out.
    """
    _say(error.sentence)
    os._exit(error.exit_code)


def _say(sentence: str) -> None:
    with suppress(OSError):  # a full disk must not end the music
        sys.stderr.write(f"{sentence}\n")
        sys.stderr.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the mix-down and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m agent.mixdown")
    parser.add_argument("--name", default="mixdown", help="our JACK client's name")
    parser.add_argument("--socket", type=Path, required=True, help="where to listen")
    parser.add_argument("--server", help="JACK's server (default: JACK's own default)")
    given = parser.parse_args(arguments)
    # The products are small: other threads would cost more than they take over, and
    # NumPy would spin them beside JACK's. Read when NumPy is imported.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        asyncio.run(_serve(given.name, given.server, given.socket))
    except SessiondError as e:
        _say(e.sentence)
        return e.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
