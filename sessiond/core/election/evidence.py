"""What the primary mount proves, and for how long one must wait because of it."""

from dataclasses import replace

from sessiond.core.election.events import Evidence, MountWitnessed
from sessiond.core.election.members import has_rights, hears, timers
from sessiond.core.election.state import ElectionState, Verdict
from sessiond.core.holder import HolderLabel
from sessiond.units import Seconds


def witness(state: ElectionState, event: MountWitnessed, now: Seconds) -> ElectionState:
    """Take a look at the mount in; `since` runs on while nothing changed."""
    old = state.verdict
    same = old is not None and (old.evidence, old.holder, old.stream_start) == (
        event.evidence,
        event.holder,
        event.stream_start,
    )
    since = old.since if old is not None and same else now
    verdict = Verdict(
        evidence=event.evidence,
        holder=event.holder,
        stream_start=event.stream_start,
        since=since,
        at=now,
    )
    return replace(state, verdict=verdict)


def forget_own(state: ElectionState) -> ElectionState:
    """Drop the verdict on our own source: it ended with the source."""
    verdict = state.verdict
    if verdict is None or verdict.holder is None or verdict.holder.host != state.me:
        return state
    return replace(state, verdict=None)


def fresh(state: ElectionState, now: Seconds) -> Verdict | None:
    """Return the newest verdict unless it is too old to prove anything."""
    verdict = state.verdict
    if verdict is None or now - verdict.at > timers(state).verdict_age:
        return None
    return verdict


def takeable(state: ElectionState, now: Seconds) -> bool:
    """Return whether the mount is seen free or stalled."""
    verdict = fresh(state, now)
    return verdict is not None and verdict.evidence in (
        Evidence.FREE,
        Evidence.STALLED,
    )


def orphan(state: ElectionState, now: Seconds) -> HolderLabel | None:
    """Return the label of a progressing source whose agent is not heard.

    Its agent probably crashed and will adopt its children.
    """
    verdict = fresh(state, now)
    if verdict is None or verdict.evidence is not Evidence.PROGRESSING:
        return None
    holder = verdict.holder
    if holder is None or holder.session != state.config.session:
        return None
    if holder.host == state.me or hears(state, holder.host, now):
        return None
    return holder


def silence_over(state: ElectionState, now: Seconds) -> Seconds:
    """Return from when on this host need not wait for the last leader any more."""
    if state.contact is None:
        return state.joined_at
    verdict = fresh(state, now)
    if verdict is not None and takeable(state, now):
        return Seconds(max(state.contact + timers(state).suspect, verdict.since))
    wait = timers(state).lease
    if orphan(state, now) is not None:
        wait = Seconds(wait + state.config.adoption_grace)
    return Seconds(state.contact + wait)


def fence_due(state: ElectionState, now: Seconds) -> str | None:
    """Return the stream_start of the source that this host may kill now, or None.

    Stalled at once, by whoever has the right to take the mount; progressing only by
    a leader with its rights, once the source's agent had lease and grace to come
    back; never one labelled with a term above ours.

    A leader that was cut off from the mount until now may be about to hear the
    source's host again, too, and then hands over to it: for that it waits a lease.
    """
    verdict = fresh(state, now)
    if verdict is None or state.source.on_air or not state.right:
        return None
    if verdict.evidence is Evidence.STALLED:
        return verdict.stream_start
    if not has_rights(state, now):
        return None
    holder = orphan(state, now)
    if holder is None or holder.term > state.term:
        return None
    heard = state.heard.get(holder.host)
    last = state.joined_at if heard is None else heard.at
    lease = timers(state).lease
    due = max(last + lease + state.config.adoption_grace, verdict.since + lease)
    return verdict.stream_start if now >= due else None


def outranked(state: ElectionState, now: Seconds) -> HolderLabel | None:
    """Return the label on the mount if it names a term above ours, or None."""
    verdict = fresh(state, now)
    if verdict is None or verdict.evidence is not Evidence.PROGRESSING:
        return None
    holder = verdict.holder
    if holder is None or holder.session != state.config.session:
        return None
    return holder if holder.term > state.term and holder.host != state.me else None
