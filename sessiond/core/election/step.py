"""`start` and `step`: the whole interface of the state machine.

A step is: take the event in; settle, that is do everything that is due at this
instant; put `Persist` before the rest; ask to be woken at the next deadline.
"""

from dataclasses import replace
from typing import assert_never

from sessiond.core.election.effects import (
    Effect,
    KeepConflict,
    Persist,
    Persisted,
    Send,
    WakeAt,
)
from sessiond.core.election.events import (
    AbilityChanged,
    CreateRequested,
    Event,
    HandoverRequested,
    MessageReceived,
    MountWitnessed,
    SourceAccepted,
    SourceAdopted,
    SourceLost,
    SourceRefused,
    StampRequested,
    Woke,
)
from sessiond.core.election.evidence import outranked, witness
from sessiond.core.election.leading import hand_over, heartbeats, lead
from sessiond.core.election.members import (
    carrying,
    others,
    presence,
    rights_end,
    running,
    timers,
)
from sessiond.core.election.messages import Hello
from sessiond.core.election.receive import adopt, take
from sessiond.core.election.right import accepted, lost, refused, settle_right
from sessiond.core.election.rounds import Outcome, close, give_up, sound, stand_at
from sessiond.core.election.stamping import create, offer, request
from sessiond.core.election.state import (
    TIMERS,
    ElectionState,
    ElectorConfig,
    Following,
    Leading,
    Sounding,
    Standing,
)
from sessiond.core.holder import Role
from sessiond.core.stamped import StampedSpec
from sessiond.units import HostName, Seconds


def start(config: ElectorConfig, persisted: Persisted, now: Seconds) -> ElectionState:
    """Return the state of an agent that has just started; then step with `Woke`.

    An agent that was in the session may have promised a leader its patience before
    it died: it votes for nobody for one lease, and takes its start for the last
    sign of a leader.
    """
    state = ElectionState(
        config=config,
        persisted=persisted,
        started_at=now,
        joined_at=now,
        able_since=now,
        beat_at=now,
    )
    document = persisted.stamped
    if document is None or not persisted.was_in_session:
        return state
    lease = TIMERS[document.spec.broadcast.network].lease
    return replace(
        state,
        contact=now,
        voting_from=Seconds(now + lease),
        unmerged=document.stamp.edit > 0,
    )


def step(
    state: ElectionState, event: Event, now: Seconds
) -> tuple[ElectionState, tuple[Effect, ...]]:
    """Return the state after an event, and what is to be done, in that order."""
    before = state.persisted
    state, effects = _react(state, event, now)
    state, more = _settle(state, now)
    effects += more
    if state.persisted != before:
        lost_ones = tuple(e for e in effects if isinstance(e, KeepConflict))
        rest = tuple(e for e in effects if not isinstance(e, KeepConflict))
        effects = (*lost_ones, Persist(persisted=state.persisted), *rest)
    wake_at = _wake_at(state, now)
    if wake_at is None or (not isinstance(event, Woke) and _rings(state, wake_at, now)):
        return state, effects
    return replace(state, wake_at=wake_at), (*effects, WakeAt(at=wake_at))


def _rings(state: ElectionState, wake_at: Seconds, now: Seconds) -> bool:
    """Return whether this host is woken early enough already: early does no harm."""
    return state.wake_at is not None and now < state.wake_at <= wake_at


def _react(state: ElectionState, event: Event, now: Seconds) -> Outcome:
    """Take an event in, each kind by its own function."""
    match event:
        case Woke():
            return state, ()
        case MessageReceived():
            return take(state, event, now)
        case AbilityChanged() | MountWitnessed():
            return _notice(state, event, now), ()
        case CreateRequested() | StampRequested() | HandoverRequested():
            return _operate(state, event, now)
        case _:
            return _source(state, event, now)


def _notice(
    state: ElectionState, event: AbilityChanged | MountWitnessed, now: Seconds
) -> ElectionState:
    """Take in what this host sees of itself and of the mount."""
    if isinstance(event, MountWitnessed):
        return witness(state, event, now)
    if event.able == state.able:
        return state
    return replace(state, able=event.able, able_since=now)


def _operate(
    state: ElectionState,
    event: CreateRequested | StampRequested | HandoverRequested,
    now: Seconds,
) -> Outcome:
    """Take an operator's wish in."""
    match event:
        case CreateRequested():
            return create(state, event, now)
        case StampRequested():
            return request(state, event, now)
        case HandoverRequested():
            return hand_over(state, event, now)
        case _:
            assert_never(event)


def _source(
    state: ElectionState,
    event: SourceAccepted | SourceRefused | SourceLost | SourceAdopted,
    now: Seconds,
) -> Outcome:
    """Take news of our own source on the primary mount in."""
    match event:
        case SourceAccepted():
            return accepted(state), ()
        case SourceRefused():
            state = refused(state, now)
            holder = outranked(state, now)
            return (state, ()) if holder is None else adopt(state, holder.term, now)
        case SourceLost():
            return lost(state, now), ()
        case SourceAdopted():
            return _resume(accepted(state), event, now), ()
        case _:
            assert_never(event)


def _resume(state: ElectionState, event: SourceAdopted, now: Seconds) -> ElectionState:
    """Resume the role of an adopted source; a leader needs acks before it has rights.

    Only in the very term that this host was elected in: no other host can be its
    leader.
    """
    mine = event.role is Role.LEADER and event.term == state.term
    if not mine or state.persisted.voted_for != state.me or running(state) is None:
        return state
    return replace(
        state, mode=Leading(since=now), leader=state.me, contact=None, beat_at=now
    )


def _settle(state: ElectionState, now: Seconds) -> Outcome:
    """Do everything that is due now."""
    document = state.persisted.stamped
    effects: tuple[Effect, ...] = ()
    if document is not None and isinstance(state.mode, Leading):
        state, effects = lead(state, state.mode, document, now)
    going_on = running(state)
    if going_on is not None:
        state, sends = _candidate(state, going_on, now)
        effects += sends
    state = settle_right(state, now)
    state, beats = _beat(state, now)
    return state, effects + beats


def _candidate(state: ElectionState, document: StampedSpec, now: Seconds) -> Outcome:
    """End a round whose time is over; open one when this host is due to stand."""
    mode = state.mode
    if isinstance(mode, Sounding) and now >= mode.ends:
        return close(state, document, mode, now), ()
    if isinstance(mode, Standing) and now >= mode.ends:
        return give_up(state, now), ()
    if isinstance(mode, Following) and now >= stand_at(state, document, now):
        return sound(state, document, now, by_order=False)
    return state, ()


def _beat(state: ElectionState, now: Seconds) -> Outcome:
    """Send the heartbeats, or hellos while no leader is heard, when they are due."""
    document = state.persisted.stamped
    if document is None or now < _beat_at(state):
        return state, ()
    spoke = replace(state, beat_at=Seconds(now + timers(state).heartbeat))
    if isinstance(state.mode, Leading):
        # Also once the document is stopped, until everyone has it.
        return spoke, heartbeats(state, state.mode, document, now)
    if running(state) is None:
        return state, ()
    return spoke, _hellos(state, document, now)


def _beat_at(state: ElectionState) -> Seconds:
    """Return when this host speaks next; not before its leader has been silent."""
    if isinstance(state.mode, Leading) or state.contact is None:
        return state.beat_at
    return Seconds(max(state.beat_at, state.contact + timers(state).suspect))


def _hellos(
    state: ElectionState, document: StampedSpec, now: Seconds
) -> tuple[Effect, ...]:
    """Greet everyone; a host without a vote and off the air greets the voters only."""
    hello = Hello(term=state.term, presence=presence(state, now))
    to = others(document, state.me)
    if state.me not in document.voters and not carrying(state):
        to = tuple(name for name in to if name in document.voters)
    hellos = tuple(Send(to=name, message=hello) for name in to)
    return hellos + _invitations(state, document, to, now)


def _invitations(
    state: ElectionState,
    document: StampedSpec,
    to: tuple[HostName, ...],
    now: Seconds,
) -> tuple[Effect, ...]:
    """Offer the document to whoever was never heard: it may not know the session yet.

    Such a host answers no hello, and without a majority there is no stamp that would
    reach it. One that came back itself and has no consent is not able: it invites
    nobody into what may be an old session.
    """
    creating = state.creating_until is not None and now < state.creating_until
    # At the very start `create` has just offered it.
    if now == state.joined_at or not (state.able or creating):
        return ()
    strangers = tuple(name for name in to if name not in state.heard)
    return offer(state, document, strangers, now)


def _wake_at(state: ElectionState, now: Seconds) -> Seconds | None:
    """Return the next deadline; None when nothing can come due.

    Deadlines that may come half a heartbeat late, such as a voter's patience
    after a verdict grew old, ride on the beat.
    """
    document, mode = state.persisted.stamped, state.mode
    passive = running(state) is None and not isinstance(mode, Leading)
    if document is None or passive:
        return None
    ends = [_beat_at(state)]
    match mode:
        case Sounding() | Standing():
            ends.append(mode.ends)
        case Leading():
            ends.append(rights_end(state, mode, document, now))
        case Following():
            ends.append(stand_at(state, document, now))
        case _:
            assert_never(mode)
    if state.right and state.source.next_try is not None:
        ends.append(state.source.next_try)
    return min(end for end in ends if end > now)
