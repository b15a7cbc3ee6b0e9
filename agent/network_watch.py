"""Noticing that this computer woke up on another network.

A laptop that is taken home must not go on the air from there: an agent whose address
is another one starts again in place, and then asks for consent as after a boot
(`Sessions.go_on`).
"""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from agent.bell import TurnBell
from sessiond.units import Seconds

# A network that has just come up may change its mind once; a person does not notice.
LOOK_EVERY: Final = Seconds(2.0)
LOOPBACK: Final = "127."

_log = structlog.get_logger()


class NetworkWatch:
    """Compares this host's address with the one that it tells others.

    Args:
        advertised: What the agent tells others.
        own_address: Looks the address up as it is now.
        begin_again: Starts the agent again in place, if that is possible.
    """

    def __init__(
        self,
        *,
        advertised: str,
        own_address: Callable[[], str],
        begin_again: Callable[[], None],
    ) -> None:
        self._advertised = advertised
        self._own_address = own_address
        self._begin_again = begin_again
        self._seen = advertised
        self._acted_on = advertised

    async def run(self) -> None:
        """Look for ever; where the owner chose the address there is nothing to see."""
        if self._own_address() != self._advertised:
            return
        pause = TurnBell(asyncio.get_running_loop())
        while True:
            await pause.wait(LOOK_EVERY)
            self.look()

    def look(self) -> None:
        """Begin again, once, with an address that was there at two looks in a row.

        A cable that is out leaves no address, or the one before: that is no move.
        """
        now, before = self._own_address(), self._seen
        self._seen = now
        if now.startswith(LOOPBACK) or now != before or now == self._acted_on:
            return
        _log.warning("agent.moved", before=self._acted_on, now=now)
        self._acted_on = now
        self._begin_again()
