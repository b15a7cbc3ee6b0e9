"""Row 22: a hostile client; whatever it says is refused, and starts nothing."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil
import pytest

from sessiond.units import Seconds
from tests.faults.measure import Case, Goal, Shown, hold
from tests.faults.stranger import ATTACKS, CONNECTIONS, GUESSES, HELLOS
from tests.faults.unheard import UNHEARD
from tests.support.eventually import eventually
from tests.support.jam import Jam, jamming

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

MUSICIAN: Final = "alice"

# What connections and their buffers take for a while; the roster's bounds are small.
MOST_GROWTH: Final = 128 * 1024 * 1024
# A line to somebody who said hello lives for a minute (`agent.roster`).
MOST_LINES: Final = 700
WITHIN: Final = Seconds(60.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An agent in no session, and what it is before anybody comes."""

    jam: Jam
    pid: int

    @property
    def address(self) -> str:
        return f"{self.jam.lab.host(MUSICIAN).address}:7700"

    def attacked(self, how: str) -> Mapping[str, int]:
        """Have the stranger, on the station's computer, try this."""
        argv = (sys.executable, "-m", "tests.faults.stranger", self.address, how)
        said: Mapping[str, int] = json.loads(
            self.jam.station.run(argv, within=WITHIN).splitlines()[-1]
        )
        return said

    def stands(self) -> bool:
        """Tell that the agent answers, is the same one, and runs nothing."""
        assert self.jam.operate(MUSICIAN, "hosts").code == 0
        assert self.jam.agents[MUSICIAN].exit_code is None
        assert not self.jam.ours_on(MUSICIAN)
        return True

    @property
    def memory(self) -> int:
        resident: int = psutil.Process(self.pid).memory_info().rss
        return resident

    @property
    def descriptors(self) -> int:
        return len(tuple(Path(f"/proc/{self.pid}/fd").iterdir()))

    @property
    def state(self) -> frozenset[str]:
        """The names of what the agent has written down."""
        folder = self.jam.lab.host(MUSICIAN).state_dir
        return frozenset(path.name for path in folder.iterdir())


@contextmanager
def target(folder: Path) -> Iterator[Target]:
    with jamming(folder, MUSICIAN) as jam:
        jam.start_agent(MUSICIAN)
        jam.await_agents([MUSICIAN])
        (pid,) = (
            pid
            for pid in jam.lab.host(MUSICIAN).processes()
            if psutil.Process(pid).cmdline()[1:3] == ["-m", "agent"]
        )
        yield Target(jam=jam, pid=pid)


def play(folder: Path) -> Shown:
    with target(folder) as agent:
        before, lines = agent.memory, agent.descriptors
        state = sorted(
            path.name for path in agent.jam.lab.host(MUSICIAN).state_dir.iterdir()
        )
        for how in ATTACKS:
            require_refused(how, agent.attacked(how))
            eventually(agent.stands, within=5.0)
        grown = agent.memory - before
        assert grown < MOST_GROWTH, f"the agent has grown by {grown >> 20} MiB"
        assert agent.descriptors - lines < MOST_LINES
        after = sorted(
            path.name for path in agent.jam.lab.host(MUSICIAN).state_dir.iterdir()
        )
        assert after == state, "something was written down"
        log = agent.jam.agents[MUSICIAN].text
        assert "call.fault" not in log, log[-3000:]
        assert len(log) < 200_000, "the log grows with what strangers say"
    return UNHEARD


def require_refused(how: str, report: Mapping[str, int]) -> None:
    """Fail unless an attack was met as it should be."""
    match how:
        case "hellos":
            # A stranger may greet: that is how agents find each other. One whose last
            # answer is still on its way may be told to wait.
            assert set(report) <= {"answered", "Unavailable"}, report
            assert report["answered"] > HELLOS / 10, report
        case "lists" | "requests":
            assert "answered" not in report, report
        case "guesses":
            # Twenty in a minute, and then nobody listens.
            assert report == {"Refused": 20, "Unavailable": GUESSES - 20}, report
        case "idle":
            assert report["kept"] == 0, report
        case "polite" | "half-open":
            assert report["opened"] <= CONNECTIONS, report
        case _:
            assert report["heard"] <= report["tried"], report


CASE = Case(
    row="22",
    fault="a hostile client: garbage, huge frames, half-open calls, endless lists",
    goal=Goal(),
    play=play,
    also=f"each of {len(ATTACKS)} attacks is refused, starts nothing, writes nothing "
    "down; the agent answers people within 5 s; its memory stays bounded",
)
CASES = (CASE,)


def test_a_hostile_client_starts_nothing_and_people_are_answered_within_5_s(
    tmp_path: Path,
) -> None:
    hold(CASE, tmp_path)
