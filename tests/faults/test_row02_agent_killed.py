"""Row 2: the broadcaster's agent is killed and started again; the music never knew."""

from pathlib import Path

import pytest

from tests.faults.asking import running_on
from tests.faults.measure import Case, Goal, Shown, hold
from tests.faults.stage import DUO, staged
from tests.support.eventually import eventually

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]


def play(folder: Path) -> Shown:
    with staged(folder, *DUO) as stage:
        jam, name = stage.jam, stage.first
        before = running_on(stage.host(name))
        stage.breaks()
        jam.agents[name].kill()
        stage.keeps_source(during=4.0)
        stage.cured()
        jam.start_agent(name)
        eventually(lambda: running_on(stage.host(name)) == before, within=20.0)
        took = stage.since_cure()
        stage.keeps_source(during=3.0)
        return stage.shown(took)


CASE = Case(
    row="2",
    fault="agent kill -9, restarted after 4 s",
    goal=Goal(silence=0.0, recovery=2.0, switches=0, terms=0),
    play=play,
    also="recovery: from its start until its status names every child as before",
)
CASES = (CASE,)


def test_a_restarted_agent_adopts_its_children_within_2_s_without_silence(
    tmp_path: Path,
) -> None:
    hold(CASE, tmp_path)
