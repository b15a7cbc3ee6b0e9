"""``sessiond demo``: a whole jam on this machine."""

import asyncio
from pathlib import Path
from types import MappingProxyType

import click

from sessiond.cli.arguments import HOST
from sessiond.cli.demo import DemoOptions, run_demo
from sessiond.units import HostName, Seconds


class _Input(click.ParamType[tuple[HostName, Path]]):
    """``HOST=FILE``."""

    name = "HOST=FILE"

    def convert(
        self,
        value: str | tuple[HostName, Path],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[HostName, Path]:
        """Return both parts; the file is looked at by the demo."""
        if isinstance(value, tuple):
            return value
        host, sign, file = value.partition("=")
        if not sign or not file:
            self.fail(
                f"{value!r} must be HOST=FILE, such as alice=song.flac", param, ctx
            )
        return HostName(HOST.convert(host, param, ctx)), Path(file)


@click.command
@click.option(
    "--hosts",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    metavar="N",
    help="How many musicians; the station is one host more.",
)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=8000,
    show_default=True,
    help="Where the demo's Icecast answers on 127.0.0.1.",
)
@click.option(
    "--input",
    "inputs",
    type=_Input(),
    multiple=True,
    help="What a musician plays, instead of the demo's own music.",
)
@click.option(
    "--for",
    "seconds",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="End by itself after this time on the air.",
)
@click.pass_context
def demo(
    ctx: click.Context,
    hosts: int,
    port: int,
    inputs: tuple[tuple[HostName, Path], ...],
    seconds: float | None,
) -> None:
    """Play a whole jam on this machine, with the real programs.

    Each musician is a host of its own: network, JACK server and agent. Ctrl-C ends it
    and cleans up everything.

    \b
    Example:
      sessiond demo --hosts 4 --input alice=song.flac
    """  # noqa: D301
    options = DemoOptions(
        hosts=hosts,
        port=port,
        inputs=MappingProxyType(dict(inputs)),
        duration=None if seconds is None else Seconds(seconds),
    )
    ctx.exit(asyncio.run(run_demo(options)))
