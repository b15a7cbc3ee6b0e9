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
        # Not `wait_for`: in Python 3.11 it loses a cancellation that comes with a ring.
        with suppress(TimeoutError):
            async with asyncio.timeout(max(within, 0)):
                await self._rung.wait()
        self._rung.clear()
