"""Row 19: a thousand idle connections, more than the agent has descriptors for."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import pytest

from sessiond.cli.lab import LabHost, Program
from tests.faults.asking import running_on
from tests.faults.measure import Case, Goal, Shown, hold
from tests.faults.stage import DUO, Stage, staged
from tests.faults.stranger import CONNECTIONS, FLOODING
from tests.support.eventually import eventually
from tests.support.jam import as_person

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

# What the agent may have: fewer than there are strangers.
DESCRIPTORS: Final = 512
HELD: Final = 12.0


def idle(folder: Path) -> Shown:
    with staged(folder, *DUO) as stage:
        start_with_few_descriptors(stage)
        asker, identity, where = newcomer(stage, folder)
        stage.breaks()
        stranger = comes(stage, "idle")
        # A busy machine takes its time to start a stranger.
        eventually(lambda: is_crowded(stage.broadcaster), within=25.0)
        stage.keeps_source(during=HELD / 2)
        said = goes(stage, stranger)
        assert said["opened"] > DESCRIPTORS, said
        return answered_again(stage, lambda: answers(asker, identity, where))


def flood(folder: Path) -> Shown:
    with staged(folder, *DUO) as stage:
        asker, identity, where = newcomer(stage, folder)
        stage.breaks()
        stranger = comes(stage, "flood")
        stage.keeps_source(during=HELD / 2)
        said = goes(stage, stranger)
        assert said["tried"] > FLOODING, said
        assert said["at_once"] == FLOODING, said
        return answered_again(stage, lambda: answers(asker, identity, where))


def newcomer(stage: Stage, folder: Path) -> tuple[LabHost, Path, str]:
    """Return a viewer's computer and identity, and whom the viewer asks."""
    where = f"{stage.broadcaster.address}:7700"
    asker, identity = stage.others[0], folder / "newcomer"
    invited = stage.jam.operate(stage.broadcaster.name, "invite", "--viewer")
    asker.run(as_person(identity, "join", invited.out.strip()))
    return asker, identity, where


def comes(stage: Stage, how: str) -> Program:
    """Have a stranger do this to the broadcaster; in what time the music leaves."""
    module = (sys.executable, "-m", "tests.faults.stranger")
    argv = (*module, f"{stage.broadcaster.address}:7700", how, str(HELD))
    return stage.jam.station.spawn(("nice", "-n", "19", *argv))


def goes(stage: Stage, stranger: Program) -> Mapping[str, int]:
    """Return what the stranger tells once it has ended."""
    eventually(lambda: stranger.exit_code is not None, within=HELD + 20.0)
    stage.cured()
    said: Mapping[str, int] = json.loads(stranger.text)
    return said


def answered_again(stage: Stage, is_answered: Callable[[], bool]) -> Shown:
    eventually(is_answered, within=20.0)
    took = stage.since_cure()
    stage.whole_again()
    stage.keeps_source(during=2.0)
    return stage.shown(took)


def start_with_few_descriptors(stage: Stage) -> None:
    """Have the broadcaster's agent begin anew; what it runs is adopted."""
    host, agents = stage.broadcaster, stage.jam.agents
    known = running_on(host)
    agents[host.name].kill()
    few = ("prlimit", f"--nofile={DESCRIPTORS}:{DESCRIPTORS}")
    argv = (sys.executable, "-m", "agent", "--config", str(host.folder / "agent.toml"))
    agents[host.name] = host.spawn((*few, *argv), log="agent")
    eventually(lambda: running_on(host) == known, within=20.0)
    stage.whole_again()


def is_crowded(host: LabHost) -> bool:
    """Tell that strangers have nearly all the connections that they may have.

    One that becomes free is anybody's, so that a newcomer may be answered all the same.
    """
    listed = host.run(("ss", "-Htn", "state", "established", "sport = :7700"))
    assert len(listed.splitlines()) > DESCRIPTORS // 4 - 10, listed
    return True


def answers(asker: LabHost, identity: Path, where: str) -> bool:
    """Tell whether an agent answers a viewer on another computer."""
    try:
        asker.run(as_person(identity, "--agent", where, "status", "--json"))
    except subprocess.CalledProcessError:
        return False
    return True


GOAL: Final = Goal(silence=0.0, recovery=5.0, switches=0, terms=0)
ALSO: Final = "recovery: from their end until a newcomer is answered"

CASES: Final = (
    Case(
        row="19",
        fault=f"{CONNECTIONS:,} idle connections for {HELD:g} s to the broadcaster's "
        f"agent, which may have {DESCRIPTORS} descriptors",
        goal=GOAL,
        play=idle,
        also=ALSO,
    ),
    Case(
        row="19 flood",
        fault=f"{FLOODING} connections that flood the broadcaster's agent for "
        f"{HELD:g} s",
        goal=GOAL,
        play=flood,
        also=ALSO,
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.row)
def test_connections_in_plenty_are_not_heard_and_a_newcomer_is_answered_within_5_s(
    case: Case, tmp_path: Path
) -> None:
    hold(case, tmp_path)
