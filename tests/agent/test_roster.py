from dataclasses import replace

from agent.roster import (
    DROP_LINE_AFTER,
    FORGET_AFTER,
    MOST_ASKED,
    MOST_FOUND,
    Found,
)
from sessiond.core.status import HostSighting
from sessiond.units import Address, HostId, HostName, Seconds
from sessiond.wire.identity import make_identity
from sessiond.wire.peer_messages import HelloRequest
from tests.agent.band import SOON, Agent, band
from tests.core.examples import ALICE, BOB
from tests.support.eventually import aeventually
from tests.support.fakes import FakeClock
from tests.support.identities import identity_of
from tests.support.weigh import weight

NOBODY = Address("127.0.0.1:1")


def stranger(number: int, name: str = "dave") -> Found:
    host_id = HostId(f"{number:032x}")
    address = Address(f"10.0.{number // 250}.{number % 250}:7700")
    return Found(
        sighting=HostSighting(name=HostName(name), id=host_id, address=address),
        certificate=identity_of("dave").certificate,
        at=Seconds(1000.0),
    )


def mate(agent: Agent, name: str) -> Found:
    """Return a newcomer of that agent's studio, already acquainted with it."""
    made = make_identity(name)
    agent.trust.meet(made.certificate)
    found = stranger(int(made.id[:3], 16), name)
    return replace(
        found,
        sighting=replace(found.sighting, id=made.id),
        certificate=made.certificate,
    )


def names(agent: Agent) -> list[str]:
    return sorted(one.sighting.name for one in agent.roster.found().values())


async def test_agents_on_one_network_find_each_other() -> None:
    async with band() as opened:
        alice, bob, carol = await opened.trio()
        for agent in (alice, bob, carol):
            await aeventually(
                lambda: names(agent) == ["alice", "bob", "carol"],  # noqa: B023
                within=SOON,
            )


async def test_an_agent_that_says_hello_is_asked_back() -> None:
    async with band() as opened:
        alice = await opened.add("alice", start=False, seen=False)
        bob = await opened.add("bob", start=False, seen=False)
        found = await alice.roster.ask(bob.address)
        assert found is not None
        assert found.sighting.id == bob.host.id
        assert bob.roster.candidates() == {alice.address}


async def test_a_sighting_is_a_hint_until_somebody_answers_there() -> None:
    async with band() as opened:
        alice = await opened.add("alice", start=False)
        alice.roster.hint(NOBODY)
        assert alice.roster.candidates() == {NOBODY}
        await alice.roster.ask_all(alice.roster.candidates())
        assert names(alice) == ["alice"]


async def test_this_agent_is_always_there_and_never_asked() -> None:
    async with band() as opened:
        alice = await opened.add("alice", start=False)
        (me,) = alice.roster.found().values()
        alice.roster.note(me)
        assert names(alice) == ["alice"]
        assert alice.roster.candidates() == frozenset()


async def test_namesakes_are_told_with_their_addresses() -> None:
    async with band() as opened:
        alice = await opened.add("alice", start=False)
        one, two = mate(alice, "bob"), mate(alice, "bob")
        for found in (one, two, stranger(1, "bob"), stranger(2, "carol")):
            alice.roster.note(found)
        addresses = sorted(f.sighting.address for f in (one, two))
        assert alice.roster.namesakes() == {BOB: tuple(addresses)}
        assert set(alice.roster.named(BOB)) == {one, two}
        assert alice.roster.named(HostName("carol")) == ()
        assert len(alice.roster.named(ALICE)) == 1


async def test_who_moved_is_known_at_the_new_address_only() -> None:
    async with band() as opened:
        alice = await opened.add("alice", start=False)
        first = stranger(1)
        alice.roster.note(first)
        moved = replace(first.sighting, address=Address("10.9.9.9:7700"))
        alice.roster.note(replace(first, sighting=moved))
        dave = alice.roster.by_id(first.sighting.id)
        assert dave is not None
        assert dave.sighting.address == "10.9.9.9:7700"


async def test_strangers_can_not_fill_the_roster_or_its_hints() -> None:
    async with band() as opened:
        alice = await opened.add("alice", start=False)
        for number in range(MOST_FOUND + 20):
            alice.roster.note(stranger(number))
            alice.roster.hint(stranger(number).sighting.address)
        assert len(alice.roster.found()) == MOST_FOUND + 1
        assert len(alice.roster.candidates()) == MOST_FOUND
        known = stranger(0)
        alice.roster.note(known)
        assert known.sighting.id in alice.roster.found()


async def test_a_million_hellos_weigh_as_much_as_a_few_hundred() -> None:
    async with band() as opened:
        alice = await opened.add("alice", start=False)
        weights = []
        for begin, end in ((0, 1000), (1000, 1_000_000)):
            for number in range(begin, end):
                alice.roster.hint(Address(f"10.0.0.1:{number}"))
            weights.append(weight(alice.roster._hints, alice.roster._asked))
        assert weights[0] == weights[1] < 2 * MOST_FOUND


async def test_who_is_waited_for_takes_a_strangers_place() -> None:
    async with band() as opened:
        alice = await opened.add("alice", start=False)
        for number in range(MOST_FOUND):
            alice.roster.note(stranger(number))
        peer, nobody = (stranger(MOST_FOUND + n, f"new-{n}") for n in range(2))
        known = mate(alice, "bob")
        alice.roster._static = (peer.sighting.address,)
        for reply in (peer, known, nobody):
            alice.roster.note(reply)
        found = alice.roster.found()
        assert {peer.sighting.id, known.sighting.id} <= set(found)
        assert nobody.sighting.id not in found
        assert len(found) == MOST_FOUND + 1


async def test_who_is_waited_for_finds_no_place_among_his_like() -> None:
    async with band() as opened:
        alice = await opened.add("alice", start=False)
        many = [stranger(number) for number in range(MOST_FOUND + 1)]
        alice.roster._static = tuple(reply.sighting.address for reply in many)
        for reply in many:
            alice.roster.note(reply)
        assert len(alice.roster.found()) == MOST_FOUND + 1


async def test_in_a_flood_peers_and_known_agents_are_asked_first() -> None:
    async with band() as opened:
        alice = await opened.add("alice", start=False)
        for number in range(100):
            alice.roster.hint(stranger(number).sighting.address)
        known, peer = stranger(200), stranger(201).sighting.address
        alice.roster.note(known)
        alice.roster._static = (peer,)
        due = alice.roster._due()
        assert due[:2] == [peer, known.sighting.address]
        assert len(due) == MOST_ASKED
        for address in due:
            alice.roster._asked[address] = alice.roster._clock.now()
        assert not set(due) & set(alice.roster._due()), "the others come next"


async def test_a_line_that_nobody_uses_is_dropped() -> None:
    async with band() as opened:
        alice = await opened.add("alice", start=False)
        clock = FakeClock()
        alice.roster._clock = clock
        for number in range(10):
            found = stranger(number)
            alice.roster.line(found.sighting.address, found.certificate)
        clock.advance(DROP_LINE_AFTER)
        found = stranger(3)
        kept = alice.roster.line(found.sighting.address, found.certificate)
        clock.advance(1)
        await alice.roster._drop_idle_lines()
        assert list(alice.roster._lines.values()) == [kept]
        assert alice.roster._used.keys() == alice.roster._lines.keys()


async def test_who_does_not_answer_any_more_is_forgotten() -> None:
    async with band() as opened:
        alice = await opened.add("alice", start=False)
        clock = FakeClock()
        alice.roster._clock = clock
        alice.roster.note(stranger(1))
        clock.advance(FORGET_AFTER)
        alice.roster._drop_old()
        assert len(alice.roster.found()) == 2
        clock.advance(1)
        alice.roster._drop_old()
        assert names(alice) == ["alice"]


async def test_an_agent_that_is_known_is_not_asked_at_every_look() -> None:
    async with band() as opened:
        alice = await opened.add("alice", start=False)
        clock = FakeClock()
        alice.roster._clock = clock
        address = stranger(1).sighting.address
        alice.roster.hint(address)
        assert alice.roster._due() == [address]
        alice.roster._asked[address] = clock.now()
        clock.advance(1.9)
        assert alice.roster._due() == []
        clock.advance(0.2)
        assert alice.roster._due() == [address]
        alice.roster.note(replace(stranger(1), at=clock.now()))
        alice.roster._asked[address] = clock.now()
        clock.advance(14)
        assert alice.roster._due() == []
        clock.advance(2)
        assert alice.roster._due() == [address]


async def test_a_hello_from_a_stranger_without_a_name_is_answered() -> None:
    async with band() as opened:
        alice = await opened.add("alice", start=False)
        reply = await alice.peering.hello(HelloRequest(sender=None))
        assert reply.sighting.name == ALICE
        assert alice.roster.candidates() == frozenset()


async def test_a_line_to_nobody_answers_none_in_time() -> None:
    async with band() as opened:
        alice = await opened.add("alice", start=False)
        began = alice.host.clock.now()
        assert await alice.roster.ask(NOBODY) is None
        assert alice.host.clock.now() - began < Seconds(5.0)
