"""Who may feed the mounts, and when a PUT may be tried."""

from dataclasses import replace

import pytest

from sessiond.core import election as el
from sessiond.core.election.evidence import fence_due
from sessiond.units import HostName, Term
from tests.core.electing import ALICE, BOB, CAROL, THREE, TWO, Bench, stamped

FREE, STALLED = el.Evidence.FREE, el.Evidence.STALLED
PROGRESSING = el.Evidence.PROGRESSING


def refuse(bench: Bench) -> None:
    """Have a PUT refused."""
    bench.feed(el.SourceRefused())


def test_a_session_without_a_document_gives_no_right() -> None:
    bench = Bench(ALICE)
    assert bench.why() is el.Why.NOT_IN_SESSION
    assert bench.wake is None


def test_a_stopped_session_gives_no_right() -> None:
    bench = Bench(ALICE, replace(stamped(*TWO), stopped=True))
    assert bench.why() is el.Why.STOPPED
    assert bench.wake is None


def test_a_session_without_mounts_has_a_leader_and_no_broadcaster() -> None:
    bench = Bench(ALICE, stamped(*TWO, mounts=False))
    bench.lead(BOB)
    assert bench.why() is el.Why.NO_MOUNTS
    assert not bench.right()
    assert not bench.leadership.watch


def test_a_barred_leader_broadcasts_nothing() -> None:
    bench = Bench(ALICE, stamped(*TWO, never=frozenset({ALICE})))
    bench.lead(BOB)
    assert bench.why() is el.Why.BARRED


def test_a_leader_that_is_not_able_waits() -> None:
    bench = Bench(ALICE, stamped(*TWO), able=False)
    bench.wait(0.4)
    bench.lead(BOB)
    assert bench.why() is el.Why.NOT_ABLE
    bench.feed(el.AbilityChanged(able=True))
    assert bench.right()


def test_3_each_grant_is_one_try_and_a_refused_one_is_repeated_every_quarter() -> None:
    bench = Bench(ALICE, stamped(*TWO))
    bench.lead(BOB)
    assert bench.leadership.grant == 1
    refuse(bench)
    bench.wait(0.2)
    assert bench.leadership.grant == 1
    bench.wait(0.1)
    assert bench.leadership.grant == 2
    bench.feed(el.SourceAccepted())
    bench.wait(1.0)
    assert bench.leadership.grant == 2
    assert bench.leadership.broadcaster == ALICE


def test_a_leader_with_rights_may_try_again_at_once_after_a_loss() -> None:
    bench = Bench(ALICE, stamped(*TWO))
    bench.lead(BOB)
    bench.feed(el.SourceAccepted())
    bench.see(PROGRESSING, ALICE)
    bench.feed(el.SourceLost())
    assert bench.leadership.grant == 2
    assert bench.state.verdict is None


def test_a_put_that_never_came_on_the_air_is_repeated_every_quarter() -> None:
    bench = Bench(ALICE, stamped(*TWO))
    bench.lead(BOB)
    for _ in range(5):
        bench.feed(el.SourceLost())
        bench.wait(0.1)
    assert bench.leadership.grant == 2
    assert bench.state.source.ended_at is None


def test_losing_acks_never_stops_the_music_and_acks_restore_the_rights() -> None:
    bench = Bench(ALICE, stamped(*TWO))
    bench.lead(BOB)
    bench.feed(el.SourceAccepted())
    bench.keep_leading(2.0, BOB)
    assert bench.why() is el.Why.LEADS
    bench.wait(2.5)
    assert bench.why() is el.Why.LEADS_ALONE
    assert bench.role() is el.Role.CARETAKER
    assert bench.right()
    assert bench.leadership.watch
    bench.ack(BOB)
    assert bench.why() is el.Why.LEADS
    assert bench.disk.term == 2


def test_a_leader_alone_that_is_off_the_air_steps_down() -> None:
    bench = Bench(ALICE, stamped(*THREE))
    bench.lead(BOB)
    bench.wait(2.5)
    assert bench.role() is None
    assert bench.leadership.leader is None


@pytest.mark.parametrize("evidence", [FREE, STALLED])
def test_one_of_two_takes_a_free_or_stalled_mount_at_once(
    evidence: el.Evidence,
) -> None:
    bench = Bench(BOB, stamped(*TWO))
    bench.beat(ALICE)
    bench.watch(2.0, evidence)
    assert bench.why() is el.Why.TAKES_THE_MOUNT
    assert bench.role() is el.Role.CARETAKER
    assert bench.leadership.leader == BOB
    assert bench.leadership.grant == 1


def test_one_of_two_never_takes_a_progressing_mount() -> None:
    bench = Bench(BOB, stamped(*TWO))
    bench.beat(ALICE)
    for _ in range(120):
        bench.see(PROGRESSING, ALICE)
        bench.wait(0.25)
    assert bench.state.unanswered is not None
    assert bench.why() is el.Why.WAITS
    assert bench.leadership.grant == 0


def test_the_last_of_three_takes_the_mount_after_two_leases() -> None:
    bench = Bench(CAROL, stamped(*THREE))
    bench.beat(ALICE)
    bench.watch(5.75, FREE)
    assert not bench.right()
    bench.watch(0.75, FREE)
    assert bench.right()


def test_the_last_of_three_that_never_knew_a_leader_waits_two_leases_too() -> None:
    bench = Bench(ALICE, stamped(*THREE))
    bench.watch(6.0, FREE)
    assert not bench.right()
    bench.watch(0.75, FREE)
    assert bench.right()


def test_a_caretaker_whose_source_was_ended_waits_two_leases() -> None:
    bench = Bench(CAROL, stamped(*THREE))
    bench.beat(ALICE)
    bench.watch(6.5, FREE)
    bench.feed(el.SourceAccepted())
    bench.wait(1.0)
    bench.feed(el.SourceLost())
    bench.watch(5.75, FREE)
    assert not bench.right()
    bench.watch(0.75, FREE)
    assert bench.right()


def test_a_caretaker_goes_on_when_a_leader_is_heard_until_it_is_told() -> None:
    bench = Bench(BOB, stamped(*TWO))
    bench.beat(ALICE)
    bench.watch(2.0, FREE)
    bench.feed(el.SourceAccepted())
    bench.beat(ALICE)
    assert bench.why() is el.Why.CARRIES_ON
    assert bench.leadership.leader == ALICE
    assert bench.leadership.broadcaster == BOB
    bench.feed(el.AbilityChanged(able=False))
    assert bench.why() is el.Why.YIELDS


def test_a_caretaker_on_the_air_greets_everyone_and_grants_no_one_worse() -> None:
    nine = tuple(HostName(f"host{i}") for i in range(9))
    bench = Bench(nine[8], stamped(*nine))
    bench.beat(nine[0])
    bench.watch(4.0, FREE)
    assert {to for to, _ in bench.sent(el.Hello)} == set(nine[:7])
    bench.watch(4.0, FREE)
    bench.feed(el.SourceAccepted())
    bench.effects.clear()
    bench.wait(1.0)
    assert {to for to, _ in bench.sent(el.Hello)} == set(nine[:8])
    request = el.PreVoteRequest(term=Term(1), presence=bench.presence(), ballot=1)
    bench.hear(nine[3], request)
    (answer,) = bench.asked(el.PreVoteAnswer)
    assert answer.refusal is el.Refusal.STANDS_ITSELF


def test_7_a_host_that_made_way_is_off_once_the_new_leader_is_there() -> None:
    bench = Bench(ALICE, stamped(*TWO))
    bench.lead(BOB)
    bench.feed(el.SourceAccepted())
    bench.ack(BOB)
    bench.feed(el.HandoverRequested(request=1))
    assert bench.right()
    bench.beat(BOB, term=3)
    assert bench.why() is el.Why.YIELDS
    assert not bench.right()
    bench.feed(el.SourceLost())
    assert bench.why() is el.Why.FOLLOWS


def test_an_old_verdict_proves_nothing() -> None:
    bench = Bench(BOB, stamped(*TWO))
    bench.beat(ALICE)
    bench.watch(2.0, FREE)
    assert bench.right()
    bench.wait(1.6)
    assert not bench.right()


def test_a_refused_leader_takes_the_higher_term_that_the_mount_names() -> None:
    bench = Bench(ALICE, stamped(*THREE))
    bench.lead(BOB)
    bench.see(PROGRESSING, CAROL, term=9)
    refuse(bench)
    assert bench.disk.term == 9
    assert bench.role() is None


@pytest.mark.parametrize("host", [ALICE, BOB, None])
def test_a_refused_leader_keeps_its_term_otherwise(host: HostName | None) -> None:
    bench = Bench(ALICE, stamped(*THREE))
    bench.lead(BOB)
    bench.see(PROGRESSING, host, term=2)
    refuse(bench)
    bench.see(FREE)
    refuse(bench)
    assert bench.disk.term == 2


@pytest.mark.parametrize(
    ("holder", "keeps"), [(BOB, True), (None, True), (ALICE, False)]
)
def test_a_caretaker_keeps_its_grant_when_its_own_put_shows_before_it_is_told(
    holder: HostName | None, keeps: bool
) -> None:
    bench = Bench(BOB, stamped(*TWO))
    while not bench.right():
        bench.wait(0.25)
        bench.see(FREE)
    bench.see(el.Evidence.UNKNOWN, holder)
    assert bench.right() is keeps
    bench.feed(el.SourceAccepted())
    assert bench.why() is el.Why.CARRIES_ON


def test_a_caretaker_that_was_refused_tries_no_mount_that_is_not_free() -> None:
    bench = Bench(BOB, stamped(*TWO))
    while not bench.right():
        bench.wait(0.25)
        bench.see(FREE)
    refuse(bench)
    bench.see(el.Evidence.UNKNOWN)
    assert not bench.right()


def test_4_only_who_has_the_right_may_fence_and_only_what_has_stalled() -> None:
    bench = Bench(ALICE, stamped(*THREE))
    assert fence_due(bench.state, bench.now) is None
    bench.see(STALLED, CAROL)
    assert bench.fence() is None
    bench.lead(BOB)
    bench.see(STALLED, CAROL)
    assert bench.fence() == "s1"
    bench.wait(1.5)
    assert bench.fence() is None
    bench.see(FREE)
    assert bench.fence() is None


def test_4_the_last_of_two_fences_what_has_stalled_and_nothing_that_progresses() -> (
    None
):
    bench = Bench(BOB, stamped(*TWO))
    bench.see(STALLED, ALICE)
    while not bench.state.right:
        bench.wait(0.25)
        bench.see(STALLED, ALICE)
    assert bench.why() is el.Why.TAKES_THE_MOUNT
    assert bench.fence() == "s1"
    bench.see(PROGRESSING, ALICE)
    assert bench.fence() is None


def test_a_taken_mount_that_shows_our_own_source_is_still_ours_to_take() -> None:
    bench = Bench(BOB, stamped(*TWO))
    while not bench.state.right:
        bench.wait(0.25)
        bench.see(FREE)
    bench.see(PROGRESSING, BOB)
    assert bench.why() is el.Why.TAKES_THE_MOUNT
    bench.feed(el.SourceAccepted())
    assert bench.why() is el.Why.CARRIES_ON
    bench = Bench(BOB, stamped(*TWO))
    bench.see(PROGRESSING, BOB)
    assert not bench.state.right


def test_4_what_progresses_is_fenced_only_after_lease_and_grace() -> None:
    bench = Bench(ALICE, stamped(*THREE))
    bench.lead(BOB)
    for _ in range(50):
        bench.see(PROGRESSING, CAROL)
        bench.keep_leading(0.25, BOB)
    assert bench.fence() is None
    for _ in range(4):
        bench.see(PROGRESSING, CAROL)
        bench.keep_leading(0.25, BOB)
    bench.see(PROGRESSING, CAROL)
    assert bench.fence() == "s1"
    bench.see(PROGRESSING, CAROL, term=9)
    assert bench.fence() is None


def test_4_the_grace_counts_from_the_last_contact_with_the_holder() -> None:
    bench = Bench(ALICE, stamped(*THREE))
    bench.lead(BOB)
    bench.keep_leading(5.0, BOB, CAROL)
    for _ in range(40):
        bench.see(PROGRESSING, CAROL)
        bench.keep_leading(0.25, BOB)
    assert bench.fence() is None


def test_a_leader_that_sees_the_mount_again_waits_a_lease_for_its_holder() -> None:
    bench = Bench(ALICE, stamped(*THREE))
    bench.lead(BOB)
    for _ in range(80):
        bench.see(el.Evidence.UNREACHABLE)
        bench.keep_leading(0.25, BOB)
    for _ in range(11):
        bench.see(PROGRESSING, CAROL)
        bench.keep_leading(0.25, BOB)
        assert bench.fence() is None
    bench.see(PROGRESSING, CAROL)
    bench.keep_leading(0.25, BOB)
    bench.see(PROGRESSING, CAROL)
    assert bench.fence() == "s1"


def test_an_adopted_source_of_this_term_resumes_the_leaders_role_without_rights() -> (
    None
):
    stored = stamped(*TWO)
    bench = Bench(ALICE, stored, term=4, voted_for=ALICE, was_in_session=True)
    bench.feed(el.SourceAdopted(term=Term(4), role=el.Role.LEADER))
    assert bench.why() is el.Why.LEADS_ALONE
    bench.ack(BOB)
    assert bench.why() is el.Why.LEADS
    assert bench.disk.term == 4


@pytest.mark.parametrize(
    ("term", "role", "voted_for"),
    [
        (3, el.Role.LEADER, ALICE),
        (4, el.Role.CARETAKER, ALICE),
        (4, el.Role.LEADER, BOB),
    ],
)
def test_any_other_adopted_source_is_carried_on_as_a_caretakers(
    term: int, role: el.Role, voted_for: HostName
) -> None:
    stored = stamped(*TWO)
    bench = Bench(ALICE, stored, term=4, voted_for=voted_for, was_in_session=True)
    bench.feed(el.SourceAdopted(term=Term(term), role=role))
    assert bench.why() is el.Why.CARRIES_ON
    assert bench.role() is el.Role.CARETAKER
