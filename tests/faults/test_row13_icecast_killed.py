"""Row 13: Icecast itself is killed and started again by its owner."""

from pathlib import Path

import pytest

from tests.faults.breaking import start_icecast_again
from tests.faults.measure import Case, Goal, Shown, hold
from tests.faults.stage import DUO, staged

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]


def play(folder: Path) -> Shown:
    with staged(folder, *DUO, standby="cold") as stage:
        stage.breaks()
        stage.icecast.kill()
        stage.play_on(3.0)
        stage.icecast = start_icecast_again(stage.jam.station)
        stage.cured()
        stage.await_recovery()
        stage.play_on(2.0)
        return stage.shown()


CASE = Case(
    row="13",
    fault="Icecast kill -9, started again after 3 s",
    goal=Goal(recovery=2.0, switches=0, terms=0, may_drop=True),
    play=play,
    also="recovery: from the moment at which it listens",
)
CASES = (CASE,)


def test_a_restarted_icecast_has_the_same_broadcaster_within_2_s(
    tmp_path: Path,
) -> None:
    hold(CASE, tmp_path)
