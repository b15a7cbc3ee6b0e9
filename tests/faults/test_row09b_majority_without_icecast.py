"""Row 9b: the broadcaster is cut off from a majority that has lost Icecast."""

from pathlib import Path

import pytest

from tests.faults.breaking import join, part
from tests.faults.measure import Case, Goal, Shown, hold
from tests.faults.stage import TRIO, staged

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

APART = 15.0


def play(folder: Path) -> Shown:
    with staged(folder, *TRIO) as stage:
        others = stage.others
        stage.breaks()
        part(stage.jam.station, *others)
        part(stage.broadcaster, *others)
        stage.keeps_source(during=APART)
        join(stage.jam.station, *others)
        join(stage.broadcaster, *others)
        stage.keeps_source(during=5.0)
        stage.whole_again()
        return stage.shown()


CASE = Case(
    row="9b",
    fault="the leader cut from the two others for 15 s, and these from Icecast",
    goal=Goal(silence=0.0, kept=True, switches=0, kills=0),
    play=play,
)
CASES = (CASE,)


def test_a_minority_that_alone_sees_icecast_goes_on_without_silence(
    tmp_path: Path,
) -> None:
    hold(CASE, tmp_path)
