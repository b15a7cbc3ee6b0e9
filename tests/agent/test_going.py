"""Who belongs besides hosts, and how anybody goes: removed, or by itself."""

from collections.abc import AsyncIterator

import pytest

from sessiond.core.conditions import Reason
from sessiond.core.joining import parse_link
from sessiond.core.roles import Role
from sessiond.core.stamped import Secrets
from sessiond.core.status import SessionStatus
from sessiond.errors import Refused, Unavailable
from sessiond.wire.client import AgentClient
from sessiond.wire.peer_client import PeerClient
from tests.agent.band import JAM, SOON, band, jam, show
from tests.agent.links import WITHIN, asked, begun, duo, joined, loner
from tests.core.examples import ALICE, BOB, TRIO
from tests.support.eventually import aeventually
from tests.support.identities import identity_of

# People


async def last_of(pictures: AsyncIterator[SessionStatus]) -> None:
    async for _ in pictures:
        pass


async def test_people_join_and_may_do_what_their_link_says() -> None:
    async with band() as opened:
        alice = await begun(opened)
        for name, role in (("Vera", Role.VIEWER), ("Olga", Role.OPERATOR)):
            who = identity_of(name)
            link = parse_link(await alice.service.invite(None, role))
            doc = await asked(link, who, name)
            assert (name, role) in [(p.label, p.role) for p in doc.people]
            async with AgentClient(
                alice.address, pinned=alice.host.identity.certificate, identity=who
            ) as line:
                assert (await line.status(None)).session == JAM
                if role is Role.VIEWER:
                    with pytest.raises(Refused, match="not for the role viewer"):
                        await line.stop(JAM)
                else:
                    assert await line.invite(None, Role.VIEWER)


async def test_a_person_who_was_removed_is_a_stranger_at_once() -> None:
    async with band() as opened:
        alice = await begun(opened)
        vera = identity_of("Vera")
        link = parse_link(await alice.service.invite(None, Role.VIEWER))
        await asked(link, vera, "Vera")
        async with AgentClient(
            alice.address, pinned=alice.host.identity.certificate, identity=vera
        ) as line:
            pictures = line.watch(None)
            await anext(pictures)
            before = alice.host.secrets
            await alice.service.remove(JAM, "Vera")
            assert alice.host.secrets == before
            with pytest.raises(Refused, match="does not know who calls"):
                await last_of(pictures)
            with pytest.raises(Refused, match="does not know who calls"):
                await line.status(None)


# Going


async def test_a_removed_host_ends_its_part_and_the_others_keep_theirs() -> None:
    async with band() as opened:
        alice, bob = await duo(opened, show())
        await aeventually(lambda: bool(bob.host.secrets.join), within=SOON)
        link = await alice.service.invite(None, Role.HOST)
        known = bob.host.secrets.join
        stamp = await alice.service.remove(JAM, "bob")
        assert alice.document.stamp >= stamp
        assert alice.document.spec.host_names == (ALICE,)
        await aeventually(
            lambda: not bob.host.lifecycles and bob.host.settled, within=SOON
        )
        assert bob.host.secrets == Secrets()
        assert alice.host.secrets.join != known, "it knew how to make invitations"
        with pytest.raises(Refused, match="secret in the join link is wrong"):
            await bob.service.join(link)
        await bob.service.join(await alice.service.invite(None, Role.HOST))
        await joined(alice, bob)


async def test_a_host_that_was_removed_while_it_was_away_is_shut_out() -> None:
    async with band() as opened:
        alice, bob = await duo(opened)
        carol = await loner(opened, "carol")
        await carol.service.join(await alice.service.invite(None, Role.HOST))
        await joined(alice, bob, carol)
        await aeventually(lambda: len(alice.document.voters) == 3, within=SOON)
        leader, gone = (alice, bob) if alice.leads else (bob, alice)
        await opened.end(gone)
        await leader.service.remove(JAM, gone.host.name)
        back = await opened.restart(gone)
        await aeventually(
            lambda: Reason.NOT_A_MEMBER in {c.reason for c in back.host.conditions},
            within=2 * SOON,
        )
        await back.service.leave()
        assert not back.host.lifecycles


async def test_a_removed_hosts_open_connection_is_of_no_more_use() -> None:
    async with band() as opened:
        alice, bob = await duo(opened, jam(*TRIO))
        line = PeerClient(
            alice.address,
            pinned=alice.host.identity.certificate,
            identity=bob.host.identity,
        )
        await line.report(JAM, within=WITHIN)
        await alice.service.remove(JAM, "bob")
        with pytest.raises(Refused, match="does not know who calls"):
            await line.report(JAM, within=WITHIN)
        await line.renew()
        with pytest.raises(Unavailable, match="hung up"):
            await line.report(JAM, within=WITHIN)
        await line.close()


async def test_whoever_leads_can_be_removed_too() -> None:
    async with band() as opened:
        alice, bob = await duo(opened)
        leader, other = (alice, bob) if alice.leads else (bob, alice)
        await other.service.remove(JAM, leader.host.name)
        await aeventually(
            lambda: not leader.host.lifecycles and leader.host.settled, within=SOON
        )
        await aeventually(lambda: other.leads, within=SOON)
        assert other.document.spec.host_names == (other.host.name,)


async def test_whoever_leaves_can_come_back_with_a_new_link() -> None:
    async with band() as opened:
        alice, bob = await duo(opened)
        await bob.service.leave()
        await aeventually(
            lambda: alice.document.spec.host_names == (ALICE,), within=SOON
        )
        assert bob.host.document is None
        await bob.service.join(await alice.service.invite(None, Role.HOST))
        await joined(alice, bob)


async def test_nobody_of_that_name_and_the_last_host_can_not_be_removed() -> None:
    async with band() as opened:
        alice = await begun(opened, jam(ALICE))
        with pytest.raises(Refused, match="Nobody called dave"):
            await alice.service.remove(JAM, "dave")
        with pytest.raises(Refused, match="the last host"):
            await alice.service.remove(JAM, "alice")


async def test_a_follower_passes_a_removal_on() -> None:
    async with band() as opened:
        alice, bob = await duo(opened, jam(*TRIO))
        other = bob if alice.leads else alice
        await other.service.remove(JAM, "carol")
        await aeventually(
            lambda: alice.document.spec.host_names == (ALICE, BOB), within=SOON
        )


# What whoever goes knows of invitations


async def test_what_a_removed_operator_minted_is_void() -> None:
    async with band() as opened:
        alice = await begun(opened)
        link = parse_link(await alice.service.invite(None, Role.OPERATOR))
        await asked(link, identity_of("Olga"), "Olga")
        minted = parse_link(await alice.service.invite(None, Role.HOST))
        await alice.service.remove(JAM, "Olga")
        with pytest.raises(Refused, match="secret in the join link is wrong"):
            await asked(minted, identity_of("eve"), "eve")


async def test_what_a_removed_host_knows_is_void_though_it_stores_nothing() -> None:
    async with band() as opened:
        alice, bob = await duo(opened)
        leader, gone = (alice, bob) if alice.leads else (bob, alice)
        await aeventually(lambda: bool(gone.host.secrets.join), within=SOON)
        known = leader.host.secrets.join
        await opened.end(gone)
        with pytest.raises(Unavailable):
            await leader.service.remove(JAM, gone.host.name)
        assert leader.document.member(gone.host.name) is None
        assert leader.host.secrets.join not in ("", known)


async def test_who_lacks_the_join_secret_makes_it_void_all_the_same() -> None:
    async with band() as opened:
        alice = await begun(opened)
        link = parse_link(await alice.service.invite(None, Role.OPERATOR))
        await asked(link, identity_of("Olga"), "Olga")
        minted = parse_link(await alice.service.invite(None, Role.HOST))
        known = alice.host.secrets
        alice.host.secrets, alice.host.secrets_of = Secrets(), ""
        await alice.service.remove(JAM, "Olga")
        assert (alice.document.people, alice.document.join_mark) == ((), None)
        # Somebody gives alice the passwords, and what they know of invitations.
        alice.host.secrets, alice.host.secrets_of = known, JAM
        await aeventually(lambda: alice.document.join_mark is not None, within=SOON)
        with pytest.raises(Refused, match="secret in the join link is wrong"):
            await asked(minted, identity_of("eve"), "eve")


async def test_no_operator_keeps_invitations_by_coming_in_as_a_viewer() -> None:
    async with band() as opened:
        alice = await begun(opened)
        olga = identity_of("Olga")
        link = parse_link(await alice.service.invite(None, Role.OPERATOR))
        await asked(link, olga, "Olga")
        minted = parse_link(await alice.service.invite(None, Role.OPERATOR))
        viewers = parse_link(await alice.service.invite(None, Role.VIEWER))
        await asked(viewers, olga, "Olga")
        assert [p.role for p in alice.document.people] == [Role.VIEWER]
        await alice.service.remove(JAM, "Olga")
        with pytest.raises(Refused, match="secret in the join link is wrong"):
            await asked(minted, olga, "Olga")


async def test_what_a_host_knows_that_the_file_names_no_more_is_void() -> None:
    async with band() as opened:
        alice, bob = await duo(opened)
        await aeventually(lambda: bool(bob.host.secrets.join), within=SOON)
        known = alice.host.secrets.join
        await alice.service.apply(jam(ALICE), Secrets(), None)
        assert alice.host.secrets.join not in ("", known)
        now = alice.host.secrets.join
        await alice.service.apply(jam(ALICE, BOB), Secrets(), None)
        assert alice.host.secrets.join == now
