"""The bell that starts a turn: two rings are one turn."""

import asyncio
from contextlib import suppress

from sessiond.units import Seconds


class TurnBell:
    """Wakes one waiting task; may be rung from any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._rung = asyncio.Event()

    def __call__(self) -> None:
        """Ring; a loop that has closed hears nothing."""
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._rung.set)

    async def wait(self, within: Seconds) -> None:
        """Return at the first ring since the last wait, or after `within`."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._rung.wait(), max(within, 0))
        self._rung.clear()
