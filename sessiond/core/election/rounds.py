"""The candidate's side: pre-vote, then vote; and the voter's refusals."""

from dataclasses import replace
from typing import Final

from sessiond.core.election.effects import Effect, Send
from sessiond.core.election.evidence import silence_over, takeable
from sessiond.core.election.members import (
    barred,
    carrying,
    has_rights,
    majority,
    place,
    preference,
    presence,
    running,
    timers,
)
from sessiond.core.election.messages import (
    Presence,
    PreVoteAnswer,
    PreVoteRequest,
    Refusal,
    VoteAnswer,
    VoteRequest,
)
from sessiond.core.election.state import (
    ElectionState,
    Following,
    Leading,
    Sounding,
    Standing,
    Unanswered,
)
from sessiond.core.stamped import StampedSpec
from sessiond.units import HostName, Seconds, Term

# At a session's beginning a rank counts twice: 0.3 s are enough for a host to get its
# passwords and to hear Icecast.
START_STEPS: Final = 2

Outcome = tuple[ElectionState, tuple[Effect, ...]]


def stand_at(state: ElectionState, document: StampedSpec, now: Seconds) -> Seconds:
    """Return when this host stands, or when to ask again if that is yet to come.

    The candidate delay counts from the moment the last condition came true; what
    the rank will be then is not known before.
    """
    came_true = Seconds(
        max(
            silence_over(state, now),
            state.stand_not_before or state.joined_at,
            state.voting_from or state.joined_at,
        )
    )
    if came_true > now:
        return came_true
    most, order = START_STEPS * len(document.voters), preference(document)
    steps = place(state, document, order, now, most)
    if state.contact is None:
        # A session begins: who is able first is chance, so better ranks, that may be
        # able in a moment, get their time.
        steps = max(steps, START_STEPS * order.index(state.me))
    return Seconds(came_true + min(steps, most) * timers(state).rank_step)


def sound(
    state: ElectionState, document: StampedSpec, now: Seconds, *, by_order: bool
) -> Outcome:
    """Open a pre-vote round.

    Whoever made way for another, and stands now because that one never came, means to
    go on with its source after all.
    """
    ballot = state.ballots + 1
    ends = Seconds(now + timers(state).ballot)
    mode = Sounding(ballot=ballot, ends=ends, by_order=by_order)
    source = replace(state.source, yielding=False)
    state = replace(state, mode=mode, ballots=ballot, source=source)
    request = PreVoteRequest(
        term=state.term,
        presence=presence(state, now),
        ballot=ballot,
        by_order=by_order,
    )
    asked = (name for name in document.voters if name != state.me)
    sends = tuple(Send(to=name, message=request) for name in asked)
    state, more = tally(state, document, mode, now)
    return state, sends + more


def heed(
    state: ElectionState, sender: HostName, answer: PreVoteAnswer, now: Seconds
) -> Outcome:
    """Take an answer of the running pre-vote round in."""
    mode, document = state.mode, running(state)
    if not isinstance(mode, Sounding) or document is None:
        return state, ()
    if mode.ballot != answer.ballot:
        return state, ()
    mode = replace(mode, answers={**mode.answers, sender: answer.refusal})
    return tally(replace(state, mode=mode), document, mode, now)


def tally(
    state: ElectionState, document: StampedSpec, mode: Sounding, now: Seconds
) -> Outcome:
    """Stand when a majority would vote for this host; end a round fully answered."""
    own = state.me in document.voters
    answers = [mode.answers[name] for name in document.voters if name in mode.answers]
    if own + answers.count(None) >= majority(document):
        return _stand(state, document, now, by_order=mode.by_order)
    if own + len(answers) == len(document.voters):
        return close(state, document, mode, now), ()
    return state, ()


def close(
    state: ElectionState, document: StampedSpec, mode: Sounding, now: Seconds
) -> ElectionState:
    """End a pre-vote round without a majority for this host, and learn from it.

    A voter that has left the session will never vote: its answer is none.
    """
    left = Refusal.NOT_IN_SESSION
    answered = sum(mode.answers.get(name, left) is not left for name in document.voters)
    answered += state.me in document.voters
    unanswered = None
    if answered < majority(document):
        silent = len(document.voters) - answered
        before = state.unanswered
        unanswered = Unanswered(
            since=now if before is None else before.since,
            no_majority_elsewhere=silent < majority(document),
        )
    return replace(give_up(state, now), unanswered=unanswered)


def give_up(state: ElectionState, now: Seconds) -> ElectionState:
    """End a round that was not won; the next one is half a heartbeat away."""
    pause = Seconds(now + timers(state).heartbeat / 2)
    return replace(state, mode=Following(), stand_not_before=pause)


def _stand(
    state: ElectionState, document: StampedSpec, now: Seconds, *, by_order: bool
) -> Outcome:
    """Enter the next term with one's own vote, and ask for the others'."""
    persisted = replace(state.persisted, term=Term(state.term + 1), voted_for=state.me)
    own = frozenset({state.me}) & frozenset(document.voters)
    mode = Standing(
        since=now,
        ends=Seconds(now + 2 * timers(state).ballot),
        by_order=by_order,
        granted=own,
    )
    state = replace(state, persisted=persisted, mode=mode)
    request = VoteRequest(
        term=state.term,
        presence=presence(state, now),
        sent_at=now,
        by_order=by_order,
    )
    asked = (name for name in document.voters if name != state.me)
    sends = tuple(Send(to=name, message=request) for name in asked)
    return count(state, document, mode, now), sends


def collect(
    state: ElectionState, sender: HostName, answer: VoteAnswer, now: Seconds
) -> ElectionState:
    """Take a vote in."""
    mode, document = state.mode, running(state)
    if not isinstance(mode, Standing) or document is None:
        return state
    if answer.term != state.term or answer.refusal is not None:
        return state
    mode = replace(mode, granted=mode.granted | {sender})
    return count(replace(state, mode=mode), document, mode, now)


def count(
    state: ElectionState, document: StampedSpec, mode: Standing, now: Seconds
) -> ElectionState:
    """Lead once a majority has voted for this host; votes count as acks."""
    granted = mode.granted & frozenset(document.voters)
    if len(granted) < majority(document):
        return state
    return replace(
        state,
        mode=Leading(since=now, acked=dict.fromkeys(granted - {state.me}, mode.since)),
        leader=state.me,
        contact=None,
        bulletin=None,
        unanswered=None,
        stand_not_before=None,
        source=replace(state.source, yielding=False),
        beat_at=now,
    )


def refusal(
    state: ElectionState,
    sender: HostName,
    request: PreVoteRequest | VoteRequest,
    now: Seconds,
) -> Refusal | None:
    """Return why this voter would not vote for the sender; None if it would.

    A voter that was dropped from the members votes until its vote is dropped too.
    """
    document = state.persisted.stamped
    if document is None or document.stopped or document.member(sender) is None:
        return Refusal.NOT_IN_SESSION
    stamp = request.presence.stamp
    if stamp is None or stamp < document.stamp:
        return Refusal.OLDER_STAMP
    if state.voting_from is not None and now < state.voting_from:
        return Refusal.JUST_STARTED
    if not request.by_order and hears_leader(state, sender, now):
        return Refusal.HEARS_A_LEADER
    return None


def opinion(
    state: ElectionState, sender: HostName, request: PreVoteRequest, now: Seconds
) -> Refusal | None:
    """Return why this voter would rather not have the sender stand; None if it may.

    Two hosts that stand at once split the vote, and a caretaker on the air should
    be the one that leads: so a host that asks itself, or is on the air, and has more
    merit says no.
    """
    no, document = refusal(state, sender, request, now), running(state)
    if no is not None or document is None or request.by_order:
        return no
    asks = carrying(state) or not isinstance(state.mode, Following)
    mine = _merit(document, state.me, presence(state, now))
    if asks and mine < _merit(document, sender, request.presence):
        return Refusal.STANDS_ITSELF
    return None


def _merit(
    document: StampedSpec, name: HostName, said: Presence
) -> tuple[bool, bool, int]:
    """Return what orders two candidates, less is better, the same at both of them.

    So only what they say of themselves counts, and what people prefer: did they go by
    whom else they heard, or by the standby that some leader once named, each could take
    itself for the better one, and both would refuse each other for ever.
    """
    preferred = preference(document).index(name)
    return barred(document, name) or not said.able, not said.carrying, preferred


def hears_leader(state: ElectionState, candidate: HostName, now: Seconds) -> bool:
    """Return whether this host owes its patience to a leader other than `candidate`.

    The lease protects a leader; silence since the suspicion time *and* a mount that
    this very host sees free or stalled end it early.
    """
    if isinstance(state.mode, Leading):
        return has_rights(state, now)
    if state.contact is None or state.leader == candidate:
        return False
    silent = now - state.contact
    if silent >= timers(state).suspect and takeable(state, now):
        return False
    return silent < timers(state).lease


def vote(
    state: ElectionState, sender: HostName, request: VoteRequest, now: Seconds
) -> tuple[ElectionState, Refusal | None]:
    """Vote in the sender's term, which this host has adopted already if it is newer."""
    if request.term < state.term:
        return state, Refusal.OLDER_TERM
    no = refusal(state, sender, request, now)
    if no is None and state.persisted.voted_for not in (None, sender):
        no = Refusal.VOTED_FOR_ANOTHER
    if no is not None:
        return state, no
    return replace(
        state,
        persisted=replace(state.persisted, voted_for=sender),
        mode=Following(),
        leader=sender,
        contact=now,
    ), None
