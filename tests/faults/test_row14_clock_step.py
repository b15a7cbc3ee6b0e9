"""Row 14: a host's wall clock jumps by an hour, to and fro."""

from pathlib import Path

import pytest

from tests.faults.asking import reasons_on
from tests.faults.breaking import WallClock
from tests.faults.measure import Case, Goal, Shown, hold
from tests.faults.stage import DUO, staged
from tests.support.eventually import eventually
from tests.support.jam import Jam

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

HOUR = 3600


def play(folder: Path) -> Shown:
    clocks: dict[str, WallClock] = {}

    def prepare(jam: Jam) -> None:
        for name in jam.musicians:
            clocks[name] = WallClock(jam.lab.host(name))
            jam.envs[name] = clocks[name].env

    with staged(folder, *DUO, prepare=prepare) as stage:
        clock = clocks[stage.first]
        stage.breaks()
        clock.set_off(HOUR)
        eventually(
            lambda: any("Clock" in r for r in reasons_on(stage.broadcaster)),
            within=30.0,
        )
        clock.set_off(-HOUR)
        stage.keeps_source(during=4.0)
        return stage.shown()


CASE = Case(
    row="14",
    fault="the broadcaster's wall clock +1 h, then -1 h",
    goal=Goal(silence=0.0, gap=1.0, kept=True, switches=0, terms=0),
    play=play,
    also="the status shows it",
)
CASES = (CASE,)


def test_a_clock_step_of_an_hour_changes_no_term_and_no_moment_is_silent(
    tmp_path: Path,
) -> None:
    hold(CASE, tmp_path)
