"""Standing, voting and refusing; the numbers are `core.election`'s invariants."""

from dataclasses import replace

from sessiond.core import election as el
from sessiond.core.election.members import ranking
from sessiond.core.election.state import Following, Leading, Sounding, Standing
from sessiond.core.stamped import Stamp
from sessiond.units import HostName, Seconds, Term
from tests.core.electing import ALICE, BOB, CAROL, DAVE, THREE, TWO, Bench, stamped


def ask(bench: Bench, sender: HostName, *, by_order: bool = False) -> el.PreVoteAnswer:
    """Ask for an opinion and return it."""
    bench.effects.clear()
    request = el.PreVoteRequest(
        term=bench.state.term, presence=bench.presence(), ballot=7, by_order=by_order
    )
    bench.hear(sender, request)
    ((to, answer),) = bench.sent(el.PreVoteAnswer)
    assert (to, answer.ballot) == (sender, 7)
    return answer


def demand(
    bench: Bench, sender: HostName, term: int, stamp: Stamp | None = None
) -> el.VoteAnswer:
    """Ask for a vote and return the answer."""
    bench.effects.clear()
    request = el.VoteRequest(
        term=Term(term), presence=bench.presence(stamp=stamp), sent_at=Seconds(1.0)
    )
    bench.hear(sender, request)
    ((to, answer),) = bench.sent(el.VoteAnswer)
    assert to == sender
    return answer


def test_the_best_rank_of_a_new_session_stands_at_once() -> None:
    bench = Bench(ALICE, stamped(*THREE))
    assert [to for to, _ in bench.sent(el.PreVoteRequest)] == [BOB, CAROL]


def test_a_worse_rank_of_a_new_session_gives_the_better_ones_their_time() -> None:
    bench = Bench(CAROL, stamped(*THREE))
    bench.wait(0.25)
    assert not bench.asked(el.PreVoteRequest)
    bench.wait(0.5)
    assert bench.asked(el.PreVoteRequest)


def test_the_standby_that_the_leader_named_stands_before_whom_people_prefer() -> None:
    bench = Bench(CAROL, stamped(*THREE))
    bench.hear(BOB, el.Hello(term=Term(1), presence=bench.presence()))
    beat = el.Heartbeat(
        term=Term(1),
        presence=bench.presence(leader=ALICE),
        sent_at=Seconds(1.0),
        standby=CAROL,
        seen=(el.MemberSeen(name=BOB, liveness=el.Liveness.ALIVE, able=True),),
    )
    bench.hear(ALICE, beat)
    document = stamped(*THREE)
    assert ranking(bench.state, document, bench.now) == (CAROL, ALICE, BOB)
    bench.wait(60.0)
    assert ranking(bench.state, document, bench.now) == (CAROL, ALICE, BOB)
    bench.hear(BOB, el.Hello(term=Term(1), presence=bench.presence(carrying=True)))
    assert ranking(bench.state, document, bench.now)[0] == BOB


def test_a_host_alone_elects_itself_in_one_step() -> None:
    bench = Bench(ALICE, stamped(ALICE))
    assert bench.role() is el.Role.LEADER
    assert bench.disk.term == 2
    assert bench.disk.voted_for == ALICE
    bench.wait(5.0)
    assert bench.right()


def test_a_majority_of_opinions_then_of_votes_makes_a_leader() -> None:
    bench = Bench(ALICE, stamped(*THREE))
    ballot = bench.state.ballots
    answer = el.PreVoteAnswer(term=Term(1), presence=bench.presence(), ballot=ballot)
    effects = bench.hear(BOB, answer)
    assert isinstance(effects[0], el.Persist)
    assert bench.disk.term == 2
    assert [to for to, _ in bench.sent(el.VoteRequest)] == [BOB, CAROL]
    vote = el.VoteAnswer(term=Term(2), presence=bench.presence(), sent_at=bench.now)
    bench.hear(CAROL, vote)
    assert bench.role() is el.Role.LEADER
    assert [to for to, _ in bench.sent(el.Heartbeat)] == [BOB, CAROL]


def test_late_and_foreign_answers_change_nothing() -> None:
    bench = Bench(ALICE, stamped(*THREE))
    stale = el.PreVoteAnswer(term=Term(1), presence=bench.presence(), ballot=99)
    bench.hear(BOB, stale)
    assert bench.mode() is Sounding
    bench.hear(
        BOB,
        el.VoteAnswer(term=Term(1), presence=bench.presence(), sent_at=bench.now),
    )
    assert bench.mode() is Sounding
    ballot = bench.state.ballots
    bench.hear(BOB, replace(stale, ballot=ballot))
    assert bench.mode() is Standing
    refused = el.VoteAnswer(
        term=Term(2),
        presence=bench.presence(),
        sent_at=bench.now,
        refusal=el.Refusal.VOTED_FOR_ANOTHER,
    )
    bench.hear(BOB, refused)
    bench.hear(BOB, replace(refused, term=Term(1), refusal=None))
    assert bench.mode() is Standing
    bench.hear(DAVE, replace(refused, refusal=None))
    assert bench.mode() is Standing


def test_a_vote_that_is_not_won_ends_and_is_tried_again() -> None:
    bench = Bench(ALICE, stamped(*THREE))
    answer = el.PreVoteAnswer(
        term=Term(1), presence=bench.presence(), ballot=bench.state.ballots
    )
    bench.hear(BOB, answer)
    bench.wait(0.5)
    assert bench.mode() is Following
    bench.effects.clear()
    bench.wait(1.0)
    assert bench.asked(el.PreVoteRequest)


def test_a_round_that_everybody_refused_ends_before_its_time() -> None:
    bench = Bench(ALICE, stamped(*THREE))
    for voter in (BOB, CAROL):
        refused = el.PreVoteAnswer(
            term=Term(1),
            presence=bench.presence(),
            ballot=bench.state.ballots,
            refusal=el.Refusal.HEARS_A_LEADER,
        )
        bench.hear(voter, refused)
    assert bench.mode() is Following
    assert bench.state.unanswered is None


def test_1_a_vote_is_on_the_disk_before_it_is_given_and_given_once_a_term() -> None:
    bench = Bench(CAROL, stamped(*THREE))
    assert demand(bench, ALICE, 2).refusal is None
    kinds = [type(effect) for effect in bench.effects]
    assert kinds.index(el.Persist) < kinds.index(el.Send)
    assert bench.disk.voted_for == ALICE
    assert demand(bench, ALICE, 2).refusal is None
    bench.wait(20)
    assert demand(bench, BOB, 2).refusal is el.Refusal.VOTED_FOR_ANOTHER


def test_2_a_vote_in_an_older_term_is_refused() -> None:
    bench = Bench(CAROL, stamped(*THREE), term=5)
    answer = demand(bench, ALICE, 4)
    assert (answer.refusal, answer.term) == (el.Refusal.OLDER_TERM, 5)


def test_6_an_older_stamp_gets_no_vote_but_the_newer_document() -> None:
    bench = Bench(CAROL, stamped(*THREE, revision=4))
    answer = demand(bench, ALICE, 2, stamp=Stamp(Term(1), 3))
    assert answer.refusal is el.Refusal.OLDER_STAMP
    ((to, offer),) = bench.sent(el.DocumentOffer)
    assert (to, offer.document) == (ALICE, bench.disk.stamped)


def test_a_restarted_voter_votes_for_nobody_for_one_lease() -> None:
    bench = Bench(CAROL, stamped(*THREE), was_in_session=True)
    bench.wait(2.9)
    assert ask(bench, ALICE).refusal is el.Refusal.JUST_STARTED
    bench.wait(0.2)
    assert ask(bench, ALICE).refusal is None


def test_a_voter_keeps_faith_with_the_leader_it_heard_for_one_lease() -> None:
    bench = Bench(CAROL, stamped(*THREE))
    bench.beat(ALICE)
    bench.wait(2.9)
    assert ask(bench, BOB).refusal is el.Refusal.HEARS_A_LEADER
    assert ask(bench, ALICE).refusal is None
    assert ask(bench, BOB, by_order=True).refusal is None
    bench.wait(0.2)
    assert ask(bench, BOB).refusal is None


def test_a_suspect_leader_whose_mount_the_voter_sees_free_is_given_up() -> None:
    bench = Bench(CAROL, stamped(*THREE))
    bench.beat(ALICE)
    bench.watch(1.25, el.Evidence.FREE)
    assert ask(bench, BOB).refusal is el.Refusal.HEARS_A_LEADER
    bench.watch(0.5, el.Evidence.FREE)
    assert ask(bench, BOB).refusal is None


def test_a_leader_with_rights_grants_nobody_else() -> None:
    bench = Bench(ALICE, stamped(*THREE))
    bench.lead(BOB)
    assert ask(bench, CAROL).refusal is el.Refusal.HEARS_A_LEADER
    assert ask(bench, CAROL, by_order=True).refusal is None


def test_giving_a_vote_counts_as_hearing_that_leader() -> None:
    bench = Bench(CAROL, stamped(*THREE))
    demand(bench, ALICE, 2)
    assert ask(bench, BOB).refusal is el.Refusal.HEARS_A_LEADER


def test_who_stands_itself_and_ranks_better_would_rather_not_have_another() -> None:
    bench = Bench(ALICE, stamped(*THREE))
    assert ask(bench, BOB).refusal is el.Refusal.STANDS_ITSELF
    worse = Bench(BOB, stamped(*THREE))
    worse.wait(0.35)
    assert isinstance(worse.state.mode, Sounding)
    assert ask(worse, ALICE).refusal is None


def test_of_two_that_stand_at_once_both_know_which_gives_way() -> None:
    # Only carol heard whom the dead leader had named standby.
    bob, carol = Bench(BOB, stamped(*THREE)), Bench(CAROL, stamped(*THREE))
    named = el.Heartbeat(
        term=Term(1),
        presence=carol.presence(leader=ALICE),
        sent_at=carol.now,
        standby=CAROL,
    )
    carol.hear(ALICE, named)
    for bench in (bob, carol):
        bench.wait(3.2)
        while not isinstance(bench.state.mode, Sounding):
            bench.wait(0.05)
    assert ask(bob, CAROL).refusal is el.Refusal.STANDS_ITSELF
    assert ask(carol, BOB).refusal is None


def test_strangers_and_stopped_sessions_get_no_vote() -> None:
    bench = Bench(CAROL, replace(stamped(*THREE), stopped=True))
    assert ask(bench, ALICE).refusal is el.Refusal.NOT_IN_SESSION


def test_a_voter_that_was_dropped_votes_until_its_vote_is_dropped() -> None:
    dropped = replace(stamped(*TWO), voters=THREE)
    bench = Bench(CAROL, dropped)
    assert not bench.asked(el.PreVoteRequest)
    assert ask(bench, ALICE).refusal is None


def test_a_higher_term_ends_a_round_of_our_own() -> None:
    bench = Bench(ALICE, stamped(*THREE))
    bench.hear(BOB, el.Hello(term=Term(9), presence=bench.presence(), is_answer=True))
    assert bench.disk.term == 9
    assert bench.disk.voted_for is None


def test_suspicion_suffices_to_stand_when_the_mount_is_free() -> None:
    bench = Bench(BOB, stamped(*THREE))
    bench.beat(ALICE)
    bench.effects.clear()
    bench.watch(1.25, el.Evidence.FREE)
    assert not bench.asked(el.PreVoteRequest)
    bench.watch(0.75, el.Evidence.FREE)
    assert bench.asked(el.PreVoteRequest)


def test_without_evidence_a_host_stands_after_the_lease() -> None:
    bench = Bench(BOB, stamped(*TWO))
    bench.beat(ALICE)
    bench.effects.clear()
    bench.wait(2.95)
    assert not bench.asked(el.PreVoteRequest)
    bench.wait(0.1)
    assert bench.asked(el.PreVoteRequest)


def test_an_orphaned_source_is_given_the_adoption_grace() -> None:
    bench = Bench(BOB, stamped(*TWO))
    bench.beat(ALICE)
    bench.effects.clear()
    for _ in range(51):
        bench.see(el.Evidence.PROGRESSING, ALICE)
        bench.wait(0.25)
    assert not bench.asked(el.PreVoteRequest)
    for _ in range(3):
        bench.see(el.Evidence.PROGRESSING, ALICE)
        bench.wait(0.25)
    assert bench.asked(el.PreVoteRequest)


def test_a_foreign_source_on_the_mount_is_given_no_grace() -> None:
    bench = Bench(BOB, stamped(*TWO))
    bench.beat(ALICE)
    bench.effects.clear()
    bench.watch(3.5, el.Evidence.PROGRESSING)
    assert bench.asked(el.PreVoteRequest)


def test_an_order_makes_a_host_stand_at_once_and_survives_the_leaders_beat() -> None:
    bench = Bench(BOB, stamped(*TWO))
    bench.beat(ALICE)
    bench.effects.clear()
    order = el.HandoverOrder(term=Term(1), presence=bench.presence(leader=ALICE))
    bench.hear(ALICE, replace(order, term=Term(0)))
    assert not bench.asked(el.PreVoteRequest)
    bench.hear(ALICE, order)
    bench.hear(ALICE, order)
    bench.beat(ALICE)
    (request,) = bench.asked(el.PreVoteRequest)
    assert request.by_order
    assert bench.mode() is Sounding
    bench.lead(ALICE)
    assert bench.mode() is Leading
