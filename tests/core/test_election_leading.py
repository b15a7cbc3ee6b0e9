"""Heartbeats, the standby, hand-overs, and what others are told."""

from dataclasses import replace

import pytest

from sessiond.core import election as el
from sessiond.core.stamped import Stamp
from sessiond.units import HostName, Seconds, Term
from tests.core.electing import ALICE, BOB, CAROL, DAVE, THREE, TWO, Bench, stamped
from tests.sim.documents import with_members


def leader(*names: HostName, able: bool = True) -> Bench:
    """Return a leader of these hosts that everybody acks."""
    bench = Bench(names[0], stamped(*names), able=able)
    bench.lead(*names[1:])
    for name in names[1:]:
        bench.ack(name)
    bench.wait(0.01)
    bench.effects.clear()
    return bench


def ordered(bench: Bench) -> list[HostName]:
    """Return who was ordered to take over."""
    return [to for to, _ in bench.sent(el.HandoverOrder)]


def test_a_leader_beats_every_half_second_and_says_whom_it_hears() -> None:
    bench = leader(*THREE)
    bench.keep_leading(1.0, BOB)
    beats = [beat for to, beat in bench.sent(el.Heartbeat) if to == BOB]
    assert len(beats) == 2
    assert beats[-1].standby == BOB
    bench.keep_leading(1.0, BOB)
    last = bench.sent(el.Heartbeat)[-1][1]
    assert [(s.name, s.liveness) for s in last.seen] == [
        (BOB, el.Liveness.ALIVE),
        (CAROL, el.Liveness.SUSPECT),
    ]
    bench.keep_leading(6.0, BOB)
    assert bench.leadership.liveness[CAROL] is el.Liveness.GONE


def test_the_standby_stays_while_it_is_able() -> None:
    bench = leader(*THREE)
    bench.ack(BOB, presence=bench.presence(able=False))
    assert bench.leadership.standby == CAROL
    bench.ack(BOB)
    assert bench.leadership.standby == CAROL
    bench.ack(CAROL, presence=bench.presence(able=False))
    assert bench.leadership.standby == BOB


def test_2_an_ack_of_a_higher_term_deposes() -> None:
    bench = leader(*THREE)
    bench.ack(BOB, term=9)
    assert bench.role() is None
    assert bench.disk.term == 9


def test_an_ack_of_an_older_term_or_of_a_follower_counts_for_nothing() -> None:
    bench = leader(*THREE)
    bench.wait(2.0)
    bench.ack(BOB, term=1)
    bench.wait(0.5)
    assert bench.role() is None
    bench.ack(BOB)
    assert bench.role() is None


def test_an_ack_counts_from_when_its_heartbeat_was_sent() -> None:
    bench = leader(*TWO)
    sent = bench.now
    bench.wait(2.0)
    presence = bench.presence()
    bench.hear(
        BOB, el.HeartbeatAck(term=bench.state.term, presence=presence, sent_at=sent)
    )
    bench.wait(0.5)
    assert bench.role() is None


def test_a_leader_of_this_term_follows_nobody_else_in_it() -> None:
    bench = leader(*TWO)
    bench.beat(BOB)
    assert bench.role() is el.Role.LEADER


def test_an_outdated_leader_learns_the_term_from_the_ack() -> None:
    bench = Bench(BOB, stamped(*TWO), term=5)
    bench.effects.clear()
    bench.beat(ALICE, term=3)
    ((to, ack),) = bench.sent(el.HeartbeatAck)
    assert (to, ack.term) == (ALICE, 5)
    assert bench.leadership.leader is None


def test_an_unable_leader_hands_over_to_who_was_able_for_the_suspicion_time() -> None:
    bench = leader(*THREE)
    bench.feed(el.AbilityChanged(able=False))
    bench.feed(el.AbilityChanged(able=False))
    bench.keep_leading(1.25, BOB, CAROL)
    assert not ordered(bench)
    bench.keep_leading(0.5, BOB, CAROL)
    assert set(ordered(bench)) == {BOB}


def test_an_unable_leader_waits_for_a_host_to_be_able_long_enough() -> None:
    bench = leader(*TWO)
    bench.feed(el.AbilityChanged(able=False))
    bench.wait(2.0)
    bench.ack(BOB, presence=bench.presence(able_for=1.0))
    assert not ordered(bench)


def test_the_word_of_who_slept_counts_from_its_waking() -> None:
    bench = leader(*THREE)
    bench.feed(el.AbilityChanged(able=False))
    bench.keep_leading(2.0)
    bench.ack(BOB)
    bench.ack(BOB)
    assert not ordered(bench)
    bench.keep_leading(1.25, BOB)
    assert not ordered(bench)
    bench.keep_leading(0.5, BOB)
    assert set(ordered(bench)) == {BOB}


def test_a_word_that_was_overtaken_counts_from_its_coming() -> None:
    bench = leader(*TWO)
    bench.feed(el.AbilityChanged(able=False))
    bench.wait(1.0)
    bench.ack(BOB, presence=bench.presence(able=False, able_for=0.0))
    bench.wait(1.0)
    bench.ack(BOB)
    assert not ordered(bench)


def test_a_barred_leader_hands_over_however_able_it_is() -> None:
    never = frozenset({ALICE})
    bench = Bench(ALICE, stamped(*TWO, never=never))
    bench.lead(BOB)
    bench.keep_leading(2.0, BOB)
    assert set(ordered(bench)) == {BOB}


def test_a_leader_that_is_no_member_any_more_hands_over() -> None:
    bench = leader(*THREE)
    wanted = with_members(bench.disk.stamped or stamped(*THREE), (BOB, CAROL))
    bench.feed(el.StampRequested(request=1, document=wanted))
    bench.keep_leading(2.0, BOB, CAROL)
    assert set(ordered(bench)) == {BOB}
    assert bench.why() is el.Why.NOT_IN_SESSION


def test_5_a_leader_off_the_air_hands_over_to_the_caretaker_that_is_on_it() -> None:
    bench = leader(*THREE)
    bench.ack(CAROL, presence=bench.presence(carrying=True))
    assert ordered(bench)[0] == CAROL
    bench.feed(el.SourceRefused())
    assert bench.right()


def test_a_caretaker_with_an_older_document_gets_that_first() -> None:
    bench = leader(*THREE)
    older = bench.presence(carrying=True, stamp=Stamp(Term(0), 1))
    bench.ack(CAROL, presence=older)
    assert not ordered(bench)
    assert bench.asked(el.DocumentOffer)


def test_an_order_is_repeated_with_each_beat_and_lapses() -> None:
    bench = leader(*THREE)
    bench.feed(el.SourceAccepted())
    bench.feed(el.HandoverRequested(request=3, to=CAROL))
    (answer,) = bench.done(el.AnswerHandover)
    assert (answer.request, answer.to) == (3, CAROL)
    assert not bench.sent(el.Heartbeat)
    bench.keep_leading(2.5, BOB, CAROL)
    assert len(ordered(bench)) >= 5
    assert bench.state.source.yielding
    bench.keep_leading(1.0, BOB, CAROL)
    bench.effects.clear()
    bench.keep_leading(1.0, BOB, CAROL)
    assert not ordered(bench)
    assert not bench.state.source.yielding


def test_a_hand_over_without_a_name_takes_the_named_standby_that_runs_already() -> None:
    bench = leader(*THREE)
    bench.ack(BOB, presence=bench.presence(able=False))
    bench.ack(BOB)
    bench.feed(el.HandoverRequested(request=3))
    (answer,) = bench.done(el.AnswerHandover)
    assert answer.to == bench.leadership.standby == CAROL


def test_an_order_lapses_also_when_the_majority_is_gone() -> None:
    bench = leader(*THREE)
    bench.feed(el.SourceAccepted())
    bench.feed(el.HandoverRequested(request=3, to=CAROL))
    bench.wait(4.0)
    bench.effects.clear()
    bench.wait(1.0)
    assert not ordered(bench)
    assert bench.role() is el.Role.CARETAKER
    assert all(beat.presence.carrying for beat in bench.asked(el.Heartbeat))


def test_a_hand_over_without_a_name_takes_the_best_rank() -> None:
    bench = leader(*THREE)
    bench.feed(el.HandoverRequested(request=3))
    (answer,) = bench.done(el.AnswerHandover)
    assert answer.to == BOB


def test_who_ordered_a_hand_over_does_not_stand_against_its_heir() -> None:
    bench = leader(*THREE)
    bench.feed(el.SourceAccepted())
    bench.feed(el.HandoverRequested(request=3, to=BOB))
    bench.effects.clear()
    bench.ack(CAROL, term=bench.state.term + 1)
    bench.wait(1.0)
    assert not bench.asked(el.PreVoteRequest)
    ask = el.VoteRequest(
        term=bench.state.term, presence=bench.presence(), sent_at=bench.now
    )
    bench.hear(BOB, ask)
    assert bench.state.persisted.voted_for == BOB


def test_who_made_way_goes_on_when_its_heir_never_comes() -> None:
    bench = leader(*THREE)
    bench.feed(el.SourceAccepted())
    bench.feed(el.HandoverRequested(request=3, to=BOB))
    ask = el.VoteRequest(
        term=Term(bench.state.term + 1), presence=bench.presence(), sent_at=bench.now
    )
    bench.hear(BOB, ask)
    bench.wait(2.0)
    assert bench.state.source.yielding
    bench.wait(2.0)
    assert bench.asked(el.PreVoteRequest)[-1].presence.carrying
    assert bench.why() is el.Why.CARRIES_ON


@pytest.mark.parametrize("to", [ALICE, DAVE])
def test_a_hand_over_to_nobody_able_is_refused(to: HostName) -> None:
    bench = leader(*THREE)
    bench.feed(el.HandoverRequested(request=3, to=to))
    (answer,) = bench.done(el.AnswerHandover)
    assert answer.reason is el.Rejection.NO_ABLE_HOST


def test_only_a_leader_with_a_majority_hands_over() -> None:
    bench = Bench(BOB, stamped(*TWO))
    bench.feed(el.HandoverRequested(request=1))
    alone = leader(*TWO)
    alone.feed(el.SourceAccepted())
    alone.wait(3.0)
    alone.feed(el.HandoverRequested(request=2))
    stopped = Bench(BOB, replace(stamped(*TWO), stopped=True))
    stopped.feed(el.HandoverRequested(request=3))
    reasons = [b.done(el.AnswerHandover)[0].reason for b in (bench, alone, stopped)]
    assert reasons == [
        el.Rejection.NOT_LEADER,
        el.Rejection.NO_MAJORITY,
        el.Rejection.STOPPED,
    ]


def test_a_hello_is_answered_a_leader_answers_with_its_heartbeat() -> None:
    hello = el.Hello(term=Term(1), presence=el.Presence(stamp=Stamp(Term(1), 1)))
    bench = leader(*TWO)
    bench.hear(BOB, hello)
    assert bench.asked(el.Heartbeat)
    follower = Bench(BOB, stamped(*TWO))
    follower.effects.clear()
    follower.hear(ALICE, hello)
    (answer,) = follower.asked(el.Hello)
    assert answer.is_answer
    follower.effects.clear()
    follower.hear(ALICE, replace(hello, is_answer=True))
    assert not follower.asked(el.Hello)
    assert follower.leadership.heard_member


@pytest.mark.parametrize(
    ("stamp", "counts"),
    [
        (None, True),
        (Stamp(Term(0), 9), True),
        (Stamp(Term(1), 1), True),
        (Stamp(Term(1), 2), False),
    ],
)
def test_a_member_counts_as_heard_once_its_document_is_here_too(
    stamp: Stamp | None, counts: bool
) -> None:
    bench = Bench(BOB, stamped(*TWO))
    assert not bench.leadership.heard_member
    bench.hear(ALICE, el.Hello(term=Term(1), presence=el.Presence(stamp=stamp)))
    assert bench.leadership.heard_member is counts


def test_who_hears_no_leader_says_hello_and_who_does_is_silent() -> None:
    bench = Bench(CAROL, stamped(*THREE))
    bench.wait(0.6)
    assert {to for to, _ in bench.sent(el.Hello)} == {ALICE, BOB}
    bench.effects.clear()
    for _ in range(4):
        bench.beat(ALICE)
        bench.wait(0.5)
    assert not bench.sent(el.Hello)


def test_a_follower_tells_what_the_leader_told_it() -> None:
    bench = Bench(CAROL, stamped(*THREE, DAVE))
    seen = (
        el.MemberSeen(name=BOB, liveness=el.Liveness.ALIVE, able=True, carrying=True),
        el.MemberSeen(name=DAVE, liveness=el.Liveness.GONE),
    )
    beat = el.Heartbeat(
        term=Term(1),
        presence=bench.presence(leader=ALICE),
        sent_at=Seconds(1.0),
        standby=BOB,
        seen=seen,
    )
    bench.hear(ALICE, beat)
    told = bench.leadership
    assert (told.leader, told.role, told.my_role) == (ALICE, el.Role.LEADER, None)
    assert (told.standby, told.broadcaster) == (BOB, BOB)
    assert told.liveness == {
        ALICE: el.Liveness.ALIVE,
        BOB: el.Liveness.ALIVE,
        CAROL: el.Liveness.ALIVE,
        DAVE: el.Liveness.GONE,
    }
    assert told.heard_leader_ago == Seconds(0)
    assert not told.watch
    bench.wait(1.1)
    assert bench.leadership.watch


def test_a_caretaker_on_the_air_is_named_while_no_leader_is_heard() -> None:
    bench = Bench(CAROL, stamped(*THREE))
    before = bench.leadership
    assert (before.leader, before.role) == (None, None)
    carrying = bench.presence(carrying=True)
    bench.hear(BOB, el.Hello(term=Term(1), presence=carrying, is_answer=True))
    assert (bench.leadership.leader, bench.leadership.role) == (
        BOB,
        el.Role.CARETAKER,
    )


def test_a_silent_leader_stays_named_until_there_is_another() -> None:
    bench = Bench(CAROL, stamped(*THREE))
    bench.beat(ALICE)
    bench.wait(5.0)
    assert bench.leadership.leader == ALICE
    ago = bench.leadership.heard_leader_ago
    assert ago is not None
    assert 4.9 < ago < 5.1


def test_a_leader_names_itself() -> None:
    told = leader(*TWO).leadership
    assert (told.leader, told.role, told.heard_leader_ago) == (
        ALICE,
        el.Role.LEADER,
        Seconds(0),
    )
