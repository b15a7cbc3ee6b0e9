"""Which join secret is good: the one whose mark the document has."""

from dataclasses import replace
from secrets import token_bytes

import pytest

from agent.belonging import INVITED_FOR
from agent.invitations import join_secret, present_join
from sessiond.core.joining import (
    ID_BYTES,
    JoinLink,
    invitation,
    join_address,
    parse_link,
)
from sessiond.core.roles import Role
from sessiond.core.spec import BroadcastSettings, MountSpec
from sessiond.core.stamped import Secrets
from sessiond.errors import Refused, Unavailable
from sessiond.units import Address, HostName
from tests.agent.band import JAM, SOON, Agent, band, jam, show
from tests.agent.links import asked, begun
from tests.agent.test_operator import stored
from tests.core.examples import ALICE, BOB, CAROL, TRIO, mount
from tests.support.eventually import aeventually
from tests.support.identities import identity_of

DAVE = HostName("dave")
HERE = Address("127.0.0.1:9")


def a_link_of(agent: Agent, secrets: Secrets) -> JoinLink:
    """Return a host's link to an agent, made by somebody who knows these secrets."""
    expires_at = int(agent.service._belonging._wall.now() + INVITED_FOR)
    random = token_bytes(ID_BYTES)
    token = invitation(JAM, Role.HOST, expires_at, random, secrets.join)
    place = join_address(agent.address), agent.host.id
    return JoinLink(JAM, (place,), token)


def told_nothing(agent: Agent, secrets: Secrets) -> None:
    """Have an agent know what it knew before its leader failed."""
    agent.host.secrets, agent.host.secrets_of = secrets, JAM


async def test_what_who_is_gone_knows_is_void_though_the_leader_fails_at_once() -> None:
    async with band() as opened:
        names = (*TRIO, DAVE)
        agents = [await opened.add(name) for name in names]
        leader = await opened.formed(jam(*names), *agents)
        for each in agents:
            await aeventually(lambda: bool(each.host.secrets.join), within=SOON)  # noqa: B023
        before = leader.host.secrets
        gone, *left = (each for each in agents if each is not leader)
        stamp = await leader.service.remove(JAM, gone.host.name)
        for each in left:
            await stored(each, stamp)
        await opened.crash(leader)
        for each in left:
            told_nothing(each, before)
        link = a_link_of(left[0], before)
        eve = identity_of("eve")
        with pytest.raises(Unavailable, match="what the invitations of jam"):
            await asked(link, eve, "eve", address=HERE)
        await aeventually(lambda: any(each.leads for each in left), within=SOON)
        await aeventually(
            lambda: all(present_join(each.host, each.document) for each in left),
            within=SOON,
        )
        assert left[0].host.secrets.join == left[1].host.secrets.join != before.join
        with pytest.raises(Refused, match="secret in the join link is wrong"):
            await asked(link, eve, "eve", address=HERE)
        # What they make now lets in.
        anew = parse_link(await left[0].service.invite(None, Role.HOST))
        await asked(anew, eve, "eve", address=HERE)


async def test_who_was_away_neither_invites_nor_lets_in_with_an_old_secret() -> None:
    async with band() as opened:
        agents = await opened.trio()
        leader = await opened.formed(jam(*TRIO), *agents)
        gone, other = (each for each in agents if each is not leader)
        await aeventually(lambda: bool(other.host.secrets.join), within=SOON)
        before = other.host.secrets
        await leader.service.remove(JAM, gone.host.name)
        await aeventually(lambda: other.host.secrets != before, within=SOON)
        told_nothing(other, before)
        # The leader makes it.
        link = parse_link(await other.service.invite(None, Role.VIEWER))
        assert link.places[0][1] == leader.host.id
        with pytest.raises(Unavailable, match="what the invitations of jam"):
            await asked(a_link_of(other, before), identity_of("eve"), "eve")


async def test_an_old_secret_is_not_made_good_by_another_change() -> None:
    async with band() as opened:
        alice = await begun(opened, jam(ALICE))
        before = alice.host.secrets
        old = join_secret()
        told_nothing(alice, replace(before, join=old))
        await alice.service.apply(jam(ALICE, BOB), Secrets(), None)
        assert alice.host.secrets.join not in {old, before.join}
        assert present_join(alice.host, alice.document) == alice.host.secrets.join


async def test_a_session_of_an_earlier_version_gets_a_join_secret() -> None:
    async with band() as opened:
        alice = await begun(opened, jam(ALICE))
        told_nothing(alice, replace(alice.host.secrets, join=""))
        membership = alice.sessions.current()
        assert membership is not None
        await membership.elector.stamp(replace(alice.document, join_mark=None))
        await aeventually(
            lambda: bool(present_join(alice.host, alice.document)), within=SOON
        )
        await asked(
            parse_link(await alice.service.invite(None, Role.VIEWER)),
            identity_of("vera"),
            "Vera",
        )


@pytest.mark.parametrize("mounts", [(), (mount(),)])
async def test_who_may_not_broadcast_has_the_leader_invite(
    mounts: tuple[MountSpec, ...],
) -> None:
    async with band() as opened:
        agents = alice, _, carol = await opened.trio()
        barred = BroadcastSettings(never=frozenset({CAROL}))
        spec = show(TRIO, mounts) if mounts else jam(*TRIO)
        await opened.formed(replace(spec, broadcast=barred), *agents)
        assert carol.host.secrets == Secrets()
        link = parse_link(await carol.service.invite(None, Role.VIEWER))
        keys = [key for _, key in link.places]
        assert set(keys) == {a.host.id for a in agents if a is not carol}
        assert keys[0] == next(a.host.id for a in agents if a.leads)
        await asked(link, identity_of("vera"), "Vera")
        assert [who.label for who in alice.document.people] == ["Vera"]


async def test_without_a_leader_who_may_not_broadcast_invites_nobody() -> None:
    async with band() as opened:
        agents = alice, bob, carol = await opened.trio()
        barred = BroadcastSettings(never=frozenset({CAROL}))
        await opened.formed(jam(*TRIO, broadcast=barred), *agents)
        for each in (alice, bob):
            await opened.crash(each)
        with pytest.raises(Unavailable):
            await carol.service.invite(None, Role.HOST)
