"""Row 16: all agents are killed and start again together; the show just goes on."""

import re
from pathlib import Path

import pytest

from tests.faults.asking import running_on, status_of
from tests.faults.measure import Case, Goal, Shown, hold
from tests.faults.stage import DUO, Stage, staged
from tests.support.eventually import eventually

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

_TERM = re.compile(r"event='leadership'.* term=(\d+)")


def play(folder: Path) -> Shown:
    with staged(folder, *DUO) as stage:
        before = {name: running_on(stage.host(name)) for name in DUO}
        stage.breaks()
        for name in DUO:
            stage.jam.agents[name].kill()
        stage.keeps_source(during=2.0)
        stage.cured()
        for name in DUO:
            stage.jam.start_agent(name)
        eventually(lambda: adopted(stage, before), within=20.0)
        took = stage.since_cure()
        stage.keeps_source(during=5.0)
        assert {name: running_on(stage.host(name)) for name in DUO} == before
        assert status_of(stage.broadcaster)["broadcaster"] == stage.first
        for name in DUO:
            require_rising(stage.jam.agents[name].text)
        stage.whole_again()
        return stage.shown(took)


def adopted(stage: Stage, before: dict[str, dict[str, int]]) -> bool:
    """Tell that both agents run what they ran, as the same processes."""
    for name in DUO:
        assert running_on(stage.host(name)) == before[name]
    status = status_of(stage.broadcaster)
    assert (status["broadcaster"], status["phase"]) == (stage.first, "on-air"), status
    return True


def require_rising(log: str) -> None:
    """Fail if the terms in the log of a host's two agents ever fall."""
    terms = [int(term) for term in _TERM.findall(log)]
    assert terms == sorted(terms), f"terms fall: {terms}"


CASE = Case(
    row="16",
    fault="all agents kill -9, restarted together after 2 s",
    goal=Goal(silence=0.0, recovery=5.0, switches=0),
    play=play,
    also="recovery: from the agents' start until all children are adopted and the same "
    "broadcaster is on the air in their eyes; terms never fall",
)
CASES = (CASE,)


def test_agents_killed_together_adopt_the_same_show_within_5_s_without_silence(
    tmp_path: Path,
) -> None:
    hold(CASE, tmp_path)
