"""Row 18: the broadcaster's disk is full; the music goes on, changes are refused."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

import pytest

from tests.faults.asking import reasons_on, running_on
from tests.faults.breaking import signal_those
from tests.faults.measure import Case, Goal, Shown, hold
from tests.faults.stage import DUO, PRIMARY, Stage, staged
from tests.support.eventually import eventually

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

UNSTORED: Final = "StateNotStored"


@contextmanager
def small_disk(place: Path) -> Iterator[None]:
    """Have a folder lie on a file system of its own that is soon full."""
    place.mkdir(parents=True)
    argv = ("mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place))
    subprocess.run(argv, check=True, capture_output=True)
    try:
        yield
    finally:
        # The lab's namespaces still go; the kernel unmounts it after them.
        subprocess.run(("umount", "-l", str(place)), check=True, capture_output=True)


def fill(stage: Stage) -> Path:
    """Leave not a byte on the broadcaster's disk."""
    ballast = stage.broadcaster.state_dir / "ballast"
    with ballast.open("ab", buffering=0) as file, suppress(OSError):
        while file.write(b"\0" * 4096):
            pass
    return ballast


def gain(stage: Stage, db: str) -> int:
    """Change a fader, on the broadcaster itself; returns the exit code."""
    said = stage.jam.operate(stage.first, "gain", "jam", PRIMARY, stage.first, "--", db)
    if said.code:
        assert said.err.count("\n") == 2, f"a sentence and a hint: {said.err}"
    return said.code


def play(folder: Path) -> Shown:
    with ExitStack() as disks:
        for name in DUO:
            disks.enter_context(small_disk(folder / name / "state"))
        with staged(folder, *DUO) as stage:
            return _play(stage)


def _play(stage: Stage) -> Shown:
    first, jam = stage.broadcaster, stage.jam
    stage.breaks()
    ballast = fill(stage)
    assert gain(stage, "-1.0") == 3
    eventually(lambda: UNSTORED in reasons_on(first), within=5.0)
    # A link that dies now must be known to the next agent, full disk or not.
    signal_those(first, "jacktrip")
    stage.keeps_source(during=3.0)
    stage.whole_again()
    fill(stage)
    known = running_on(first)
    jam.agents[stage.first].kill()
    jam.start_agent(stage.first)
    eventually(lambda: running_on(first) == known, within=10.0)
    assert gain(stage, "-1.0") == 3
    ballast.unlink()
    stage.cured()
    eventually(lambda: UNSTORED not in reasons_on(first), within=10.0)
    took = stage.since_cure()
    assert gain(stage, "-1.0") == 0
    stage.keeps_source(during=2.0)
    return stage.shown(took)


CASE = Case(
    row="18",
    fault="the broadcaster's disk is full; meanwhile a link and then the agent die",
    goal=Goal(silence=0.0, recovery=5.0, switches=0, terms=0),
    play=play,
    also="a change is refused with exit 3 and the condition is shown; every child is "
    "adopted on the full disk; recovery: from room on the disk until the condition "
    "is gone",
)
CASES = (CASE,)


def test_a_full_disk_is_not_heard_and_mends_within_5_s_of_room(tmp_path: Path) -> None:
    hold(CASE, tmp_path)
