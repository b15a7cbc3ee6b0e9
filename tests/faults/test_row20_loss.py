"""Row 20: every host loses one packet in twenty, as on a bad wireless network."""

from pathlib import Path

import pytest

from tests.faults.breaking import lose, lose_no_more
from tests.faults.measure import Case, Goal, Shown, hold
from tests.faults.stage import TRIO, staged

pytestmark = [pytest.mark.real, pytest.mark.minutes, pytest.mark.timeout(120)]

LOSSY = 10.0
PERCENT = 5


def play(folder: Path) -> Shown:
    wifi = 'network = "wifi"'
    with staged(folder, *TRIO, standby="cold", broadcast=wifi) as stage:
        stage.breaks()
        for host in stage.jam.lab.hosts:
            lose(host, PERCENT)
        stage.keeps_source(during=LOSSY)
        for host in stage.jam.lab.hosts:
            lose_no_more(host)
        stage.whole_again()
        return stage.shown()


CASE = Case(
    row="20",
    fault="5 % loss on every host for 10 s, network wifi",
    goal=Goal(kept=True, switches=0, terms=0),
    play=play,
    also="no jitter: this kernel can't delay packets",
)
CASES = (CASE,)


def test_lost_packets_move_no_broadcast_in_10_s(tmp_path: Path) -> None:
    hold(CASE, tmp_path)
