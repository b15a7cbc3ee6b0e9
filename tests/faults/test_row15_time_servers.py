"""Row 15: no time server answers; then four do, and one of them lies."""

from pathlib import Path

import pytest

from tests.faults.asking import reasons_on
from tests.faults.breaking import signal_those
from tests.faults.measure import Case, Goal, Shown, hold
from tests.faults.stage import DUO, staged
from tests.support.eventually import eventually
from tests.support.falsetime import servers_of, start_servers
from tests.support.jam import Jam

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]


def ask_four(jam: Jam) -> None:
    jam.tables = {"clock": {"servers": list(servers_of(jam.station))}}


def play(folder: Path) -> Shown:
    with staged(folder, *DUO, standby="cold", prepare=ask_four) as stage:
        jam = stage.jam
        assert "ClockUnknown" in reasons_on(stage.broadcaster)
        stage.breaks()
        signal_those(jam.station, "chronyd")
        start_servers(jam.station)
        *_, liar = servers_of(jam.station)

        def named() -> bool:
            shown = reasons_on(stage.broadcaster)
            assert liar in shown.get("FalseTicker", ""), shown
            return "ClockUnknown" not in shown

        eventually(named, within=60.0)
        took = stage.since_cure()
        stage.keeps_source(during=0.5)
        return stage.shown(took)


CASE = Case(
    row="15",
    fault="no time server answers; then four do and one lies by 5 s",
    goal=Goal(silence=0.0, recovery=60.0, switches=0, terms=0),
    play=play,
    also="recovery: until the liar is named",
)
CASES = (CASE,)


def test_absent_time_servers_are_told_and_a_liar_is_named_within_60_s(
    tmp_path: Path,
) -> None:
    hold(CASE, tmp_path)
