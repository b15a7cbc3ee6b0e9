"""What a leader does: heartbeats, acks, rights, the standby, hand-overs."""

from collections.abc import Iterator
from dataclasses import replace

from sessiond.core.election.effects import (
    AnswerHandover,
    Effect,
    Rejection,
    Send,
)
from sessiond.core.election.events import HandoverRequested
from sessiond.core.election.members import (
    all_seen,
    barred,
    fit,
    has_rights,
    others,
    presence,
    ranking,
    rights_end,
    timers,
)
from sessiond.core.election.messages import HandoverOrder, Heartbeat, HeartbeatAck
from sessiond.core.election.rounds import Outcome
from sessiond.core.election.stamping import confirm, reject_pending, told_everyone
from sessiond.core.election.state import ElectionState, Following, Handover, Leading
from sessiond.core.stamped import StampedSpec
from sessiond.units import HostName, Seconds


def heartbeats(
    state: ElectionState, mode: Leading, document: StampedSpec, now: Seconds
) -> tuple[Send, ...]:
    """Return the leader's heartbeat to everyone, and its order while one stands."""
    everyone = others(document, state.me)
    beat = heartbeat(state, mode, document, now)
    sends = tuple(Send(to=name, message=beat) for name in everyone)
    return sends + _order(state, mode, now)


def heartbeat(
    state: ElectionState, mode: Leading, document: StampedSpec, now: Seconds
) -> Heartbeat:
    """Return the leader's heartbeat as of now."""
    names = (member.name for member in document.members if member.name != state.me)
    return Heartbeat(
        term=state.term,
        presence=presence(state, now),
        sent_at=now,
        standby=mode.standby,
        seen=tuple(all_seen(state, names, now).values()),
    )


def _order(state: ElectionState, mode: Leading, now: Seconds) -> tuple[Send, ...]:
    """Return the order to take over, if one stands."""
    if mode.handover is None:
        return ()
    order = HandoverOrder(term=state.term, presence=presence(state, now))
    return (Send(to=mode.handover.to, message=order),)


def acknowledge(
    state: ElectionState, sender: HostName, ack: HeartbeatAck
) -> ElectionState:
    """Take an ack of this term's heartbeat in."""
    mode = state.mode
    if not isinstance(mode, Leading) or ack.term != state.term:
        return state
    newest = max(ack.sent_at, mode.acked.get(sender, ack.sent_at))
    mode = replace(mode, acked={**mode.acked, sender: newest})
    return replace(state, mode=mode)


def lead(
    state: ElectionState, mode: Leading, document: StampedSpec, now: Seconds
) -> Outcome:
    """Do what a leader owes at this moment."""
    state, mode = _lapse(state, mode, now)
    if not has_rights(state, now):
        state, rejected = reject_pending(state)
        if not state.source.on_air:
            state = _step_down(state, mode, document, now)
        return state, rejected
    if state.unmerged:
        state = replace(state, unmerged=False)
    if document.stopped and not state.pending and told_everyone(state, document, now):
        return replace(state, mode=Following(), contact=None), ()
    state, effects = confirm(state, mode, now)
    if not isinstance(state.mode, Leading) or document.stopped:
        return state, effects
    state, orders = _hand_over(state, state.mode, document, now)
    return state, effects + orders


def _lapse(
    state: ElectionState, mode: Leading, now: Seconds
) -> tuple[ElectionState, Leading]:
    """Forget an order that nothing came of, with rights or without.

    This host then means to go on, and says so.
    """
    if mode.handover is None or now < mode.handover.ends:
        return state, mode
    mode = replace(mode, handover=None)
    source = replace(state.source, yielding=False)
    return replace(state, mode=mode, source=source), mode


def _step_down(
    state: ElectionState, mode: Leading, document: StampedSpec, now: Seconds
) -> ElectionState:
    """Stop leading for want of acks; only being on the air is a reason to stay.

    The last acks are the last sign of a leader that there was.
    """
    last_acks = Seconds(rights_end(state, mode, document, now) - timers(state).rights)
    return replace(state, mode=Following(), leader=None, contact=last_acks)


def _hand_over(
    state: ElectionState, mode: Leading, document: StampedSpec, now: Seconds
) -> Outcome:
    """Name the standby, and order what the rules demand."""
    standby = _standby(state, mode, document, now)
    if standby != mode.standby:
        mode = replace(mode, standby=standby)
        state = replace(state, mode=mode)
    if mode.handover is not None:
        return state, ()
    to = _successor(state, mode, document, now)
    return (state, ()) if to is None else order(state, mode, to, now)


def order(state: ElectionState, mode: Leading, to: HostName, now: Seconds) -> Outcome:
    """Order a member to take over; this host then yields to it."""
    ends = Seconds(now + timers(state).handover)
    mode = replace(mode, handover=Handover(to=to, ends=ends))
    source = replace(state.source, yielding=state.source.on_air)
    state = replace(state, mode=mode, source=source)
    return state, _order(state, mode, now)


def _standby(
    state: ElectionState, mode: Leading, document: StampedSpec, now: Seconds
) -> HostName | None:
    """Return whom to name: the last one while it is fit, else the best that is."""
    if mode.standby is not None and _ready(state, document, mode.standby, now):
        return mode.standby
    return next(_candidates(state, document, now), None)


def _candidates(
    state: ElectionState, document: StampedSpec, now: Seconds
) -> Iterator[HostName]:
    """Yield the others that are known to be fit, best rank first."""
    for name in ranking(state, document, now):
        if _ready(state, document, name, now):
            yield name


def _ready(
    state: ElectionState, document: StampedSpec, name: HostName, now: Seconds
) -> bool:
    """Return whether another member was heard and is fit."""
    known = name != state.me and name in state.heard
    return known and fit(state, document, name, now)


def _heirs(
    state: ElectionState, document: StampedSpec, now: Seconds
) -> tuple[HostName, ...]:
    """Return the candidates that have the running document, as whoever leads must."""
    return tuple(
        name
        for name in _candidates(state, document, now)
        if state.heard[name].presence.stamp == document.stamp
    )


def _successor(
    state: ElectionState, mode: Leading, document: StampedSpec, now: Seconds
) -> HostName | None:
    """Return who should lead instead of this host, without being asked.

    The able caretaker that is on the air while this leader is not: at a heal
    nobody stops and nobody moves. Else, when this host can't broadcast, a host
    that has been able, while this one was not, for the suspicion time.
    """
    off_air = bool(document.spec.mounts) and not state.source.on_air
    out = barred(document, state.me)
    if not off_air and state.able and not out:
        return None
    carriers = {n for n, heard in state.heard.items() if heard.presence.carrying}
    if off_air and carriers:
        heirs = _heirs(state, document, now)
        carrier = next((name for name in heirs if name in carriers), None)
        if carrier is not None:
            return carrier
    if state.able and not out:
        return None
    since = mode.since if out else max(mode.since, state.able_since)
    wait = timers(state).suspect
    return next(
        (
            name
            for name in _heirs(state, document, now)
            if now >= max(since, state.heard[name].ability_since) + wait
        ),
        None,
    )


def hand_over(state: ElectionState, event: HandoverRequested, now: Seconds) -> Outcome:
    """Order the hand-over that the operator wants, or say why not."""
    document, mode = state.persisted.stamped, state.mode
    reason = Rejection.NOT_LEADER
    if document is None or document.stopped:
        reason = Rejection.STOPPED
    elif isinstance(mode, Leading) and not has_rights(state, now):
        reason = Rejection.NO_MAJORITY
    elif isinstance(mode, Leading):
        ready = _heirs(state, document, now)
        to = next((n for n in ready if event.to in (None, n)), None)
        if to is not None:
            state, sends = order(state, mode, to, now)
            answer: Effect = AnswerHandover(request=event.request, to=to)
            return state, (answer, *sends)
        reason = Rejection.NO_ABLE_HOST
    return state, (AnswerHandover(request=event.request, reason=reason),)
