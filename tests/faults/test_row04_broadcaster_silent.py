"""Row 4: the broadcaster falls silent: a power cut, its port off the switch."""

from functools import partial
from pathlib import Path

import pytest

from tests.faults.measure import Case, Goal, Shown, hold
from tests.faults.stage import PRIMARY, SECOND, TRIO, staged

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]


def play(folder: Path, standby: str) -> Shown:
    with staged(folder, *TRIO, standby=standby, mounts=(PRIMARY, SECOND)) as stage:
        stage.breaks()
        stage.broadcaster.cut()
        stage.await_recovery()
        # Until the listeners are back on the primary mount.
        stage.play_on(4.0)
        return stage.shown()


HOT = Case(
    row="4 hot",
    fault="broadcaster silent: its port off the switch, hot standby",
    goal=Goal(silence=0.0, gap=3.0, switches=1),
    play=partial(play, standby="hot"),
)
# Not in a test of its own: row 12 begins with it.
COLD = Case(
    row="4 cold",
    fault="broadcaster silent: its port off the switch, cold standby",
    # Without a fallback Icecast sends its listeners away.
    goal=Goal(recovery=5.0, switches=1, may_drop=True),
    play=partial(play, standby="cold"),
)
CASES = (HOT, COLD)


def test_hot_a_silent_broadcaster_is_replaced_within_3_s_without_silence(
    tmp_path: Path,
) -> None:
    hold(HOT, tmp_path)
