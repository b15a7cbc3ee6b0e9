"""A day of sessions on one agent, with other people each time: nothing grows."""

from dataclasses import replace
from pathlib import Path

import pytest

from sessiond.core.spec import HostRef
from sessiond.core.stamped import Secrets
from sessiond.units import HostName, SessionName
from tests.agent.band import SOON, Agent, Band, band, show
from tests.core.examples import ALICE
from tests.support.eventually import aeventually
from tests.support.weigh import weight

SESSIONS = 36
# The first sessions and the last ones are compared.
WARM = 6
# What is under way differs by 20 or so; three objects a session would be 90.
SLACK = 40
SLACK_FILES = 2


def descriptors() -> int:
    return len(tuple(Path("/proc/self/fd").iterdir()))


def forget_the_dead(agent: Agent) -> None:
    """Have the fake machine, which is no part of the agent, bury its processes."""
    processes = agent.procs.machine.processes
    for pid in [pid for pid, one in processes.items() if one.exit_code is not None]:
        del processes[pid]
    agent.procs._starts.clear()


def forget_who_went(agent: Agent) -> None:
    """Have a minute pass for the roster: it forgets, it does not grow."""
    roster = agent.roster
    agent.trust._met.clear()
    agent.trust._publish()
    roster._answered.clear()
    roster._found.clear()
    roster._hints.clear()
    roster._asked.clear()


async def one_session(opened: Band, alice: Agent, number: int) -> None:
    """Play a session with somebody new, from its beginning to its end."""
    bob = await opened.add(f"bob-{number}")
    spec = replace(
        show((ALICE, bob.host.name)),
        name=SessionName(f"jam-{number}"),
    )
    assert HostRef(name=HostName(f"bob-{number}")) in spec.hosts
    await opened.formed(spec, alice, bob)
    await alice.service.mute(None, muted=True, by_owner=True)
    await alice.service.mute(None, muted=False, by_owner=True)
    await alice.service.stop(spec.name)
    await aeventually(lambda: not alice.host.lifecycles, within=SOON)
    await opened.end(bob)
    await alice.roster.close()
    forget_who_went(alice)
    forget_the_dead(alice)


@pytest.mark.timeout(150)
async def test_a_day_of_sessions_leaves_an_agent_as_it_was() -> None:
    async with band() as opened:
        alice = await opened.add("alice")
        await alice.service.create(show((ALICE,)), Secrets())
        await alice.service.stop(show((ALICE,)).name)
        weights, files = [], []
        for number in range(SESSIONS):
            await one_session(opened, alice, number)
            weights.append(weight(alice))
            files.append(descriptors())
        # What is under way at the moment comes and goes; what grows, stays.
        assert min(weights[-WARM:]) <= min(weights[:WARM]) + SLACK, weights
        assert min(files[-WARM:]) <= min(files[:WARM]) + SLACK_FILES, files
