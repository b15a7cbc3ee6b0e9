"""Joining by a link alone: agents of no studio, out of multicast's reach."""

from dataclasses import replace
from secrets import token_bytes

import pytest

from agent.belonging import INVITED_FOR
from agent.invitations import join_secret
from sessiond.core.admitting import Claim
from sessiond.core.election import DocumentOffer, Presence
from sessiond.core.joining import (
    ID_BYTES,
    JoinLink,
    Token,
    invitation,
    join_address,
    parse_link,
)
from sessiond.core.proofs import Purpose, proof
from sessiond.core.roles import Role
from sessiond.core.stamped import Person, Secrets, Stamp
from sessiond.core.tries import TRIES_EACH
from sessiond.errors import Refused, Unavailable
from sessiond.units import Address, HostId, HostName, Seconds, SessionName, Term
from sessiond.wire.identity import der_of
from sessiond.wire.peer_messages import AdmitRequest, PeerEnvelope
from tests.agent.band import JAM, SOON, Agent, band, jam, show
from tests.agent.links import asked, begun, duo, joined, loner, signed_anew
from tests.core.examples import ALICE, BOB, CAROL, TRIO
from tests.support.eventually import aeventually
from tests.support.fakes import FakeClock
from tests.support.identities import identity_of

# Coming in


async def test_a_link_is_all_that_a_host_needs() -> None:
    async with band() as opened:
        alice, bob = await duo(opened)
        await aeventually(lambda: "link-alice" in bob.host.lifecycles, within=SOON)
        await aeventually(lambda: "link-bob" in alice.host.lifecycles, within=SOON)
        assert {m.name: m.id for m in bob.document.members} == {
            ALICE: alice.host.id,
            BOB: bob.host.id,
        }
        await aeventually(
            lambda: set(alice.document.voters) == {ALICE, BOB}, within=SOON
        )


async def test_a_host_that_no_file_names_is_appended_as_a_revision() -> None:
    async with band() as opened:
        alice = await begun(opened, jam(ALICE))
        before = alice.document.stamp
        bob = await loner(opened, "bob")
        doc = await bob.service.join(await alice.service.invite(JAM, Role.HOST))
        assert doc.spec.host_names == (ALICE, BOB)
        assert doc.stamp > before
        await joined(alice, bob)


async def test_who_joined_is_given_what_it_needs_to_broadcast() -> None:
    async with band() as opened:
        alice, bob = await duo(opened, show())
        await aeventually(lambda: bob.host.secrets == alice.host.secrets, within=SOON)
        assert bob.host.secrets.source == "hackme"


async def test_whoever_is_no_leader_lets_in_as_well() -> None:
    async with band() as opened:
        alice, bob = await duo(opened, jam(*TRIO))
        await aeventually(lambda: bool(bob.host.secrets.join), within=SOON)
        leader, other = (alice, bob) if alice.leads else (bob, alice)
        link = await other.service.invite(JAM, Role.HOST)
        assert parse_link(link).places[0] == (
            join_address(other.address),
            other.host.id,
        )
        assert parse_link(link).places[1][1] == leader.host.id
        carol = await loner(opened, "carol")
        await carol.service.join(link)
        await joined(alice, bob, carol)


async def test_who_can_let_nobody_in_keeps_nobody_from_inviting() -> None:
    async with band() as opened:
        alice = await begun(opened, jam(ALICE))
        link = parse_link(await alice.service.invite(None, Role.HOST))
        last = Address("127.0.0.1:65535")
        await asked(link, identity_of("bob"), "bob", address=last)
        link = parse_link(await alice.service.invite(None, Role.VIEWER))
        assert [key for _, key in link.places] == [alice.host.id]


async def test_joins_survive_who_began_the_session() -> None:
    async with band() as opened:
        alice, bob = await duo(opened, jam(*TRIO))
        carol = await loner(opened, "carol")
        await carol.service.join(await alice.service.invite(JAM, Role.HOST))
        await joined(alice, bob, carol)
        others = (bob, carol)
        for one in others:
            await aeventually(lambda: bool(one.host.secrets.join), within=SOON)  # noqa: B023
        link = await alice.service.invite(JAM, Role.HOST)
        assert len(parse_link(link).places) == len(TRIO)
        await opened.crash(alice)
        await aeventually(lambda: any(one.leads for one in others), within=SOON)
        dave = await loner(opened, "dave")
        await dave.service.join(link)
        await joined(bob, carol, dave)


async def test_who_is_in_a_session_already_joins_no_other() -> None:
    async with band() as opened:
        alice, bob = await duo(opened)
        link = await alice.service.invite(None, Role.HOST)
        with pytest.raises(Refused, match="is in the session jam already"):
            await bob.service.join(link)


async def test_a_new_session_of_an_old_name_can_be_joined() -> None:
    async with band() as opened:
        alice, bob = await duo(opened)
        await alice.service.stop(JAM)
        await aeventually(lambda: bob.document.stopped, within=SOON)
        dora = await loner(opened, "dora")
        await dora.service.create(jam(HostName("dora"), BOB), Secrets())
        await bob.service.join(await dora.service.invite(None, Role.HOST))
        await joined(dora, bob)


def _operator(name: str) -> Person:
    who = identity_of(name)
    return Person(
        label=name, id=who.id, certificate=who.certificate, role=Role.OPERATOR
    )


@pytest.mark.parametrize("removed", [False, True])
async def test_what_is_over_begins_again_only_at_the_owners_word(
    *, removed: bool
) -> None:
    async with band() as opened:
        alice, bob = await duo(opened)
        before = bob.document
        if removed:
            await alice.service.remove(JAM, "bob")
            await aeventually(lambda: bob.document.member(BOB) is None, within=SOON)
        else:
            await alice.service.stop(JAM)
            await aeventually(lambda: bob.document.stopped, within=SOON)
        newer = replace(before, stamp=Stamp(Term(99), 1), people=(_operator("eve"),))
        without = replace(
            newer, members=tuple(m for m in newer.members if m.name != BOB)
        )
        for document in (newer, without):
            offer = DocumentOffer(
                term=Term(99), presence=Presence(stamp=newer.stamp), document=document
            )
            asked = PeerEnvelope(
                sender_name=ALICE,
                sender_id=alice.host.id,
                session=JAM,
                messages=(offer,),
            )
            with pytest.raises(Refused, match="takes part in jam no more"):
                await bob.peering.tell(asked)
            assert bob.document.stamp < newer.stamp
            assert not bob.sessions.goes_on()
            assert bob.trust.role_of(identity_of("eve").id) is None


async def test_nobody_comes_in_at_an_address_that_no_file_could_say() -> None:
    async with band() as opened:
        alice = await begun(opened)
        link = parse_link(await alice.service.invite(None, Role.HOST))
        before = alice.document.stamp
        with pytest.raises(Refused, match="address is not HOST:PORT"):
            await asked(link, identity_of("bob"), "bob", address=Address("-J:7700"))
        assert alice.document.stamp == before


# Who does not come in


@pytest.mark.parametrize("role", [Role.HOST, Role.VIEWER])
async def test_nobody_joins_by_a_certificate_whose_key_is_anothers(role: Role) -> None:
    async with band() as opened:
        alice = await begun(opened)
        before = alice.document.stamp
        link = parse_link(await alice.service.invite(None, role))
        bob, eve = identity_of("bob"), identity_of("eve")
        with pytest.raises(Refused, match="does not have the key"):
            await asked(link, bob, "bob", signer=eve)
        assert alice.document.stamp == before
        await asked(link, bob, "bob")


async def test_a_proof_for_another_hosts_certificate_lets_nobody_in() -> None:
    async with band() as opened:
        alice = await begun(opened)
        before = alice.document.stamp
        link = parse_link(await alice.service.invite(None, Role.HOST))
        bob, eve = identity_of("bob"), identity_of("eve")
        with pytest.raises(Refused, match="secret in the join link is wrong"):
            await asked(link, bob, "bob", proven=eve.certificate)
        with pytest.raises(Refused, match="does not have the key"):
            await asked(link, bob, "bob", signed=eve.certificate)
        assert alice.document.stamp == before
        await asked(link, bob, "bob")


async def test_no_viewers_link_takes_a_hosts_rights_away() -> None:
    async with band() as opened:
        alice, bob = await duo(opened)
        link = parse_link(await alice.service.invite(None, Role.VIEWER))
        with pytest.raises(Refused, match="bob's key is a host's"):
            await asked(link, bob.host.identity, "x")
        assert alice.trust.role_of(bob.host.id) is Role.HOST


@pytest.mark.parametrize("name", ["bob", "carol"])
async def test_a_link_lets_one_in_and_nobody_else(name: str) -> None:
    async with band() as opened:
        alice = await begun(opened)
        link = await alice.service.invite(None, Role.HOST)
        bob = await loner(opened, "bob")
        await bob.service.join(link)
        other = await loner(opened, name)
        with pytest.raises(Refused, match="used already"):
            await other.service.join(link)
        assert other.host.document is None
        assert other.sessions.current() is None


async def test_an_answer_that_was_lost_can_be_asked_for_again() -> None:
    async with band() as opened:
        alice = await begun(opened)
        link = parse_link(await alice.service.invite(None, Role.HOST))
        bob = identity_of("bob")
        once = await asked(link, bob, "bob", address=Address("127.0.0.1:9"))
        again = await asked(link, bob, "bob", address=Address("127.0.0.1:9"))
        assert again.member(BOB) == once.member(BOB)


async def test_what_was_overheard_is_of_no_use() -> None:
    async with band() as opened:
        alice = await begun(opened)
        link = parse_link(await alice.service.invite(None, Role.VIEWER))
        with pytest.raises(Refused, match="came twice"):
            await asked(link, identity_of("vera"), "Vera", times=2)


async def test_a_wrong_secret_is_refused_five_times_and_then_burns_the_link() -> None:
    async with band() as opened:
        alice = await begun(opened)
        link = parse_link(await alice.service.invite(None, Role.HOST))
        before = alice.document.stamp
        for _ in range(TRIES_EACH):
            with pytest.raises(Refused, match="secret in the join link is wrong"):
                await asked(link, identity_of("eve"), "bob", key=b"guess")
        with pytest.raises(Refused, match="burnt"):
            await asked(link, identity_of("bob"), "bob")
        assert alice.document.stamp == before


async def test_too_many_wrong_secrets_from_one_address_have_to_wait() -> None:
    async with band() as opened:
        alice = await begun(opened)
        for _ in range(4):
            link = parse_link(await alice.service.invite(None, Role.HOST))
            for _ in range(TRIES_EACH):
                with pytest.raises(Refused):
                    await asked(link, identity_of("eve"), "bob", key=b"guess")
        link = parse_link(await alice.service.invite(None, Role.HOST))
        with pytest.raises(Unavailable, match="Too many wrong tries"):
            await asked(link, identity_of("bob"), "bob")


def shown(to: Agent, join: str, who: str = "carol") -> AdmitRequest:
    """Return what a host has been shown, by somebody whom this join secret admits."""
    one, nonce = identity_of(who), b"a nonce of its own"
    expires_at = int(to.service._belonging._wall.now() + INVITED_FOR)
    token = invitation(JAM, Role.HOST, expires_at, token_bytes(ID_BYTES), join)
    seen = der_of(to.host.identity.certificate), der_of(one.certificate), nonce
    return AdmitRequest(
        session=JAM,
        claim=Claim(
            role=Role.HOST,
            name=who,
            id=one.id,
            certificate=one.certificate,
            token_id=token.id,
            expires_at=expires_at,
            address=Address("127.0.0.1:9"),
        ),
        nonce=nonce,
        proof=proof(token.key, Purpose.JOIN, *seen),
    )


async def test_a_leader_lets_nobody_in_with_what_it_knows_to_be_void() -> None:
    async with band() as opened:
        alice, bob = await duo(opened)
        leader, other = (alice, bob) if alice.leads else (bob, alice)
        await aeventually(lambda: bool(leader.host.secrets.join), within=SOON)
        before = leader.document.stamp
        with pytest.raises(Refused, match="invitation is void"):
            await leader.peering.admit(shown(other, join_secret()), other.host.id)
        request = shown(other, leader.host.secrets.join)
        for who in (leader.host.id, identity_of("eve").id):
            with pytest.raises(Refused, match=r"is void|is no host of jam"):
                await leader.peering.admit(request, who)
        assert leader.document.stamp == before
        await leader.peering.admit(request, other.host.id)
        assert leader.document.member(CAROL)


async def test_a_leader_without_the_secret_lets_nobody_in() -> None:
    async with band() as opened:
        alice, bob = await duo(opened, jam(*TRIO))
        leader, other = (alice, bob) if alice.leads else (bob, alice)
        await aeventually(lambda: bool(other.host.secrets.join), within=SOON)
        request = shown(other, other.host.secrets.join)
        known = leader.host.secrets
        leader.host.secrets, leader.host.secrets_of = Secrets(), ""
        with pytest.raises(Unavailable, match="what the invitations of jam"):
            await leader.peering.admit(request, other.host.id)
        leader.host.secrets, leader.host.secrets_of = known, JAM
        await leader.peering.admit(request, other.host.id)
        assert leader.document.member(CAROL)


def test_a_link_is_good_for_a_quarter_of_an_hour() -> None:
    assert Seconds(900.0) == INVITED_FOR


async def test_an_expired_link_is_refused() -> None:
    async with band() as opened:
        alice = await begun(opened)
        wall = FakeClock(alice.service._belonging._wall.now() - INVITED_FOR - 1)
        present = alice.service._belonging._wall
        alice.service._belonging._wall = wall
        link = await alice.service.invite(None, Role.HOST)
        alice.service._belonging._wall = present
        bob = await loner(opened, "bob")
        with pytest.raises(Refused, match="expired"):
            await bob.service.join(link)


async def test_another_computer_at_the_links_address_is_told_nothing() -> None:
    async with band() as opened:
        alice = await begun(opened)
        link = parse_link(await alice.service.invite(None, Role.HOST))
        ((where, _),) = link.places
        wrong = replace(link, places=((where, HostId("e" * 32)),))
        bob = await loner(opened, "bob")
        with pytest.raises(Refused, match="Another computer answers"):
            await bob.service.join(str(wrong))
        # The right place after it is asked all the same.
        both = replace(link, places=(*wrong.places, *link.places))
        await bob.service.join(str(both))


async def test_nobody_at_a_links_addresses_is_unavailable() -> None:
    async with band() as opened:
        bob = await loner(opened, "bob")
        token = Token.parse(f"h{'f' * 8}{'0' * 16}.{'A' * 22}")
        nowhere = JoinLink(JAM, ((Address("127.0.0.1:1"), HostId("e" * 32)),), token)
        with pytest.raises(Unavailable, match="Nothing answers"):
            await bob.service.join(str(nowhere))


async def test_a_link_of_another_session_is_refused() -> None:
    async with band() as opened:
        alice = await begun(opened)
        link = parse_link(await alice.service.invite(None, Role.HOST))
        bob = await loner(opened, "bob")
        with pytest.raises(Refused, match="does not answer for the session other"):
            await bob.service.join(str(replace(link, session=SessionName("other"))))


async def test_a_second_computer_of_a_name_is_refused() -> None:
    async with band() as opened:
        alice, _ = await duo(opened)
        link = await alice.service.invite(None, Role.HOST)
        impostor = await loner(opened, "bob")
        with pytest.raises(Refused, match="Another computer is bob"):
            await impostor.service.join(link)


async def test_a_known_id_with_another_certificate_is_refused() -> None:
    """One key can sign two certificates; the one that is pinned stays."""
    async with band() as opened:
        alice, bob = await duo(opened)
        link = parse_link(await alice.service.invite(None, Role.HOST))
        again = signed_anew(bob.host.identity)
        assert (again.id, again.key) == (bob.host.id, bob.host.identity.key)
        with pytest.raises(Refused, match="by another certificate"):
            await asked(link, again, "bob", address=bob.address)
        assert alice.document.member(BOB) == bob.document.member(BOB)


async def test_a_persons_link_is_not_for_a_host() -> None:
    async with band() as opened:
        alice = await begun(opened)
        bob = await loner(opened, "bob")
        for role in (Role.OPERATOR, Role.VIEWER):
            link = await alice.service.invite(None, role)
            with pytest.raises(Refused, match=f"to join as {role}"):
                await bob.service.join(link)


@pytest.mark.parametrize("role", [Role.LOCAL, Role.ACQUAINTANCE])
async def test_nobody_is_invited_to_be_what_only_a_computer_is(role: Role) -> None:
    async with band() as opened:
        alice = await begun(opened)
        with pytest.raises(Refused, match="Nobody can be invited"):
            await alice.service.invite(None, role)


async def test_a_host_without_a_session_invites_nobody_and_has_no_join_port() -> None:
    async with band() as opened:
        alice = await loner(opened, "alice")
        with pytest.raises(Refused):
            await alice.service.invite(None, Role.HOST)
        assert not alice.join_port.is_open
        await alice.service.create(jam(ALICE), Secrets())
        await aeventually(lambda: alice.join_port.is_open, within=SOON)
        await alice.service.stop(JAM)
        await aeventually(lambda: not alice.join_port.is_open, within=SOON)


async def test_a_host_of_no_studio_accepts_no_session_from_the_network() -> None:
    async with band() as opened:
        alice = await opened.add("alice")
        bob = await opened.add("bob", studio=b"")
        other = await opened.add("carol", studio=b"of quite another studio")
        doc = await alice.service.create(jam(*TRIO), Secrets())
        assert [m.id for m in doc.members] == [alice.host.id, None, None]
        await alice.roster.ask_all((bob.address, other.address))
        assert alice.roster.named(BOB) == alice.roster.named(CAROL) == ()
        assert bob.host.document is other.host.document is None
