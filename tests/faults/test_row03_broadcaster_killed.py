"""Row 3: every process of the broadcaster is killed."""

from functools import partial
from pathlib import Path

import pytest

from tests.faults.measure import Case, Goal, Shown, hold
from tests.faults.stage import PRIMARY, SECOND, TRIO, staged

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]


def play(folder: Path, standby: str) -> Shown:
    with staged(folder, *TRIO, standby=standby, mounts=(PRIMARY, SECOND)) as stage:
        stage.breaks()
        stage.broadcaster.kill_all()
        stage.await_recovery()
        # Until the listeners are back on the primary mount.
        stage.play_on(4.0)
        return stage.shown()


HOT = Case(
    row="3 hot",
    fault="every process of the broadcaster kill -9, hot standby",
    goal=Goal(silence=0.0, recovery=3.0, switches=1),
    play=partial(play, standby="hot"),
)
# Not in a test of its own: tests/system/test_takeover.py plays it.
COLD = Case(
    row="3 cold",
    fault="every process of the broadcaster kill -9, cold standby",
    # Without a fallback Icecast sends its listeners away.
    goal=Goal(recovery=3.5, switches=1, may_drop=True),
    play=partial(play, standby="cold"),
)
CASES = (HOT, COLD)


def test_hot_a_killed_broadcaster_is_replaced_within_3_s_without_silence(
    tmp_path: Path,
) -> None:
    hold(HOT, tmp_path)
