"""Row 9: the broadcaster is cut off from a majority that sees Icecast as it does."""

from pathlib import Path

import pytest

from tests.faults.breaking import join, part
from tests.faults.measure import Case, Goal, Shown, hold
from tests.faults.stage import TRIO, staged

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

# Lease and adoption grace are over by then.
APART = 15.0


def play(folder: Path) -> Shown:
    with staged(folder, *TRIO) as stage:
        others = stage.others
        stage.breaks()
        part(stage.broadcaster, *others)
        stage.play_on(APART)
        join(stage.broadcaster, *others)
        stage.play_on(5.0)
        stage.whole_again()
        return stage.shown()


CASE = Case(
    row="9",
    fault="the leader cut from the two others for 15 s, all see Icecast",
    goal=Goal(silence=0.0, switches=1),
    play=play,
)
CASES = (CASE,)


def test_a_leader_in_the_minority_is_replaced_once_at_most_without_silence(
    tmp_path: Path,
) -> None:
    hold(CASE, tmp_path)
