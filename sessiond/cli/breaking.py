"""Keys of the demo's terminal: its broadcaster's computer dies, and comes back."""

import asyncio
import contextlib
import os
import sys
import termios
import tty
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Final, Protocol

from sessiond.cli.lab import Lab, LabHost
from sessiond.errors import SessiondError
from sessiond.units import HostName

HINT: Final = "k kills the broadcaster's computer (listen on), r brings it back"


class Stage(Protocol):
    """Where the keys act and what they are told of."""

    @property
    def broadcaster(self) -> HostName | None:
        """Who feeds the mounts now."""

    def say(self, sentence: str) -> None:
        """Tell the person at the terminal."""


def on_terminal() -> bool:
    """Return whether there is a keyboard."""
    return sys.stdin is not None and sys.stdin.isatty()


@contextlib.asynccontextmanager
async def breaking(
    lab: Lab, stage: Stage, restart: Callable[[LabHost], None]
) -> AsyncIterator[None]:
    """Obey the keys until the block ends; without a terminal there are none.

    Args:
        lab: Whose hosts.
        stage: Tells the broadcaster.
        restart: Starts everything on a host again; called in a thread.
    """
    if not on_terminal():
        yield
        return
    keys: asyncio.Queue[str] = asyncio.Queue()
    with _pressed(keys.put_nowait):
        obeying = asyncio.ensure_future(_obey(keys, lab, stage, restart))
        try:
            yield
        finally:
            obeying.cancel()
            await asyncio.gather(obeying, return_exceptions=True)


@contextlib.contextmanager
def _pressed(tell: Callable[[str], None]) -> Iterator[None]:
    """Tell each key at once, unechoed; Ctrl-C remains what it is."""
    terminal = sys.stdin.fileno()
    loop = asyncio.get_running_loop()

    def read() -> None:
        typed = os.read(terminal, 64)
        if not typed:
            # The keyboard is gone, and would be ready to say so for ever.
            loop.remove_reader(terminal)
        for key in typed.decode(errors="ignore"):
            tell(key)

    before = termios.tcgetattr(terminal)
    tty.setcbreak(terminal)
    loop.add_reader(terminal, read)
    try:
        yield
    finally:
        loop.remove_reader(terminal)
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


async def _obey(
    keys: asyncio.Queue[str],
    lab: Lab,
    stage: Stage,
    restart: Callable[[LabHost], None],
) -> None:
    killed: list[LabHost] = []
    while True:
        key = await keys.get()
        try:
            if key == "k":
                killed += await _kill(lab, stage, killed)
            elif key == "r":
                await _restart(killed, stage, restart)
        except SessiondError as e:
            stage.say(e.sentence)


async def _kill(lab: Lab, stage: Stage, killed: list[LabHost]) -> list[LabHost]:
    name = stage.broadcaster
    if name is None or name in {host.name for host in killed}:
        stage.say("Nobody else is the broadcaster yet.")
        return []
    if len(killed) == len(lab.hosts) - 2:
        stage.say(f"{name} is the last one; r brings the others back.")
        return []
    host = lab.host(name)
    await asyncio.to_thread(host.kill_all)
    stage.say(f"{name}'s computer is dead. Listen on; r brings it back.")
    return [host]


async def _restart(
    killed: list[LabHost], stage: Stage, restart: Callable[[LabHost], None]
) -> None:
    if not killed:
        stage.say("Nothing is dead.")
    while killed:
        host = killed[0]
        await asyncio.to_thread(restart, host)
        killed.remove(host)
        stage.say(f"{host.name}'s computer runs again.")
