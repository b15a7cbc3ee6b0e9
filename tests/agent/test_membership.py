"""A session as one host lives it: consent, passwords, restarts, takeovers."""

import asyncio
from dataclasses import dataclass, replace

import pytest

from agent.identity import EARLIER, KEY
from agent.membership import ALONE_AFTER, ELECTION, SECRETS_WITHIN
from agent.records import load_secrets, save_secrets
from sessiond.core.conditions import Reason
from sessiond.core.election import Persisted
from sessiond.core.procstates import Running
from sessiond.core.roles import Role
from sessiond.core.spec import BroadcastSettings
from sessiond.core.stamped import Member, Secrets
from sessiond.errors import Refused
from sessiond.units import (
    HostId,
    HostName,
    MountPath,
    ProcName,
    Seconds,
    SessionName,
)
from sessiond.wire.convert import decode, encode
from tests.agent.band import JAM, SOON, Agent, Band, band, jam, show
from tests.core.examples import ALICE, TRIO
from tests.support.eventually import aeventually

MIX = MountPath("/mix.ogg")
DUO = show()


async def on_the_air(opened: Band) -> tuple[Agent, Agent]:
    """Return broadcaster and standby of a session of alice and bob."""
    alice, bob = await opened.add("alice"), await opened.add("bob")
    leader = await opened.formed(DUO, alice, bob)
    await aeventually(lambda: feeder(opened) == leader.host.name, within=SOON)
    other = bob if leader is alice else alice
    await aeventually(lambda: other.host.secrets_of == JAM, within=SOON)
    return leader, other


def feeder(opened: Band) -> HostName | None:
    """Return who feeds the primary mount."""
    seen = opened.radio.mounts.get(MIX)
    return seen.holder.host if seen and seen.holder else None


def reasons(agent: Agent) -> set[Reason]:
    return {condition.reason for condition in agent.host.conditions}


def runs_on(agent: Agent, name: ProcName, port: str) -> bool:
    """Tell whether a link runs on this port."""
    state = agent.host.lifecycles.get(name)
    return isinstance(state, Running) and port in state.plan.argv


# Passwords


async def test_passwords_reach_whoever_may_broadcast_and_nobody_else() -> None:
    async with band() as opened:
        alice, bob, carol = await opened.trio()
        barred = BroadcastSettings(never=frozenset({carol.host.name}))
        await opened.formed(show(TRIO, broadcast=barred), alice, bob, carol)
        for agent in (alice, bob):
            await aeventually(
                lambda: agent.host.secrets.source == "hackme",  # noqa: B023
                within=SOON,
            )
        assert alice.host.secrets.join == bob.host.secrets.join != ""
        assert carol.host.secrets == Secrets()


async def test_who_may_broadcast_no_more_forgets_the_passwords_until_it_may() -> None:
    async with band() as opened:
        leader, other = await on_the_air(opened)
        never = BroadcastSettings(never=frozenset({other.host.name}))
        await aeventually(
            lambda: other.host.secrets == leader.host.secrets, within=SOON
        )
        spec = replace(leader.document.spec, broadcast=never)
        await leader.service.apply(spec, Secrets(), None)
        await aeventually(lambda: other.host.secrets == Secrets(), within=SOON)
        assert load_secrets(other.store) is None
        spec = replace(spec, broadcast=BroadcastSettings())
        await leader.service.apply(spec, Secrets(), None)
        await aeventually(
            lambda: other.host.secrets == leader.host.secrets, within=SOON
        )


async def test_a_leader_that_has_none_is_given_them_though_nothing_is_fed() -> None:
    async with band() as opened:
        alice, bob = await opened.add("alice"), await opened.add("bob")
        leader = await opened.formed(jam(), alice, bob)
        other = bob if leader is alice else alice
        await aeventually(lambda: other.host.secrets_of == JAM, within=SOON)
        leader.host.secrets, leader.host.secrets_of = Secrets(), ""
        membership = other.sessions.current()
        assert membership is not None
        membership._given.clear()
        await aeventually(lambda: leader.host.secrets_of == JAM, within=SOON)


async def test_nobody_gives_a_leader_other_passwords_than_it_has() -> None:
    async with band() as opened:
        leader, other = await on_the_air(opened)
        before = leader.host.secrets
        older = Secrets(source="older")
        await leader.peering.give_secrets(JAM, older, other.host.id)
        assert leader.host.secrets == before


async def test_nobody_but_the_leader_gives_others_than_the_first_passwords() -> None:
    async with band() as opened:
        trio = await opened.trio()
        leader = await opened.formed(jam(*TRIO), *trio)
        giver, other = (each for each in trio if each is not leader)
        await aeventually(lambda: other.host.secrets_of == JAM, within=SOON)
        before = other.host.secrets
        for known in (JAM, ""):
            other.host.secrets_of = known
            with pytest.raises(Refused, match=f"{leader.host.name} leads jam"):
                await other.peering.give_secrets(JAM, Secrets(), giver.host.id)
            assert other.host.secrets == before


async def test_who_is_removed_while_others_get_the_passwords_gets_none() -> None:
    async with band() as opened:
        trio = await opened.trio()
        leader = await opened.formed(jam(*TRIO), *trio)
        first, last = (each for each in trio if each is not leader)
        for each in (first, last):
            await aeventually(lambda: each.host.secrets_of == JAM, within=SOON)  # noqa: B023
        lines = Lines(first.host.name)
        membership = leader.sessions.current()
        assert membership is not None
        membership.lines.line = lines.to  # type: ignore[method-assign,assignment]
        save_secrets(leader.host, JAM, replace(leader.host.secrets, join="anew"))
        membership._owed()
        await lines.held.wait()
        await leader.service.remove(JAM, last.host.name)
        lines.go_on.set()
        await aeventually(
            lambda: lines.given[first.host.name] == leader.host.secrets, within=SOON
        )
        assert set(lines.given) == {first.host.name}


class Lines:
    """Lines to members, of whom one takes its time to be given passwords.

    Attributes:
        given: The last ones of each member.
    """

    def __init__(self, slow: HostName) -> None:
        self._slow = slow
        self.held, self.go_on = asyncio.Event(), asyncio.Event()
        self.given: dict[HostName, Secrets] = {}

    def to(self, name: HostName) -> "Line":
        return Line(self, name)

    async def give(self, name: HostName, secrets: Secrets) -> None:
        self.given[name] = secrets
        if name == self._slow:
            self.held.set()
            await self.go_on.wait()


@dataclass(frozen=True, slots=True)
class Line:
    lines: Lines
    name: HostName

    async def give_secrets(
        self, session: SessionName, secrets: Secrets, *, within: Seconds
    ) -> None:
        assert (session, within) == (JAM, SECRETS_WITHIN)
        await self.lines.give(self.name, secrets)


async def test_the_source_is_told_its_password_over_its_socket() -> None:
    async with band() as opened:
        leader, _ = await on_the_air(opened)
        source = leader.procs.children[ProcName("source-mix.ogg")]
        assert source.password == "hackme"
        assert "hackme" not in " ".join(
            word for p in leader.procs.machine.processes.values() for word in p.argv
        )


# Takeovers


async def test_whoever_is_left_is_on_the_mounts_when_the_broadcaster_dies() -> None:
    async with band() as opened:
        leader, other = await on_the_air(opened)
        await opened.crash(leader)
        await aeventually(lambda: feeder(opened) == other.host.name, within=SOON)


async def test_the_former_broadcaster_comes_back_without_taking_the_mounts() -> None:
    async with band() as opened:
        leader, other = await on_the_air(opened)
        await opened.crash(leader)
        await aeventually(lambda: feeder(opened) == other.host.name, within=SOON)
        stream = opened.radio.mounts[MIX].stream_start
        back = await opened.reboot(leader)
        await aeventually(
            lambda: back.host.consented and back.is_settled(), within=SOON
        )
        await aeventually(lambda: other.leads, within=SOON)
        assert opened.radio.mounts[MIX].stream_start == stream


async def test_a_source_that_dies_is_back_on_the_same_host() -> None:
    async with band() as opened:
        leader, _ = await on_the_air(opened)
        first = opened.radio.mounts[MIX].stream_start
        leader.procs.end(ProcName("source-mix.ogg"), 1)
        await aeventually(
            lambda: (
                feeder(opened) == leader.host.name
                and opened.radio.mounts[MIX].stream_start != first
            ),
            within=SOON,
        )


# Restarts


async def test_an_agent_that_restarts_adopts_its_children_and_its_role() -> None:
    async with band() as opened:
        leader, _ = await on_the_air(opened)
        stream = opened.radio.mounts[MIX].stream_start
        before = {n: p.identity for n, p in leader.procs.seen().items()}
        back = await opened.restart(leader)
        await aeventually(lambda: back.leads and back.is_settled(), within=SOON)
        assert {n: p.identity for n, p in back.procs.seen().items()} == before
        assert opened.radio.mounts[MIX].stream_start == stream


async def test_a_session_that_an_earlier_version_began_plays_on_and_can_be_joined() -> (
    None
):
    async with band() as opened:
        alice = await opened.add("alice")
        await opened.formed(show((ALICE,)), alice)
        await aeventually(lambda: feeder(opened) == ALICE, within=SOON)
        before = {n: p.identity for n, p in alice.procs.seen().items()}
        await opened.end(alice)
        earlier(alice)
        back = await opened.restart(alice)
        assert {n: p.identity for n, p in back.procs.seen().items()} == before
        await aeventually(lambda: back.leads and back.is_settled(), within=SOON)
        (me,) = back.document.members
        assert me.id == back.host.id != alice.host.id
        assert feeder(opened) == ALICE
        link = await back.service.invite(None, Role.HOST)
        bob = await opened.add("bob", studio=b"")
        await bob.service.join(link)
        assert bob.document.spec.host_names == (ALICE, bob.host.name)


def earlier(agent: Agent) -> None:
    """Have an agent's state folder look as one without certificates left it."""
    store, old = agent.store, "0123456789abcdef" * 2
    stored, secrets = store.load(ELECTION), agent.host.secrets
    assert stored is not None
    persisted = decode(Persisted, stored)
    assert persisted.stamped is not None
    members = (Member(name=ALICE, id=HostId(old), address=agent.address),)
    before = replace(persisted.stamped, members=members)
    store.save(ELECTION, encode(replace(persisted, stamped=before)))
    save_secrets(agent.host, JAM, replace(secrets, join=""))
    store.erase(KEY)
    store.save(EARLIER, old.encode())


async def test_a_host_that_boots_into_a_session_is_silent_until_it_hears_a_member() -> (
    None
):
    async with band() as opened:
        alice, bob = await opened.add("alice"), await opened.add("bob")
        await opened.formed(jam(), alice, bob)
        await opened.end(bob)
        back = await opened.reboot(alice)
        await aeventually(lambda: Reason.AWAITING_CONSENT in reasons(back), within=SOON)
        assert not back.host.lifecycles
        assert back.jack.wires == set()
        bob_again = await opened.restart(bob)
        await aeventually(lambda: "link-bob" in back.host.lifecycles, within=SOON)
        assert Reason.AWAITING_CONSENT not in reasons(back)
        assert bob_again.host.consented


async def test_the_owner_may_say_that_it_goes_on() -> None:
    async with band() as opened:
        alice, bob = await opened.add("alice"), await opened.add("bob")
        await opened.formed(jam(), alice, bob)
        await opened.crash(bob)
        back = await opened.reboot(alice)
        await aeventually(lambda: Reason.AWAITING_CONSENT in reasons(back), within=SOON)
        await back.service.resume()
        await aeventually(lambda: "link-bob" in back.host.lifecycles, within=SOON)


async def test_a_host_that_was_only_restarted_goes_on_alone_after_a_while() -> None:
    async with band() as opened:
        alice, bob = await opened.add("alice"), await opened.add("bob")
        await opened.formed(jam(), alice, bob)
        await opened.crash(bob)
        await opened.crash(alice)
        back = await opened.restart(alice)
        assert not back.host.consented
        membership = back.sessions.current()
        assert membership is not None
        membership._began = Seconds(membership._began - ALONE_AFTER)
        membership.look()
        await aeventually(lambda: back.host.consented, within=SOON)
        await aeventually(lambda: "link-bob" in back.host.lifecycles, within=SOON)


async def test_a_host_that_was_off_while_the_session_stopped_starts_nothing() -> None:
    async with band() as opened:
        alice, bob, carol = await opened.trio()
        leader = await opened.formed(jam(*TRIO), alice, bob, carol)
        off = next(a for a in (alice, bob, carol) if a is not leader)
        await opened.crash(off)
        await leader.service.stop(JAM)
        back = await opened.reboot(off)
        await aeventually(lambda: back.document.stopped, within=SOON)
        assert not back.host.lifecycles
        assert back.jack.wires == set()


async def test_a_mute_outlives_the_agent() -> None:
    async with band() as opened:
        alice = await opened.add("alice")
        await alice.service.mute(None, muted=True, by_owner=True)
        back = await opened.restart(alice)
        assert back.host.muted


async def test_whoever_left_alone_stays_out_and_comes_back_when_the_owner_says_so() -> (
    None
):
    async with band() as opened:
        alice, bob = await opened.add("alice"), await opened.add("bob")
        leader = await opened.formed(jam(), alice, bob)
        other = bob if leader is alice else alice
        await opened.end(leader)
        await other.service.leave()
        assert other.host.left == JAM
        assert not other.host.lifecycles
        with pytest.raises(Refused):
            await other.service.status(None)
        back = await opened.restart(leader)
        await aeventually(lambda: back.host.document is not None, within=SOON)
        assert other.host.document is None
        await other.service.resume()
        await aeventually(lambda: other.host.document is not None, within=SOON)


# What a leader settles


async def test_a_busy_port_moves_the_link_to_another_on_both_hosts() -> None:
    async with band() as opened:
        alice, bob = await opened.add("alice"), await opened.add("bob")
        bob.procs.busy_ports = {"4464"}
        await alice.service.create(jam(), Secrets())
        await aeventually(lambda: bob.host.document is not None, within=SOON)
        for agent, name in ((alice, "link-bob"), (bob, "link-alice")):
            await aeventually(
                lambda: runs_on(agent, ProcName(name), "4465"),  # noqa: B023
                within=SOON,
            )
        await aeventually(lambda: alice.document == bob.document, within=SOON)


async def test_a_full_disk_is_a_condition_and_the_music_goes_on() -> None:
    async with band() as opened:
        leader, other = await on_the_air(opened)
        wires = set(leader.jack.wires)
        leader.store.full = True
        leader.procs.end(ProcName(f"link-{other.host.name}"), 1)
        await aeventually(
            lambda: Reason.STATE_NOT_STORED in reasons(leader), within=SOON
        )
        await aeventually(lambda: leader.jack.wires == wires, within=SOON)
        assert feeder(opened) == leader.host.name


async def test_a_session_of_one_needs_nobody() -> None:
    async with band() as opened:
        alice = await opened.add("alice")
        await opened.formed(show((ALICE,)), alice)
        await aeventually(lambda: feeder(opened) == ALICE, within=SOON)
