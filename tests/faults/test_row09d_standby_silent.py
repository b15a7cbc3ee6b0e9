"""Row 9d: the standby loses power; the listeners don't know that there was one."""

from pathlib import Path

import pytest

from tests.faults.measure import Case, Goal, Shown, hold
from tests.faults.stage import TRIO, staged

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]


def play(folder: Path) -> Shown:
    with staged(folder, *TRIO) as stage:
        standby, _ = stage.others
        stage.breaks()
        standby.cut()
        # Until Icecast has given up its silent source, after 10 s.
        stage.keeps_source(during=12.0)
        return stage.shown()


CASE = Case(
    row="9d",
    fault="the standby loses power",
    goal=Goal(silence=0.0, kept=True, switches=0, terms=0),
    play=play,
)
CASES = (CASE,)


def test_a_silent_standby_is_not_noticed_by_any_listener(tmp_path: Path) -> None:
    hold(CASE, tmp_path)
