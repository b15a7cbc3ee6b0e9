"""Row 7: the whole broadcaster stands still, and comes back much later."""

from pathlib import Path

import pytest

from tests.faults.breaking import pause, resume
from tests.faults.measure import Case, Goal, Shown, hold, holdings
from tests.faults.stage import PRIMARY, TRIO, staged

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]


def play(folder: Path) -> Shown:
    with staged(folder, *TRIO) as stage:
        stage.breaks()
        pause(stage.broadcaster)
        stage.await_recovery()
        stage.play_on(8.0)
        looks = len(stage.audience.looks)
        resume(stage.broadcaster)
        stage.play_on(5.0)
        later = holdings(stage.audience.looks[looks:], PRIMARY)
        hosts = {held.host for held in later}
        assert stage.first not in hosts, "the old source is back"
        return stage.shown()


CASE = Case(
    row="7",
    fault="the broadcaster's host paused for about 10 s, then resumed",
    goal=Goal(silence=0.0, recovery=3.0, switches=1),
    play=play,
    also="after it resumed, nothing of it on the mount",
)
CASES = (CASE,)


def test_a_paused_host_is_replaced_within_3_s_and_never_heard_again(
    tmp_path: Path,
) -> None:
    hold(CASE, tmp_path)
