"""What a host makes of its time servers' answers, and of their silence."""

import asyncio
from dataclasses import replace
from pathlib import Path

from agent.bell import TurnBell
from agent.clock_watch import JUDGE_EVERY, ClockWatch
from sessiond.core.clockcheck import ASK_EVERY
from sessiond.core.status import Verdict
from tests.agent.desk import desk_in
from tests.support.fakes import FakeClock, FakeNtp

SERVERS = ("time-1", "time-2")

# The fault table: lost time servers are told within a minute.
TOLD_WITHIN = 60.0


async def test_servers_that_fall_silent_are_told_within_a_minute(
    tmp_path: Path,
) -> None:
    host = desk_in(tmp_path).host
    host.config = replace(host.config, ntp_servers=SERVERS)
    clock = host.clock
    assert isinstance(clock, FakeClock)
    ntp = FakeNtp(clock)
    ntp.answers = dict.fromkeys(SERVERS, (0.001, 0.0005))
    bell = TurnBell(asyncio.get_running_loop())
    watch = ClockWatch(host=host, ntp=ntp, bell=bell)

    def verdict() -> Verdict:
        watch.judge()
        return host.clock_verdict.verdict

    await watch.ask()
    assert verdict() is Verdict.OK

    ntp.answers = {}
    silent_for = 0.0
    while verdict() is not Verdict.UNKNOWN:
        clock.advance(JUDGE_EVERY)
        silent_for += JUDGE_EVERY
        if silent_for % ASK_EVERY < JUDGE_EVERY:
            await watch.ask()
    assert silent_for <= TOLD_WITHIN
    assert "answered" in host.clock_verdict.reason
