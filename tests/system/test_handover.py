"""A planned hand-over: another host takes the mounts, and no listener hears of it."""

from pathlib import Path

import pytest

from tests.faults.measure import Goal
from tests.faults.stage import DUO, PRIMARY, staged
from tests.support.jam import SESSION

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

MP3 = "/two.mp3"
GOAL = Goal(silence=0.0, recovery=5.0, switches=1)


def test_a_hand_over_to_a_hot_standby_is_not_heard(tmp_path: Path) -> None:
    with staged(tmp_path, *DUO, mounts=(PRIMARY, MP3)) as stage:
        heir = stage.others[0].name
        stage.breaks()
        said = stage.jam.operate(stage.first, "handover", SESSION)
        assert said.code == 0, said
        assert f"{heir} broadcasts" in said.out
        stage.await_recovery(within=10.0)
        stage.play_on(5.0)
        shown = stage.shown()
        assert not GOAL.missed(shown), shown
        assert stage.jam.status(heir)["broadcaster"] == heir
        # The old broadcaster stands by now: the next hand-over is as quiet.
        stage.whole_again()
