"""From the broadcaster's death to another host on the primary mount.

Every process of the broadcasting host gets SIGKILL; the mount is another's when
Icecast lists a source there that says so. Beside it, the least that could be done:
an FFmpeg in a loop on a second host that tries the mount until Icecast takes it.
"""

import re
import signal
import time
from typing import Final

from sessiond.core.spec import StandbyMode
from tests.bench.figures import Row, spread
from tests.bench.plain import end_plainly, watchdog
from tests.bench.stage import (
    PERIOD,
    PRIMARY,
    await_silence,
    create,
    mounts_on,
    rest,
    staged,
)
from tests.support.eventually import eventually
from tests.support.jam import Jam

HOSTS: Final = ("alice", "bob", "carol")
_WITHIN: Final = 40.0
_HOLDER: Final = re.compile(r" host=(\S+) ")


def holder(jam: Jam) -> str | None:
    """Return which host feeds the primary mount, as Icecast tells listeners."""
    mount = mounts_on(jam).get(PRIMARY)
    found = _HOLDER.search(mount.description) if mount else None
    return found[1] if found else None


def _take_over(jam: Jam, first: str) -> float:
    """Kill a host and return how long until another is on the primary mount."""
    began = time.monotonic()
    jam.lab.host(first).kill_all()
    eventually(lambda: holder(jam) not in {None, first}, within=_WITHIN)
    return time.monotonic() - began


def _bring_back(jam: Jam, name: str) -> None:
    """Have a killed host in the session again, as if nothing had been."""
    jam.start_agent(name)
    jam.start_audio(name, PERIOD)
    jam.await_agents([name])
    eventually(lambda: _whole(jam), within=_WITHIN)
    # Every voter's lease and listener has to be an old one.
    rest(5.0)


def _whole(jam: Jam) -> bool:
    status = jam.status()
    states = {
        *(host["state"] == "alive" for host in status["hosts"]),
        *(link["state"] == "up" for link in status["links"]),
        *(mount["state"] == "live" for mount in status["mounts"]),
    }
    return states == {True}


def _watchdogs(runs: int) -> list[float]:
    """Return how long the loop takes to get a mount whose source was killed."""
    took = []
    first, second, *_ = HOSTS
    with staged(first, second) as (jam, file):
        for _ in range(runs):
            feeding = watchdog(jam, file, first)
            eventually(lambda: holder(jam) == first, within=_WITHIN)
            waiting = watchdog(jam, file, second)
            rest(2.0)
            began = time.monotonic()
            end_plainly([feeding], signal.SIGKILL)
            eventually(lambda: holder(jam) == second, within=_WITHIN)
            took.append(time.monotonic() - began)
            end_plainly([waiting], signal.SIGKILL)
            await_silence(jam)
    return took


def _kills(hosts: tuple[str, ...], standby: StandbyMode, runs: int) -> list[float]:
    with staged(*hosts, standby=standby) as (jam, file):
        create(jam, file)
        eventually(lambda: _whole(jam), within=_WITHIN)
        rest(5.0)
        took = []
        for n in range(runs):
            first = holder(jam)
            assert first is not None
            took.append(_take_over(jam, first))
            if n < runs - 1:
                _bring_back(jam, first)
    return took


def measure(runs: int) -> list[Row]:
    """Return the rows for two and for three hosts, cold and hot, and the loop's."""
    rows = [
        Row(
            figure=f"broadcaster killed → another on {PRIMARY}, {len(hosts)} hosts",
            measured=spread(_kills(hosts, standby, runs), "s"),
            goal="≤ 3.5 s" if standby is StandbyMode.COLD else "≤ 3 s",
            note=f"{standby}; every process of the host is killed",
        )
        for standby in (StandbyMode.COLD, StandbyMode.HOT)
        for hosts in (HOSTS[:2], HOSTS)
    ]
    beside = Row(
        figure="the same, an FFmpeg that tries in a loop",
        measured=spread(_watchdogs(runs), "s"),
        note="a floor: nobody asks who should be on the air",
    )
    return [*rows, beside]
