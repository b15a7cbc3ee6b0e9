"""Row 23: a JackTrip is killed, or ends and so tells its peer to stop."""

import signal
from functools import partial
from pathlib import Path

import pytest

from tests.faults.asking import running_on
from tests.faults.breaking import signal_those
from tests.faults.hearing import silent_until
from tests.faults.measure import Case, Goal, Shown
from tests.faults.stage import TRIO, Stage, staged

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]


def play(folder: Path, number: signal.Signals) -> Shown:
    with staged(folder, *TRIO, standby="cold") as stage:
        return end_one_side(stage, number)


def end_one_side(stage: Stage, number: signal.Signals) -> Shown:
    one, other = stage.others
    before = {name: running_on(stage.host(name)) for name in TRIO}
    stage.breaks()

    def breaks() -> None:
        signal_those(one, "jacktrip", f"link-{other.name}", number=number)

    took = silent_until(one, other, breaks)
    after = {name: running_on(stage.host(name)) for name in TRIO}
    assert after[stage.first] == before[stage.first], "another host's procs changed"
    for host in (one, other):
        untouched = f"link-{stage.first}"
        assert after[host.name][untouched] == before[host.name][untouched]
    return stage.shown(took)


GOAL = Goal(silence=0.0, recovery=3.0, switches=0, terms=0)
ALSO = "recovery: until both hear each other again; no other process changed"
KILLED = Case(
    row="23 killed",
    fault="a JackTrip kill -9",
    goal=GOAL,
    play=partial(play, number=signal.SIGKILL),
    also=ALSO,
)
STOPPED = Case(
    row="23 stopped",
    fault="a JackTrip ended: its peer gets the stop packet",
    goal=GOAL,
    play=partial(play, number=signal.SIGTERM),
    also=ALSO,
)
CASES = (KILLED, STOPPED)


def test_a_link_sounds_again_within_3_s_of_a_kill_or_a_stop_packet(
    tmp_path: Path,
) -> None:
    with staged(tmp_path, *TRIO, standby="cold") as stage:
        KILLED.judge(end_one_side(stage, signal.SIGKILL))
        stage.attend()
        STOPPED.judge(end_one_side(stage, signal.SIGTERM))
