"""Voters, rank and liveness."""

from dataclasses import replace

from sessiond.core.election.members import (
    first_voters,
    fit,
    next_voters,
    others,
    place,
    preference,
    ranking,
)
from sessiond.core.spec import BroadcastSettings
from sessiond.core.stamped import Member, StampedSpec, Station
from sessiond.units import HostName
from tests.core.electing import ALICE, BOB, CAROL, DAVE, THREE, Bench, stamped

NINE = tuple(HostName(f"host{i}") for i in range(9))


def test_seven_vote_best_rank_first() -> None:
    assert first_voters(stamped(*NINE)) == NINE[:7]


def test_the_operators_preference_ranks_and_never_ranks_last() -> None:
    document = stamped(*THREE)
    settings = BroadcastSettings(prefer=(CAROL,), never=frozenset({ALICE}))
    wanted = replace(document, spec=replace(document.spec, broadcast=settings))
    assert preference(wanted) == (CAROL, BOB, ALICE)


def test_the_stations_host_ranks_last_unless_it_is_preferred() -> None:
    station = Station(address="10.0.0.1", port=8000, host=ALICE)
    document = replace(stamped(*THREE), station=station)
    assert preference(document) == (BOB, CAROL, ALICE)
    settings = BroadcastSettings(prefer=(ALICE,))
    wanted = replace(document, spec=replace(document.spec, broadcast=settings))
    assert preference(wanted) == (ALICE, BOB, CAROL)


EVERYONE = frozenset((*NINE, *THREE))


def test_voters_change_one_at_a_time_and_only_as_members_come_and_go() -> None:
    document = replace(stamped(*NINE), voters=(*NINE[:6], ALICE))
    dropped = next_voters(document, EVERYONE)
    assert dropped == NINE[:6]
    added = next_voters(replace(document, voters=dropped), EVERYONE)
    assert added == NINE[:7]
    assert next_voters(replace(document, voters=added), EVERYONE) == added
    assert next_voters(replace(document, voters=NINE[2:]), EVERYONE) == NINE[2:]


def waiting_for(document: StampedSpec, *names: HostName) -> StampedSpec:
    """Return the document as it was before these hosts joined."""
    members = tuple(
        Member(name=m.name) if m.name in names else m for m in document.members
    )
    return replace(document, members=members)


def test_who_has_not_joined_does_not_vote() -> None:
    document = waiting_for(stamped(*NINE), NINE[0], NINE[3])
    assert first_voters(document) == (*NINE[1:3], *NINE[4:])


def test_who_joins_votes_with_the_next_stamp() -> None:
    begun = replace(waiting_for(stamped(*THREE), BOB, CAROL), voters=(ALICE,))
    assert next_voters(begun, EVERYONE) == (ALICE,)
    joined = replace(stamped(*THREE), voters=(ALICE,))
    assert next_voters(waiting_for(joined, CAROL), EVERYONE) == (ALICE, BOB)
    assert next_voters(waiting_for(joined, BOB), EVERYONE) == (ALICE, CAROL)
    assert next_voters(joined, EVERYONE) == (ALICE, BOB)


def test_who_does_not_answer_the_leader_gets_no_vote_yet() -> None:
    document = replace(stamped(*THREE), voters=(ALICE,))
    assert next_voters(document, frozenset()) == (ALICE,)
    assert next_voters(document, frozenset({CAROL})) == (ALICE, CAROL)


def test_a_voter_whose_place_is_empty_again_votes_no_more() -> None:
    document = waiting_for(stamped(*THREE), BOB)
    assert next_voters(document, EVERYONE) == (ALICE, CAROL)


def test_the_last_voter_goes_only_once_there_is_another() -> None:
    document = replace(stamped(BOB), voters=(ALICE,))
    assert next_voters(waiting_for(document, BOB), EVERYONE) == (ALICE,)
    assert next_voters(document, EVERYONE) == (ALICE, BOB)
    assert next_voters(replace(document, voters=(ALICE, BOB)), EVERYONE) == (BOB,)


def test_nobody_waits_for_a_host_that_has_not_joined() -> None:
    document = replace(stamped(*THREE), voters=(CAROL,))
    there = Bench(CAROL, document)
    assert fit(there.state, document, ALICE, there.now)
    alone = waiting_for(document, ALICE, BOB)
    bench = Bench(CAROL, alone)
    assert not fit(bench.state, alone, ALICE, bench.now)
    assert ranking(bench.state, alone, bench.now) == (CAROL, ALICE, BOB)


def test_a_dropped_voter_is_still_written_to() -> None:
    document = replace(stamped(*THREE), voters=(ALICE, DAVE))
    assert others(document, ALICE) == (BOB, CAROL, DAVE)


def test_who_is_able_ranks_before_who_is_preferred() -> None:
    document = stamped(*THREE)
    bench = Bench(CAROL, document)
    assert ranking(bench.state, document, bench.now) == THREE
    bench.wait(2.0)
    assert ranking(bench.state, document, bench.now) == (CAROL, ALICE, BOB)
    bench.ack(BOB, presence=bench.presence(carrying=True))
    assert ranking(bench.state, document, bench.now) == (BOB, CAROL, ALICE)
    bench.wait(1.5)
    assert ranking(bench.state, document, bench.now)[0] == CAROL


def test_a_place_is_counted_no_further_than_it_matters() -> None:
    names = tuple(HostName(f"host{i:02}") for i in range(20))
    document = stamped(*names)
    bench = Bench(names[-1], document)
    order = preference(document)
    assert place(bench.state, document, order, bench.now, 100) == 19
    assert place(bench.state, document, order, bench.now, 14) == 14


def test_who_is_no_member_any_more_is_not_fit() -> None:
    document = stamped(*THREE)
    bench = Bench(ALICE, document)
    bench.beat(DAVE)
    assert not fit(bench.state, document, DAVE, bench.now)
