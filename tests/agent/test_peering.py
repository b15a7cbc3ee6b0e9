"""What agents answer each other, and what strangers get."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from agent.lines import MOST_FAILURES
from sessiond.core.election import DocumentOffer, Hello, Message, Presence
from sessiond.core.settle import first_document
from sessiond.core.spec import LinkSettings
from sessiond.core.stamped import Member, Secrets, Stamp, StampedSpec
from sessiond.errors import Refused
from sessiond.units import (
    Address,
    HostId,
    HostName,
    Seconds,
    SessionName,
    Term,
    UdpPort,
)
from sessiond.wire.peer_messages import (
    ConsiderRequest,
    PeerEnvelope,
    Timestamps,
    WallSeconds,
)
from tests.agent.band import JAM, SOON, Agent, Band, band, jam, show
from tests.core.examples import ALICE, BOB, CAROL, facts, mount, session
from tests.support.eventually import aeventually
from tests.support.identities import identity_of

OTHER = SessionName("other")
BOBS = identity_of("bob")
BOBS_ID = BOBS.id


def offered(*names: HostName, to: Agent, stopped: bool = False) -> StampedSpec:
    """Return a document of bob's in which an agent has its place."""
    known = {
        one.host.name: (one.host.id, one.host.identity.certificate) for one in (to,)
    } | {BOB: (BOBS_ID, BOBS.certificate)}
    doc = first_document(jam(*names), {}, None, identities=known)
    return replace(doc, stamp=Stamp(Term(1), 1), stopped=stopped)


def offer(doc: StampedSpec) -> DocumentOffer:
    return DocumentOffer(term=Term(1), presence=Presence(stamp=doc.stamp), document=doc)


def envelope(*messages: Message, session: str = JAM, **fields: object) -> PeerEnvelope:
    given = {
        "sender_name": BOB,
        "sender_id": BOBS_ID,
        "receiver_id": None,
        "session": session,
        "messages": messages,
        "facts": (facts(BOB, id=BOBS_ID),),
        "times": None,
    }
    return PeerEnvelope(**(given | fields))  # type: ignore[arg-type]


def hello() -> Hello:
    return Hello(term=Term(1), presence=Presence(stamp=Stamp(Term(1), 1)))


async def acquainted(opened: Band) -> Agent:
    """Return an agent of bob's studio."""
    alice = await opened.add("alice")
    alice.trust.meet(BOBS.certificate)
    return alice


async def invited(opened: Band) -> Agent:
    """Return an agent that bob has offered a session to."""
    alice = await acquainted(opened)
    await alice.peering.tell(envelope(offer(offered(ALICE, BOB, to=alice))))
    return alice


async def test_who_is_offered_a_session_that_names_it_joins_and_begins() -> None:
    async with band() as opened:
        alice = await invited(opened)
        assert alice.document.spec == jam()
        assert alice.host.peer_facts[BOB].id == BOBS_ID
        await aeventually(lambda: "link-bob" in alice.host.lifecycles, within=SOON)


@pytest.mark.parametrize(
    "change",
    [
        lambda doc: None,
        lambda doc: replace(doc, spec=jam(BOB, CAROL), members=doc.members[1:]),
        lambda doc: replace(doc, stopped=True),
        lambda doc: replace(doc, members=(Member(name=ALICE), *doc.members[1:])),
        lambda doc: replace(
            doc, members=(Member(name=ALICE, id=HostId("a" * 32)), *doc.members[1:])
        ),
    ],
)
async def test_who_is_not_invited_joins_nothing(
    change: Callable[[StampedSpec], StampedSpec | None],
) -> None:
    async with band() as opened:
        alice = await acquainted(opened)
        doc = change(offered(ALICE, BOB, to=alice))
        with pytest.raises(Refused, match="is not in jam"):
            await alice.peering.tell(envelope(hello() if doc is None else offer(doc)))
        assert alice.sessions.current() is None
        assert alice.host.peer_facts == {}


async def test_only_the_studio_asks_a_host_into_a_session() -> None:
    async with band() as opened:
        alice = await opened.add("alice", studio=b"")
        with pytest.raises(Refused, match="is not in jam"):
            await alice.peering.tell(envelope(offer(offered(ALICE, BOB, to=alice))))
        assert alice.sessions.current() is None


MANY = tuple(Member(name=HostName(f"h{number}")) for number in range(500))
TOO_MANY_HOSTS = session((ALICE, *(member.name for member in MANY)))
TORN = show(mounts=(replace(mount(), name="a\r\nIce-Public: 1"),))
OF_ANOTHER = replace(jam(), name=OTHER)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"spec": TOO_MANY_HOSTS}, "can't be as it is asked"),
        ({"spec": TORN}, "can't be as it is asked"),
        ({"spec": OF_ANOTHER}, "is of other, not of jam"),
        ({"members": MANY}, "none of a leader's"),
    ],
)
async def test_an_invitation_to_what_no_file_could_say_is_refused(
    changes: dict[str, Any], why: str
) -> None:
    async with band() as opened:
        alice = await acquainted(opened)
        doc = offered(ALICE, BOB, to=alice)
        if "members" in changes:
            changes = {"members": (*doc.members, *MANY)}
        with pytest.raises(Refused, match=why):
            await alice.peering.tell(envelope(offer(replace(doc, **changes))))
        assert alice.sessions.current() is None
        assert alice.host.lifecycles == {}


async def test_a_member_can_offer_nothing_that_no_leader_stamps() -> None:
    """What a plan is made of is checked each time, not only with the invitation."""
    async with band() as opened:
        alice = await invited(opened)
        before = alice.document
        newer = replace(before, stamp=Stamp(Term(9), 9))
        endless = replace(jam(), links=LinkSettings(channels=2**53 - 1))
        with pytest.raises(Refused, match="can't be as it is asked for"):
            await alice.peering.tell(envelope(offer(replace(newer, spec=endless))))
        astray = replace(newer.links[0], udp_port=UdpPort(22))
        with pytest.raises(Refused, match="none of a leader's"):
            await alice.peering.tell(envelope(offer(replace(newer, links=(astray,)))))
        assert alice.document == before


async def test_nobody_hears_of_hosts_that_are_no_members() -> None:
    async with band() as opened:
        alice = await invited(opened)
        strangers = tuple(facts(member.name) for member in MANY)
        await alice.peering.tell(
            envelope(hello(), facts=(facts(BOB, id=BOBS_ID), *strangers))
        )
        assert set(alice.host.peer_facts) == {BOB}


async def test_failures_are_counted_for_so_many_addresses() -> None:
    async with band() as opened:
        alice = await invited(opened)
        membership = alice.sessions.current()
        assert membership is not None
        for number in range(2 * MOST_FAILURES):
            membership.lines._count_failure(Address(f"10.0.0.1:{number}"))
        assert len(membership.lines._failures) <= MOST_FAILURES


async def test_what_is_known_of_hosts_that_have_left_is_forgotten() -> None:
    async with band() as opened:
        alice = await invited(opened)
        for member in MANY:
            alice.host.peer_facts[member.name] = facts(member.name)
            alice.host.peer_offsets[member.name] = (Seconds(0.0), Seconds(0.0))
        await alice.peering.tell(envelope(hello()))
        assert set(alice.host.peer_facts) == {BOB}
        assert not alice.host.peer_offsets


async def test_a_member_of_one_session_refuses_another_and_names_its_own() -> None:
    async with band() as opened:
        alice = await invited(opened)
        with pytest.raises(Refused, match="alice is in the session jam"):
            await alice.peering.tell(
                envelope(offer(offered(ALICE, BOB, to=alice)), session=OTHER)
            )


async def test_whoever_has_left_comes_back_only_when_the_owner_says_so() -> None:
    async with band() as opened:
        alice = await acquainted(opened)
        alice.host.left = JAM
        invitation = envelope(offer(offered(ALICE, BOB, to=alice)))
        with pytest.raises(Refused, match="has left jam"):
            await alice.peering.tell(invitation)
        await alice.service.resume()
        await alice.peering.tell(invitation)
        assert alice.document.spec.name == JAM


async def test_a_message_for_somebody_else_is_refused() -> None:
    async with band() as opened:
        alice = await opened.add("alice")
        meant = envelope(hello(), receiver_id=HostId("c" * 32))
        with pytest.raises(Refused, match="not the one that was meant"):
            await alice.peering.tell(meant)


@pytest.mark.parametrize(
    ("name", "host_id"),
    [(CAROL, BOBS_ID), (BOB, HostId("e" * 32))],
    ids=["a stranger", "an impostor"],
)
async def test_a_stranger_and_an_impostor_are_no_members(
    name: HostName, host_id: HostId
) -> None:
    async with band() as opened:
        alice = await invited(opened)
        before = dict(alice.host.peer_facts)
        forged = envelope(
            hello(),
            sender_name=name,
            sender_id=host_id,
            facts=(facts(name, id=host_id),),
        )
        with pytest.raises(Refused, match="is no member of jam"):
            await alice.peering.tell(forged)
        assert alice.host.peer_facts == before


async def test_an_answer_carries_the_four_timestamps() -> None:
    async with band() as opened:
        alice = await invited(opened)
        sent = Timestamps(transmit=WallSeconds(5.0))
        reply = await alice.peering.tell(envelope(hello(), times=sent))
        assert reply.times is not None
        assert reply.times.originate == 5.0
        assert reply.times.receive is not None
        assert reply.times.receive <= reply.times.transmit
        assert [f.name for f in reply.facts] == [ALICE]


async def test_a_free_host_can_be_asked_for_and_a_busy_one_names_its_session() -> None:
    async with band() as opened:
        alice = await acquainted(opened)
        blank = first_document(jam(), {}, None)
        asked = ConsiderRequest(session=JAM, host=ALICE, stamped=blank)
        await alice.peering.consider(asked)
        await alice.peering.tell(envelope(offer(offered(ALICE, BOB, to=alice))))
        for request in (
            asked,
            replace(asked, stamped=None),
            replace(asked, session=OTHER, stamped=offered(ALICE, BOB, to=alice)),
        ):
            with pytest.raises(Refused, match="alice is busy in the session jam"):
                await alice.peering.consider(request)
        await alice.peering.consider(
            replace(asked, stamped=offered(ALICE, BOB, to=alice))
        )


async def test_passwords_are_taken_for_the_present_session_alone() -> None:
    async with band() as opened:
        alice = await acquainted(opened)
        secrets = Secrets(source="hackme")
        with pytest.raises(Refused, match="is not in the session jam"):
            await alice.peering.give_secrets(JAM, secrets, BOBS_ID)
        await alice.peering.tell(envelope(offer(offered(ALICE, BOB, to=alice))))
        with pytest.raises(Refused, match="is not in the session other"):
            await alice.peering.give_secrets(OTHER, secrets, BOBS_ID)
        for _ in range(2):
            await alice.peering.give_secrets(JAM, secrets, BOBS_ID)
        assert (alice.host.secrets, alice.host.secrets_of) == (secrets, JAM)


async def test_reports_and_mutes_are_for_members_of_the_session() -> None:
    async with band() as opened:
        alice = await invited(opened)
        report = await alice.peering.report(JAM)
        assert (report.name, report.session) == (ALICE, JAM)
        await alice.peering.mute(JAM, muted=True)
        assert alice.host.muted
        with pytest.raises(Refused, match="is not in the session other"):
            await alice.peering.report(OTHER)
        with pytest.raises(Refused, match="is not in the session other"):
            await alice.peering.mute(OTHER, muted=False)
        assert alice.host.muted


async def test_a_message_to_a_renamed_agent_is_lost_and_harms_nobody() -> None:
    async with band() as opened:
        alice = await invited(opened)
        carol = await opened.add("carol")
        membership = alice.sessions.current()
        assert membership is not None
        alice.host.peer_facts[BOB] = facts(BOB, id=BOBS_ID, address=carol.address)
        assert await membership.lines.tell(BOB, hello()) == ()
        assert await membership.lines.tell(HostName("dave"), hello()) == ()


async def test_a_member_that_moved_is_reached_where_it_was_found() -> None:
    async with band() as opened:
        alice, bob = await opened.add("alice"), await opened.add("bob")
        await opened.formed(jam(), alice, bob)
        membership = alice.sessions.current()
        assert membership is not None
        stale = facts(BOB, id=bob.host.id, address="127.0.0.1:1")
        alice.host.peer_facts[BOB] = stale
        assert await membership.lines.tell(BOB, hello()) == ()
        assert membership.lines.address(BOB) == bob.address
        assert await membership.lines.tell(BOB, hello()) != ()


async def test_clocks_of_hosts_on_one_machine_agree() -> None:
    async with band() as opened:
        alice, bob = await opened.add("alice"), await opened.add("bob")
        leader = await opened.formed(jam(), alice, bob)
        await aeventually(lambda: bool(leader.host.peer_offsets), within=SOON)
        ((offset, bound),) = leader.host.peer_offsets.values()
        assert abs(offset) <= bound < Seconds(1.0)
