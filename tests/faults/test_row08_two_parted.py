"""Row 8: two hosts lose each other, and both still reach Icecast."""

from pathlib import Path

import pytest

from tests.faults.breaking import join, part
from tests.faults.measure import Case, Goal, Shown, hold
from tests.faults.stage import DUO, staged

pytestmark = [pytest.mark.real, pytest.mark.minutes, pytest.mark.timeout(120)]

# Longer than every deadline there is: lease, adoption grace, two leases.
APART = 15.0


def play(folder: Path) -> Shown:
    with staged(folder, *DUO) as stage:
        one, other = map(stage.host, DUO)
        stage.breaks()
        part(one, other)
        stage.keeps_source(during=APART)
        join(one, other)
        stage.keeps_source(during=5.0)
        stage.whole_again()
        return stage.shown()


CASE = Case(
    row="8",
    fault="two hosts cut from each other for 15 s, both see Icecast",
    goal=Goal(silence=0.0, kept=True, switches=0, kills=0),
    play=play,
)
CASES = (CASE,)


def test_two_parted_hosts_keep_the_source_and_no_moment_is_silent(
    tmp_path: Path,
) -> None:
    hold(CASE, tmp_path)
