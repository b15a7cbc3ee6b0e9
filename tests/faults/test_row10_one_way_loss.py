"""Row 10: all that one host sends to another is lost; the way back works."""

from pathlib import Path

import pytest

from tests.faults.measure import Case, Goal, Shown, hold
from tests.faults.stage import TRIO, staged

pytestmark = [pytest.mark.real, pytest.mark.minutes, pytest.mark.timeout(120)]

APART = 10.0


def play(folder: Path) -> Shown:
    with staged(folder, *TRIO, standby="cold") as stage:
        other = stage.others[0]
        stage.breaks()
        stage.broadcaster.one_way_loss(other)
        stage.play_on(APART)
        stage.broadcaster.end_one_way_loss(other)
        stage.play_on(4.0)
        stage.whole_again()
        return stage.shown()


CASE = Case(
    row="10",
    fault="all from the leader to one other lost for 10 s",
    goal=Goal(terms=1, switches=1, may_drop=True),
    play=play,
)
CASES = (CASE,)


def test_one_way_loss_costs_one_term_at_most(tmp_path: Path) -> None:
    hold(CASE, tmp_path)
