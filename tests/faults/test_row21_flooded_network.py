"""Row 21: multicast DNS is off, or flooded with fakes; configured peers suffice."""

import sys
from pathlib import Path
from typing import Final

import psutil
import pytest

from sessiond.units import Seconds
from tests.faults.measure import Case, Goal, Shown, hold
from tests.faults.unheard import UNHEARD
from tests.support.eventually import eventually
from tests.support.jam import Jam, jamming

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

DUO: Final = ("alice", "bob")
FAKES: Final = 20_000
# Of what zeroconf keeps of each, 10,000 records at most; and lines to 512 addresses.
MOST_GROWTH: Final = 64 * 1024 * 1024
# Who is asked and does not answer is asked for one second.
FOUND_WITHIN: Final = 10.0


def together(jam: Jam) -> bool:
    """Tell that each of the two knows the other, and no fake."""
    for name in DUO:
        said = jam.operate(name, "hosts", "--json")
        assert said.code == 0, said
        names = sorted(host["name"] for host in said.document["hosts"])
        assert names == list(DUO), names
    return True


def memory_of(jam: Jam, name: str) -> int:
    """Return what a host's agent has in memory, bytes."""
    (agent,) = (
        process
        for process in map(psutil.Process, jam.lab.host(name).processes())
        if process.cmdline()[1:3] == ["-m", "agent"]
    )
    resident: int = agent.memory_info().rss
    return resident


def flooded(folder: Path) -> Shown:
    with jamming(folder, *DUO) as jam:
        jam.start_agent("alice")
        jam.await_agents(["alice"])
        before = memory_of(jam, "alice")
        argv = (sys.executable, "-m", "tests.faults.announcing")
        jam.station.run((*argv, jam.station.address, str(FAKES)), within=Seconds(60.0))
        jam.start_agent("bob")
        jam.await_agents(["bob"])
        eventually(lambda: together(jam), within=FOUND_WITHIN)
        created = jam.operate("alice", "create", str(no_mounts(jam)), "--wait", "0")
        assert created.code == 0, created
        eventually(lambda: jam.status("bob")["session"] == "jam", within=FOUND_WITHIN)
        grown = memory_of(jam, "alice") - before
        assert grown < MOST_GROWTH, f"the agent has grown by {grown >> 20} MiB"
    return UNHEARD


def switched_off(folder: Path) -> Shown:
    with jamming(folder, *DUO) as jam:
        for name in DUO:
            peers = [f"{jam.lab.host(n).address}:7700" for n in DUO if n != name]
            jam.start_agent(name, {"": {"mdns": False, "peers": peers}})
        jam.await_agents(DUO)
        eventually(lambda: together(jam), within=FOUND_WITHIN)
        created = jam.operate("alice", "create", str(no_mounts(jam)), "--wait", "0")
        assert created.code == 0, created
        eventually(lambda: jam.status("bob")["session"] == "jam", within=FOUND_WITHIN)
    return UNHEARD


def no_mounts(jam: Jam) -> Path:
    """Write a session file that needs no Icecast."""
    file = jam.lab.folder / "session.toml"
    file.write_text('name = "jam"\nhosts = ["alice", "bob"]\n')
    return file


FLOOD = Case(
    row="21 flood",
    fault=f"{FAKES:,} fake agents announced by multicast DNS",
    goal=Goal(),
    play=flooded,
    also="two agents that are configured as peers find each other and form a session "
    "within 10 s; memory grows by less than 64 MiB",
)
OFF = Case(
    row="21 off",
    fault="multicast DNS off",
    goal=Goal(),
    play=switched_off,
    also="as above",
)
CASES = (FLOOD, OFF)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.row)
def test_configured_peers_find_each_other_within_10_s(
    tmp_path: Path, case: Case
) -> None:
    hold(case, tmp_path)
