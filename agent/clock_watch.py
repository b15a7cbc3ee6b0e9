"""Ask the configured time servers now and then, and judge this host's clock."""

import asyncio
from typing import Final

from agent.bell import TurnBell
from agent.doors import Ntp
from agent.host import Host
from sessiond.core.clockcheck import ASK_EVERY, NtpSample, judge, newest
from sessiond.core.spec import ClockSettings
from sessiond.errors import Unavailable
from sessiond.units import Seconds

# The first few answers make the verdict quick.
FIRST_ASKS: Final = 3
FIRST_PAUSE: Final = Seconds(2.0)
ANSWER_WITHIN: Final = Seconds(2.0)
# Answers age between two questions, too: their loss is told within a minute.
JUDGE_EVERY: Final = Seconds(5.0)


class ClockWatch:
    """Keeps `Host.clock_verdict` true to what the servers say."""

    def __init__(self, *, host: Host, ntp: Ntp, bell: TurnBell) -> None:
        self._host = host
        self._ntp = ntp
        self._bell = bell
        self._samples: tuple[NtpSample, ...] = ()

    async def run(self) -> None:
        """Ask for ever; without servers there is nothing to do."""
        pause = TurnBell(asyncio.get_running_loop())
        asked = 0
        while self._host.config.ntp_servers:
            await self.ask()
            self.judge()
            asked += 1
            rest = FIRST_PAUSE if asked < FIRST_ASKS else ASK_EVERY
            until = self._host.clock.now() + rest
            while (left := until - self._host.clock.now()) > 0:
                await pause.wait(Seconds(min(left, JUDGE_EVERY)))
                self.judge()

    async def ask(self) -> None:
        """Ask every server once."""
        answers = await asyncio.gather(
            *(self._ask(server) for server in self._host.config.ntp_servers)
        )
        fresh = tuple(answer for answer in answers if answer is not None)
        self._samples = newest((*self._samples, *fresh))

    def judge(self) -> None:
        """Judge by the answers so far, as old as they are by now."""
        doc = self._host.document
        settings = doc.spec.clock if doc else ClockSettings()
        before = self._host.clock_verdict
        now = self._host.clock.now()
        self._host.clock_verdict = judge(self._samples, now, settings)
        if self._host.clock_verdict.verdict is not before.verdict:
            self._bell()

    async def _ask(self, server: str) -> NtpSample | None:
        try:
            return await self._ntp.ask(server, ANSWER_WITHIN)
        except Unavailable:
            return None
