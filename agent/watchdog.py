"""Tells the service manager that this agent lives, as long as a new one is no better.

An agent that misses its time is killed and started anew; its children play on. So only
what a new agent would cure is fatal here. A JACK server that hangs is not: every call
to it ends within seconds, turns go on, and election and leases run beside them anyway.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from agent.doors import Clock
from sessiond.units import Seconds

# A turn's every step ends within 2 s, and a large session has some forty; an idle
# agent takes a turn each second.
TURN_LIMIT: Final = Seconds(120.0)
# The elector's timer fires at its instant or never: half a second is a busy machine.
ELECTOR_LIMIT: Final = Seconds(10.0)
# Thousands of connections may keep the server busy for a while, and it recovers.
ANSWER_LIMIT: Final = Seconds(60.0)
# A healthy server answers in milliseconds.
ANSWER_WITHIN: Final = Seconds(3.0)
# Four signs of life in the time in which one is due.
PARTS: Final = 4

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """When each part of the agent last showed life, on the monotonic clock.

    Attributes:
        turn: When the last turn ended.
        elector_due: When the elector is next to be woken; None while it need not be.
        answered: When the gRPC server last answered.
    """

    turn: Seconds
    elector_due: Seconds | None
    answered: Seconds


def complaint(signs: Signs, now: Seconds) -> str:
    """Return what a new agent would do better, or an empty text."""
    if now - signs.turn > TURN_LIMIT:
        return f"no turn has ended for {now - signs.turn:.0f} s"
    due = signs.elector_due
    if due is not None and now - due > ELECTOR_LIMIT:
        return f"the elector has been due for {now - due:.0f} s"
    if now - signs.answered > ANSWER_LIMIT:
        return f"the server has not answered for {now - signs.answered:.0f} s"
    return ""


class Server(Protocol):
    """Our own gRPC server, as others see it."""

    async def answers(self, within: Seconds) -> bool:
        """Tell whether it answers in time."""
        ...


class Watchdog:
    """Feeds the service manager's watchdog from the event loop.

    Args:
        period: Within this one sign of life is due.
        turns: How many turns have ended.
        elector_due: As `Signs`.
        feed: Gives the sign.
    """

    def __init__(
        self,
        *,
        period: Seconds,
        clock: Clock,
        turns: Callable[[], int],
        elector_due: Callable[[], Seconds | None],
        server: Server,
        feed: Callable[[], None],
    ) -> None:
        self._period = period
        self._clock = clock
        self._turns = turns
        self._elector_due = elector_due
        self._server = server
        self._feed = feed
        self._turns_seen = turns()
        self._turned = self._answered = clock.now()

    async def run(self) -> None:
        """Give signs of life until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_asking())
            while True:
                self.look()
                await asyncio.sleep(self._period / PARTS)

    def look(self) -> str:
        """Give one sign of life if nothing is amiss; returns what is."""
        now = self._clock.now()
        if self._turns() != self._turns_seen:
            self._turns_seen, self._turned = self._turns(), now
        amiss = complaint(
            Signs(
                turn=self._turned,
                elector_due=self._elector_due(),
                answered=self._answered,
            ),
            now,
        )
        if amiss:
            _log.error("watchdog.starved", why=amiss)
        else:
            self._feed()
        return amiss

    async def ask(self) -> None:
        """Ask our own server once."""
        if await self._server.answers(ANSWER_WITHIN):
            self._answered = self._clock.now()

    async def _keep_asking(self) -> None:
        while True:
            await self.ask()
            await asyncio.sleep(self._period)
