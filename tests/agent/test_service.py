"""Ending, leaving, muting and looking around: whole agents, fake programs."""

import asyncio

import pytest

from sessiond.core.conditions import Reason
from sessiond.core.spec import SessionSpec
from sessiond.core.stamped import Secrets, Stamp
from sessiond.errors import Refused, Unavailable
from sessiond.units import MountPath, Seconds
from tests.agent.band import JAM, SOON, Agent, Band, band, jam, show
from tests.core.examples import ALICE, BOB, CAROL, TRIO
from tests.support.eventually import aeventually

NOTHING = Secrets()
MIX = MountPath("/mix.ogg")


def follower(*agents: Agent) -> Agent:
    return next(agent for agent in agents if not agent.leads)


async def duo(opened: Band, spec: SessionSpec | None = None) -> tuple[Agent, Agent]:
    """Return leader and follower of a session of alice and bob."""
    alice, bob = await opened.add("alice"), await opened.add("bob")
    leader = await opened.formed(spec or jam(), alice, bob)
    return leader, follower(alice, bob)


async def stored(agent: Agent, stamp: Stamp) -> None:
    """Return once the agent has a document of this stamp or a newer one."""
    await aeventually(lambda: agent.document.stamp >= stamp, within=SOON)


# Ending


async def test_after_stop_nothing_of_the_session_is_left_anywhere() -> None:
    async with band() as opened:
        agents = await opened.trio()
        await opened.formed(show(TRIO), *agents)
        await follower(*agents).service.stop(JAM)
        await aeventually(
            lambda: all(not a.host.lifecycles and a.host.settled for a in agents),
            within=SOON,
        )
        assert opened.radio.mounts == {}
        for agent in agents:
            assert agent.jack.wires == set()
            assert not agent.procs.seen()
            with pytest.raises(Refused, match="has been stopped"):
                await agent.service.spec(None)


async def test_a_stopped_session_is_stopped_once_and_can_be_created_again() -> None:
    async with band() as opened:
        leader, other = await duo(opened)
        await leader.service.stop(JAM)
        await leader.service.stop(JAM)
        with pytest.raises(Refused, match="has been stopped"):
            await leader.service.apply(jam(), NOTHING, None)
        await aeventually(lambda: other.document.stopped, within=SOON)
        await opened.formed(jam(), leader, other)


async def test_whoever_leaves_is_out_of_the_spec_and_silent() -> None:
    async with band() as opened:
        agents = await opened.trio()
        await opened.formed(jam(*TRIO), *agents)
        gone = follower(*agents)
        await gone.service.leave()
        assert gone.host.document is None
        assert not gone.host.lifecycles
        left = [agent for agent in agents if agent is not gone]
        await aeventually(
            lambda: all(gone.host.name not in a.document.spec.host_names for a in left),
            within=SOON,
        )


async def test_a_leader_that_leaves_hands_over_first() -> None:
    async with band() as opened:
        leader, other = await duo(opened)
        await leader.service.leave()
        assert leader.host.document is None
        await aeventually(lambda: other.leads, within=SOON)
        assert other.document.spec.host_names == (other.host.name,)


async def test_the_last_host_that_leaves_stops_the_session() -> None:
    async with band() as opened:
        alice = await opened.add("alice")
        await opened.formed(jam(ALICE), alice)
        await alice.service.leave()
        assert alice.host.document is None
        assert not alice.host.lifecycles


# Muting


async def test_muting_takes_a_musicians_inputs_away_wherever_it_is_asked() -> None:
    async with band() as opened:
        leader, other = await duo(opened)
        inputs = other.host.setup.audio.inputs
        await leader.service.mute(other.host.name, muted=True)
        await aeventually(
            lambda: not any(w.source in inputs for w in other.jack.wires), within=SOON
        )
        await other.service.mute(None, muted=False, by_owner=True)
        await aeventually(
            lambda: any(w.source in inputs for w in other.jack.wires), within=SOON
        )


async def test_what_the_owner_muted_nobody_else_opens() -> None:
    async with band() as opened:
        leader, other = await duo(opened)
        name = other.host.name
        await other.service.mute(None, muted=True, by_owner=True)
        await leader.service.mute(name, muted=True)
        with pytest.raises(Refused, match=f"The owner of {name} has muted it"):
            await leader.service.mute(name, muted=False)
        with pytest.raises(Refused, match=f"The owner of {name} has muted it"):
            await other.service.mute(None, muted=False)
        back = await opened.restart(other)
        assert back.host.muted
        assert back.host.muted_by_owner
        await back.service.mute(None, muted=False, by_owner=True)
        assert not back.host.muted


async def test_what_was_muted_from_elsewhere_anybody_opens() -> None:
    async with band() as opened:
        leader, other = await duo(opened)
        await leader.service.mute(other.host.name, muted=True)
        assert other.host.muted
        await other.service.mute(None, muted=False)
        assert not other.host.muted


async def test_only_its_owner_mutes_a_host_that_takes_part_in_nothing() -> None:
    async with band() as opened:
        alice = await opened.add("alice")
        with pytest.raises(Refused, match="alice is in no session"):
            await alice.service.mute(None, muted=True)
        await opened.formed(jam(ALICE), alice)
        await alice.service.stop(JAM)
        with pytest.raises(Refused, match="alice is in no session"):
            await alice.service.mute(ALICE, muted=True)
        assert not alice.host.muted
        await alice.service.mute(None, muted=True, by_owner=True)
        assert alice.host.muted


async def test_a_stranger_and_an_absent_host_can_not_be_muted() -> None:
    async with band() as opened:
        alice = await opened.add("alice")
        await alice.service.create(jam(), NOTHING)
        with pytest.raises(Refused, match="carol is no host of jam"):
            await alice.service.mute(CAROL, muted=True)
        with pytest.raises(Unavailable, match="bob has not joined"):
            await alice.service.mute(BOB, muted=True)


# Who is there


async def test_hosts_are_shown_with_the_session_that_they_are_in() -> None:
    async with band() as opened:
        await duo(opened)
        carol = await opened.add("carol")
        shown = await carol.service.hosts(Seconds(0))
        assert [(s.name, s.session) for s in shown] == [
            (ALICE, JAM),
            (BOB, JAM),
            (CAROL, ""),
        ]


async def test_an_absent_host_is_named_by_the_leader() -> None:
    async with band() as opened:
        alice = await opened.add("alice")
        await alice.service.create(jam(ALICE, BOB), NOTHING)
        await aeventually(lambda: bool(alice.host.conditions), within=SOON)
        reasons = {c.reason for c in alice.host.conditions}
        assert reasons <= {Reason.HOST_MISSING, Reason.NO_LEADER}


async def test_nobody_waits_for_ever_for_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.service.LONGEST_WAIT", Seconds(0.1))
    async with band() as opened:
        alice = await opened.add("alice")
        async with asyncio.timeout(SOON):
            assert await alice.service.hosts(Seconds(1e9))
