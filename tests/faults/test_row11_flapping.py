"""Row 11: a host's cable goes in and out, two seconds each."""

from pathlib import Path

import pytest

from tests.faults.measure import Case, Goal, Shown, hold
from tests.faults.stage import TRIO, staged

pytestmark = [pytest.mark.real, pytest.mark.minutes, pytest.mark.timeout(120)]

HALF = 2.0
TIMES = 3


def play(folder: Path) -> Shown:
    with staged(folder, *TRIO, standby="cold") as stage:
        other = stage.others[0]
        stage.breaks()
        for _ in range(TIMES):
            other.cut()
            stage.keeps_source(during=HALF)
            other.heal()
            stage.keeps_source(during=HALF)
        stage.whole_again()
        return stage.shown()


CASE = Case(
    row="11",
    fault="a host's cable out and in, 2 s each, for 12 s",
    goal=Goal(silence=0.0, kept=True, switches=0, terms=3),
    play=play,
)
CASES = (CASE,)


def test_a_flapping_cable_moves_no_broadcast_and_costs_3_terms_at_most(
    tmp_path: Path,
) -> None:
    hold(CASE, tmp_path)
