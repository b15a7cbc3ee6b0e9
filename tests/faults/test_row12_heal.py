"""Row 12: the broadcaster's cable is in again after more than 10 s."""

from pathlib import Path

import pytest

from tests.faults.breaking import feeds
from tests.faults.measure import Case, Goal, Shown, hold, holdings
from tests.faults.stage import PRIMARY, TRIO, staged

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

OUT = 12.0


def play(folder: Path) -> Shown:
    with staged(folder, *TRIO, standby="cold") as stage:
        stage.breaks()
        stage.broadcaster.cut()
        stage.play_on(OUT)
        assert not feeds(stage.broadcaster), "the old source still holds its PUT"
        looks = len(stage.audience.looks)
        stage.broadcaster.heal()
        stage.play_on(4.0)
        later = holdings(stage.audience.looks[looks:], PRIMARY)
        assert stage.first not in {held.host for held in later}
        stage.whole_again()
        return stage.shown()


CASE = Case(
    row="12",
    fault="the broadcaster's cable in again after 12 s",
    goal=Goal(recovery=5.0, switches=1, may_drop=True),
    play=play,
    also="its old source had let go before",
)
CASES = (CASE,)


def test_a_source_cut_off_has_let_go_within_12_s(tmp_path: Path) -> None:
    hold(CASE, tmp_path)
