"""The right to broadcast, and the permissions to try the PUT that follow from it."""

from dataclasses import replace

from sessiond.core.election.evidence import forget_own, fresh, takeable
from sessiond.core.election.members import (
    barred,
    has_rights,
    running,
    timers,
)
from sessiond.core.election.state import ElectionState, Leading, Source, Why
from sessiond.units import Seconds

_ALLOWED = frozenset({Why.LEADS, Why.LEADS_ALONE, Why.CARRIES_ON, Why.TAKES_THE_MOUNT})


def judge(state: ElectionState, now: Seconds) -> Why:
    """Return the reason for this host's right, or for its having none."""
    stamped, document = state.persisted.stamped, running(state)
    if stamped is not None and stamped.stopped:
        return Why.STOPPED
    if document is None:
        return Why.NOT_IN_SESSION
    if not document.spec.mounts:
        return Why.NO_MOUNTS
    if barred(document, state.me):
        return Why.BARRED
    return _on_air(state, now) if state.source.on_air else _off_air(state, now)


def _on_air(state: ElectionState, now: Seconds) -> Why:
    """Judge a host whose bytes Icecast takes: losing acks never stops the music."""
    if isinstance(state.mode, Leading):
        return Why.LEADS if has_rights(state, now) else Why.LEADS_ALONE
    if led_by_another(state, now) and (state.source.yielding or not state.able):
        return Why.YIELDS
    return Why.CARRIES_ON


def led_by_another(state: ElectionState, now: Seconds) -> bool:
    """Return whether an elected leader of this term was heard within the lease."""
    bulletin = state.bulletin
    if bulletin is None or bulletin.term != state.term:
        return False
    return now - state.bulletin_at < timers(state).lease


def _off_air(state: ElectionState, now: Seconds) -> Why:
    """Judge a host that is not on the air."""
    if not state.able:
        return Why.NOT_ABLE
    if isinstance(state.mode, Leading):
        return Why.LEADS
    if state.unanswered is None:
        return Why.FOLLOWS if led_by_another(state, now) else Why.WAITS
    open_to_us = takeable(state, now) or _trying(state, now)
    if open_to_us and now >= alone_from(state, now):
        return Why.TAKES_THE_MOUNT
    return Why.WAITS


def _trying(state: ElectionState, now: Seconds) -> bool:
    """Return whether what holds the mount may be the very PUT that was granted.

    Icecast shows a source before this host is told that its own was accepted; to take
    the grant back then would end it.
    """
    if state.why is not Why.TAKES_THE_MOUNT or state.source.next_try is not None:
        return False
    verdict = fresh(state, now)
    if verdict is None:
        return False
    return verdict.holder is None or verdict.holder.host == state.me


def alone_from(state: ElectionState, now: Seconds) -> Seconds:
    """Return from when on a host without a majority may take a mount.

    At once where no majority can exist without it; else two leases after the last
    sign of a leader, so that a majority elsewhere comes first.
    """
    unanswered = state.unanswered
    if unanswered is None or unanswered.no_majority_elsewhere:
        return now
    last = unanswered.since if state.contact is None else state.contact
    if state.source.ended_at is not None:
        last = max(last, state.source.ended_at)
    return Seconds(last + 2 * timers(state).lease)


def settle_right(state: ElectionState, now: Seconds) -> ElectionState:
    """Judge anew, and grant a try when the right is fresh or the pause is over."""
    why = judge(state, now)
    right = why in _ALLOWED
    due = state.source.next_try is not None and now >= state.source.next_try
    fresh = right and not state.source.on_air and (not state.right or due)
    if fresh:
        source = replace(state.source, next_try=None)
        state = replace(state, source=source, grant=state.grant + 1)
    if (right, why) == (state.right, state.why):
        return state
    return replace(state, right=right, why=why)


def accepted(state: ElectionState) -> ElectionState:
    """Icecast took our PUT."""
    source = replace(state.source, on_air=True, next_try=None)
    return replace(state, source=source)


def refused(state: ElectionState, now: Seconds) -> ElectionState:
    """Somebody else has the mount: try again soon while the right lasts."""
    source = Source(ended_at=state.source.ended_at, next_try=_again(state, now))
    return replace(state, source=source)


def lost(state: ElectionState, now: Seconds) -> ElectionState:
    """Our source ended, or never came on the air.

    A leader with its rights goes on at once with what was on the air. Told again of
    the same end, nothing changes: neither pause begins anew.
    """
    if not state.source.on_air:
        return refused(state, now)
    next_try = now if has_rights(state, now) else _again(state, now)
    source = Source(ended_at=now, next_try=next_try)
    return forget_own(replace(state, source=source))


def _again(state: ElectionState, now: Seconds) -> Seconds:
    """Return when the PUT may be tried again; a pause that runs is not prolonged."""
    pending = state.source.next_try
    return Seconds(now + timers(state).put_retry) if pending is None else pending
