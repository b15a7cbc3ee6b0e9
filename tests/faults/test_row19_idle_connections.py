"""Row 19: a thousand idle connections, more than the agent has descriptors for.

For ``make faults`` only, until it holds each time.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

from sessiond.cli.lab import LabHost
from tests.faults.asking import running_on
from tests.faults.measure import Case, Goal, Shown
from tests.faults.stage import DUO, Stage, staged
from tests.faults.stranger import CONNECTIONS
from tests.support.eventually import eventually
from tests.support.jam import as_person

# What the agent may have: fewer than there are strangers.
DESCRIPTORS: Final = 512
HELD: Final = 12.0


def play(folder: Path) -> Shown:
    with staged(folder, *DUO) as stage:
        start_with_few_descriptors(stage)
        where = f"{stage.broadcaster.address}:7700"
        argv = (sys.executable, "-m", "tests.faults.stranger", where, "idle")
        asker, identity = stage.others[0], folder / "newcomer"
        invited = stage.jam.operate(stage.broadcaster.name, "invite", "--viewer")
        asker.run(as_person(identity, "join", invited.out.strip()))
        stage.breaks()
        stranger = stage.jam.station.spawn((*argv, str(HELD)))
        # A busy machine takes its time to start a stranger.
        eventually(lambda: is_crowded(stage.broadcaster), within=25.0)
        stage.keeps_source(during=HELD / 2)
        eventually(lambda: stranger.exit_code is not None, within=30.0)
        stage.cured()
        said = json.loads(stranger.text)
        assert said["opened"] > DESCRIPTORS, said
        eventually(lambda: answers(asker, identity, where), within=20.0)
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


CASE = Case(
    row="19",
    fault=f"{CONNECTIONS:,} idle connections for {HELD:g} s to the broadcaster's "
    f"agent, which may have {DESCRIPTORS} descriptors",
    goal=Goal(silence=0.0, recovery=5.0, switches=0, terms=0),
    play=play,
    also="recovery: from their end until a newcomer is answered",
)
CASES = (CASE,)
