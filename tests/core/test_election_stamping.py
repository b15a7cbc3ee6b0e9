"""The one document: stamping, confirming, offering, losing."""

from dataclasses import replace

import pytest

from sessiond.core import election as el
from sessiond.core.spec import NetworkProfile
from sessiond.core.stamped import Member, Stamp, StampedSpec
from sessiond.units import HostName, SessionName, Term
from tests.core.electing import ALICE, BOB, CAROL, DAVE, THREE, TWO, Bench, stamped
from tests.sim.documents import document, edited, with_members


def stored(bench: Bench) -> StampedSpec:
    """Return the document on the disk."""
    assert bench.disk.stamped is not None
    return bench.disk.stamped


def offer(bench: Bench, wanted: StampedSpec, *, leader: bool = False) -> None:
    """Have alice offer a document."""
    presence = bench.presence(stamp=wanted.stamp, leader=ALICE if leader else None)
    message = el.DocumentOffer(
        term=bench.state.term, presence=presence, document=wanted
    )
    bench.hear(ALICE, message)


def leading(*names: HostName) -> Bench:
    """Return a leader in term 2 that everybody acks."""
    bench = Bench(names[0], stamped(*names))
    bench.lead(*names[1:])
    for name in names[1:]:
        bench.ack(name)
    bench.effects.clear()
    return bench


def request(bench: Bench, wanted: StampedSpec, based_on: Stamp | None = None) -> None:
    """Ask for a change."""
    bench.feed(el.StampRequested(request=5, document=wanted, based_on=based_on))


def rejected(bench: Bench) -> list[el.Rejection]:
    """Return why requests failed."""
    return [effect.reason for effect in bench.done(el.RejectStamp)]


def alone() -> Bench:
    """Return bob, who has found no majority."""
    bench = Bench(BOB, stamped(*TWO))
    bench.wait(1.0)
    bench.effects.clear()
    return bench


def test_the_creating_host_stamps_the_first_document_and_offers_it() -> None:
    bench = Bench(BOB, term=0)
    bench.feed(el.CreateRequested(document=document(THREE)))
    assert stored(bench).stamp == Stamp(Term(0), 1)
    assert stored(bench).voters == THREE
    assert bench.disk.was_in_session
    assert [to for to, _ in bench.sent(el.DocumentOffer)] == [ALICE, CAROL]


def test_creating_over_a_stopped_session_outdoes_it() -> None:
    bench = Bench(BOB, replace(stamped(*TWO, term=3, revision=2), stopped=True), term=3)
    bench.feed(el.CreateRequested(document=document(TWO)))
    assert stored(bench).stamp == Stamp(Term(3), 3)
    assert not stored(bench).stopped


def test_creating_leaves_a_session_that_goes_on_alone() -> None:
    bench = Bench(BOB, stamped(*TWO))
    bench.feed(el.CreateRequested(document=document(THREE)))
    assert stored(bench) == stamped(*TWO)


def test_creating_outdoes_a_stopped_session_that_only_a_member_remembers() -> None:
    bench = Bench(BOB, term=0)
    bench.feed(el.CreateRequested(document=document(TWO)))
    offer(bench, replace(stamped(*TWO, term=3, revision=2), stopped=True))
    assert stored(bench).stamp == Stamp(Term(3), 3)
    assert not stored(bench).stopped
    assert bench.sent(el.DocumentOffer)


def test_a_host_that_was_off_while_its_session_was_stopped_stops() -> None:
    bench = Bench(BOB, stamped(*TWO))
    offer(bench, replace(stamped(*TWO, revision=2), stopped=True))
    assert stored(bench).stopped
    assert not bench.disk.was_in_session
    assert bench.why() is el.Why.STOPPED


def test_a_new_session_of_a_stopped_ones_name_starts_from_nothing() -> None:
    bench = Bench(BOB, replace(stamped(*TWO), stopped=True))
    offer(bench, stamped(*TWO, revision=2))
    assert bench.state.contact is None
    assert bench.disk.was_in_session


def test_a_host_outside_stores_what_it_is_offered_and_says_so() -> None:
    bench = Bench(BOB, term=0)
    offer(bench, stamped(*TWO, term=0), leader=True)
    assert stored(bench) == stamped(*TWO, term=0)
    (answer,) = bench.asked(el.DocumentStored)
    assert answer.presence.stamp == Stamp(Term(0), 1)
    assert bench.leadership.leader == ALICE


def test_a_host_outside_answers_requests_with_what_it_is() -> None:
    bench = Bench(BOB, term=0)
    presence = el.Presence(stamp=Stamp(Term(1), 1))
    bench.hear(ALICE, el.Hello(term=Term(1), presence=presence, is_answer=True))
    bench.hear(ALICE, el.HandoverOrder(term=Term(1), presence=presence))
    assert not bench.effects
    bench.hear(ALICE, el.Hello(term=Term(1), presence=presence))
    (answer,) = bench.asked(el.Hello)
    assert answer.presence.stamp is None
    assert bench.disk.term == 0


def test_another_sessions_document_is_not_stored() -> None:
    bench = Bench(BOB, term=0)
    foreign = stamped(*TWO)
    foreign = replace(foreign, spec=replace(foreign.spec, name=SessionName("other")))
    offer(bench, foreign)
    assert bench.disk.stamped is None


def test_a_document_that_leaves_this_host_out_ends_its_part() -> None:
    bench = Bench(CAROL, stamped(*THREE))
    offer(bench, stamped(*TWO, revision=2))
    assert bench.why() is el.Why.NOT_IN_SESSION
    assert stored(bench).member(CAROL) is None


def test_who_is_behind_is_offered_the_document_whatever_it_said() -> None:
    bench = Bench(BOB, stamped(*TWO, revision=5))
    bench.effects.clear()
    old = bench.presence(stamp=Stamp(Term(1), 4))
    bench.hear(ALICE, el.Hello(term=Term(1), presence=old, is_answer=True))
    (sent,) = bench.asked(el.DocumentOffer)
    assert sent.document.stamp.revision == 5
    bench.effects.clear()
    offer(bench, stamped(*TWO, revision=3))
    assert stored(bench).stamp.revision == 5
    assert bench.asked(el.DocumentOffer)


def test_a_newer_document_ends_a_round_that_was_run_with_the_older() -> None:
    bench = Bench(ALICE, stamped(*TWO))
    newer = stamped(*TWO, revision=2)
    presence = bench.presence(stamp=newer.stamp)
    bench.hear(BOB, el.DocumentOffer(term=Term(1), presence=presence, document=newer))
    assert stored(bench) == newer
    (again,) = bench.asked(el.PreVoteRequest)[1:]
    assert again.presence.stamp == newer.stamp


def test_6_a_stamp_is_confirmed_when_a_majority_of_two_both_has_it() -> None:
    bench = leading(*TWO)
    request(bench, edited(stored(bench), 1), based_on=Stamp(Term(1), 1))
    assert stored(bench).stamp == Stamp(Term(2), 1)
    assert not bench.done(el.ConfirmStamp)
    bench.ack(BOB)
    (confirmed,) = bench.done(el.ConfirmStamp)
    assert (confirmed.request, confirmed.stamp) == (5, Stamp(Term(2), 1))
    assert confirmed.by_majority
    request(bench, edited(stored(bench), 2))
    assert stored(bench).stamp == Stamp(Term(2), 2)


def test_a_leader_alone_in_its_session_confirms_at_once() -> None:
    bench = leading(ALICE)
    request(bench, edited(stored(bench), 1))
    assert bench.done(el.ConfirmStamp)


def test_a_change_that_no_majority_stored_is_rejected_with_the_rights() -> None:
    bench = leading(*TWO)
    bench.feed(el.SourceAccepted())
    request(bench, edited(stored(bench), 1))
    bench.wait(3.0)
    assert rejected(bench) == [el.Rejection.NO_MAJORITY]


def test_a_change_that_another_term_overtook_is_rejected() -> None:
    bench = leading(*THREE)
    request(bench, edited(stored(bench), 1))
    bench.ack(BOB, term=9, presence=bench.presence(stamp=Stamp(Term(1), 1)))
    assert rejected(bench) == [el.Rejection.NO_MAJORITY]


def test_a_change_based_on_another_stamp_is_refused() -> None:
    bench = leading(*TWO)
    request(bench, edited(stored(bench), 1), based_on=Stamp(Term(1), 7))
    assert rejected(bench) == [el.Rejection.CONFLICT]


def test_only_the_leader_stamps_and_only_while_the_session_goes_on() -> None:
    bench = Bench(BOB, stamped(*TWO))
    request(bench, stamped(*TWO))
    stopped = Bench(BOB, replace(stamped(*TWO), stopped=True))
    request(stopped, stamped(*TWO))
    outside = Bench(BOB)
    request(outside, stamped(*TWO))
    assert [*rejected(bench), *rejected(stopped), *rejected(outside)] == [
        el.Rejection.NOT_LEADER,
        el.Rejection.STOPPED,
        el.Rejection.STOPPED,
    ]


def test_without_a_majority_a_voter_stamps_edits_of_its_own_numbers() -> None:
    bench = alone()
    request(bench, edited(stored(bench), 1))
    (confirmed,) = bench.done(el.ConfirmStamp)
    assert (confirmed.stamp, confirmed.by_majority) == (Stamp(Term(1), 1, 2), False)
    request(bench, edited(stored(bench), 2))
    assert stored(bench).stamp == Stamp(Term(1), 1, 4)
    assert bench.leadership.unmerged


def test_who_has_no_vote_edits_nothing() -> None:
    bench = Bench(BOB, replace(stamped(*TWO), voters=(ALICE,)))
    bench.wait(1.0)
    request(bench, stored(bench))
    assert rejected(bench) == [el.Rejection.NOT_LEADER]


def test_a_leader_alone_edits_and_its_own_rights_merge_the_edit() -> None:
    bench = leading(*TWO)
    bench.feed(el.SourceAccepted())
    bench.wait(3.0)
    request(bench, edited(stored(bench), 1))
    assert stored(bench).stamp == Stamp(Term(1), 1, 1)
    bench.ack(BOB)
    assert not bench.leadership.unmerged


def test_an_edit_is_brought_to_the_leader_and_merged_when_it_has_it() -> None:
    bench = alone()
    request(bench, edited(stored(bench), 1))
    bench.effects.clear()
    bench.beat(ALICE)
    assert bench.asked(el.DocumentOffer)
    has_it = el.DocumentStored(term=Term(1), presence=bench.presence(leader=ALICE))
    bench.hear(ALICE, has_it)
    assert not bench.leadership.unmerged


def test_an_edit_beaten_by_a_newer_stamp_is_kept_before_it_is_overwritten() -> None:
    bench = alone()
    request(bench, edited(stored(bench), 1))
    mine = stored(bench)
    bench.effects.clear()
    offer(bench, stamped(*TWO, revision=2), leader=True)
    kinds = [type(effect) for effect in bench.effects]
    assert kinds.index(el.KeepConflict) < kinds.index(el.Persist)
    assert bench.done(el.KeepConflict)[0].stamped == mine
    assert not bench.leadership.unmerged


def test_an_edit_found_on_the_disk_is_still_unmerged() -> None:
    bench = Bench(BOB, stamped(*TWO, edit=2), was_in_session=True)
    assert bench.leadership.unmerged


def test_a_voter_that_has_caught_up_can_be_asked_at_once() -> None:
    bench = Bench(ALICE, stamped(*TWO))
    ballot = bench.state.ballots
    refused = el.PreVoteAnswer(
        term=Term(1),
        presence=el.Presence(stamp=None),
        ballot=ballot,
        refusal=el.Refusal.NOT_IN_SESSION,
    )
    bench.hear(BOB, refused)
    assert bench.state.unanswered is not None
    behind = el.Presence(stamp=Stamp(Term(0), 1))
    bench.hear(BOB, el.DocumentStored(term=Term(1), presence=behind))
    assert len(bench.asked(el.PreVoteRequest)) == 1
    bench.hear(BOB, el.DocumentStored(term=Term(1), presence=bench.presence()))
    assert len(bench.asked(el.PreVoteRequest)) == 2


def test_6_voters_change_one_a_stamp_each_confirmed_before_the_next() -> None:
    bench = leading(*TWO)
    bench.feed(el.SourceAccepted())
    request(bench, with_members(stored(bench), (ALICE, BOB, CAROL, DAVE)))
    assert stored(bench).voters == TWO
    bench.ack(BOB)
    assert stored(bench).voters == TWO, "nobody new has answered"
    bench.ack(DAVE)
    bench.ack(CAROL)
    assert stored(bench).voters == (ALICE, BOB, DAVE)
    assert stored(bench).stamp == Stamp(Term(2), 2)
    bench.ack(DAVE)
    assert stored(bench).voters == (ALICE, BOB, DAVE, CAROL)
    bench.ack(BOB)
    bench.ack(CAROL)
    assert stored(bench).stamp == Stamp(Term(2), 3)


def test_6_a_new_leader_gives_a_vote_to_whom_the_last_one_had_let_in() -> None:
    bench = Bench(ALICE, replace(stamped(*THREE), voters=TWO))
    bench.lead(BOB)
    bench.feed(el.SourceAccepted())
    begun = stored(bench)
    bench.keep_leading(1.0, BOB)
    assert stored(bench) == begun, "nobody new has answered"
    bench.ack(CAROL)
    # What another leader stamped may still be outdone: this one's own comes first.
    assert stored(bench) == replace(begun, stamp=Stamp(Term(2), 1))
    bench.wait(0.25)
    assert stored(bench).stamp == Stamp(Term(2), 1)
    bench.ack(BOB)
    bench.ack(CAROL)
    assert stored(bench).voters == THREE


def test_6_a_host_that_the_spec_names_votes_only_once_it_has_joined() -> None:
    bench = leading(*TWO)
    bench.feed(el.SourceAccepted())
    wider = with_members(stored(bench), THREE)
    waiting = replace(wider, members=(*wider.members[:2], Member(name=CAROL)))
    request(bench, waiting)
    bench.ack(BOB)
    assert stored(bench).voters == TWO
    assert not bench.state.pending
    request(bench, replace(stored(bench), members=wider.members))
    assert stored(bench).voters == TWO
    bench.ack(BOB)
    bench.ack(CAROL)
    assert stored(bench).voters == THREE


def test_a_session_begins_with_the_voters_that_have_joined() -> None:
    first = document(THREE)
    waiting = tuple(Member(name=m.name) for m in first.members[1:])
    bench = Bench(ALICE)
    bench.feed(
        el.CreateRequested(
            document=replace(first, members=(*first.members[:1], *waiting))
        )
    )
    assert stored(bench).voters == (ALICE,)
    bench.wait(2.0)
    assert bench.leadership.my_role is el.Role.LEADER


def test_6_a_voter_leaves_only_after_the_change_of_members_is_confirmed() -> None:
    bench = leading(*THREE)
    request(bench, with_members(stored(bench), TWO))
    assert CAROL in stored(bench).voters
    assert CAROL in [to for to, _ in bench.sent(el.DocumentOffer)]
    bench.ack(BOB)
    assert stored(bench).voters == TWO


def test_a_stopping_leader_goes_on_until_everyone_has_been_told() -> None:
    bench = leading(*THREE)
    request(bench, replace(stored(bench), stopped=True))
    assert not bench.right()
    bench.ack(BOB)
    assert bench.done(el.ConfirmStamp)
    bench.keep_leading(2.0, BOB)
    assert bench.role() is el.Role.LEADER
    bench.ack(CAROL)
    assert bench.role() is None
    bench.wait(3.0)
    bench.effects.clear()
    bench.wait(3.0)
    assert not bench.effects


def test_a_stopping_leader_waits_for_nobody_who_is_gone() -> None:
    bench = leading(*THREE)
    request(bench, replace(stored(bench), stopped=True))
    bench.keep_leading(6.5, BOB)
    assert bench.role() is None


def test_a_stop_that_comes_from_elsewhere_ends_a_round() -> None:
    bench = Bench(ALICE, stamped(*TWO))
    offered = replace(stamped(*TWO, revision=2), stopped=True)
    presence = bench.presence(stamp=offered.stamp)
    bench.hear(BOB, el.DocumentOffer(term=Term(1), presence=presence, document=offered))
    bench.wait(2.0)
    assert bench.why() is el.Why.STOPPED
    assert not bench.asked(el.VoteRequest)


@pytest.mark.parametrize(
    ("network", "seconds"), [(NetworkProfile.LAN, 0.5), (NetworkProfile.WIFI, 1.0)]
)
def test_wifi_doubles_the_timers(network: NetworkProfile, seconds: float) -> None:
    first = replace(document(TWO, network=network), stamp=Stamp(Term(1), 1), voters=TWO)
    bench = Bench(ALICE, first)
    bench.lead(BOB)
    bench.keep_leading(5.0, BOB)
    assert len(bench.sent(el.Heartbeat)) == 5 / seconds
