"""Row 9c: two of three hosts die at once, the broadcaster among them."""

from functools import partial
from pathlib import Path

import pytest

from tests.faults.measure import Case, Goal, Shown, hold
from tests.faults.stage import TRIO, staged

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]


def play(folder: Path, *, survivor: int) -> Shown:
    """Leave only the standby (0) or the third host (1) alive."""
    with staged(folder, *TRIO) as stage:
        others = stage.others
        stage.breaks()
        stage.broadcaster.kill_all()
        others[1 - survivor].kill_all()
        stage.await_recovery()
        stage.play_on(4.0)
        held = stage.holder()
        assert held is not None, "nobody is on the primary mount"
        assert held.host == others[survivor].name, f"{held.host} is on the mount"
        return stage.shown()


STANDBY = Case(
    row="9c standby",
    fault="broadcaster and third host die at once; the standby is left",
    goal=Goal(silence=0.0, recovery=8.0, switches=1),
    play=partial(play, survivor=0),
)
THIRD = Case(
    row="9c third",
    fault="broadcaster and standby die at once; the third host is left",
    goal=Goal(recovery=8.0, switches=1, may_drop=True),
    play=partial(play, survivor=1),
)
CASES = (STANDBY, THIRD)


def test_the_last_host_takes_over_within_8_s_and_as_standby_without_silence(
    tmp_path: Path,
) -> None:
    hold(STANDBY, tmp_path)
