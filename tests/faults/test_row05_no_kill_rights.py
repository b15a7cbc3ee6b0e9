"""Row 5: the broadcaster falls silent, and its Icecast kills no source for us."""

from pathlib import Path

import pytest

from tests.faults.asking import reasons_on
from tests.faults.measure import Case, Goal, Shown, hold
from tests.faults.stage import DUO, PRIMARY, playing
from tests.support.jam import jamming
from tests.support.relay import start_relay

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

# Where Icecast itself answers; the session's port is the relay's.
BEHIND = 8001

REFUSED = ("/admin/killsource", "/admin/moveclients", "/admin/fallbacks")


def play(folder: Path) -> Shown:
    with jamming(folder, *DUO) as jam:
        jam.start_all()
        file = jam.session_file({PRIMARY: ("*",)}, {"broadcast": 'standby = "cold"'})
        icecast = jam.start_icecast(file, BEHIND)
        start_relay(jam.station, BEHIND, *REFUSED)
        with playing(jam, file, icecast, (PRIMARY,), hot=False, port=BEHIND) as stage:
            (other,) = stage.others
            stage.breaks()
            stage.broadcaster.cut()
            stage.await_recovery()
            stage.play_on(2.0)
            assert "kill" in " ".join(reasons_on(other).values())
            return stage.shown()


CASE = Case(
    row="5",
    fault="broadcaster silent, Icecast without kill rights",
    goal=Goal(recovery=13.0, switches=1, may_drop=True),
    play=play,
    also="the status says it",
)
CASES = (CASE,)


def test_without_kill_rights_the_mount_is_taken_within_13_s(tmp_path: Path) -> None:
    hold(CASE, tmp_path)
