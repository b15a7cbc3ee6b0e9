"""The one document: who may stamp it, when a stamp is confirmed, which one wins."""

from dataclasses import replace

from sessiond.core.election.effects import (
    ConfirmStamp,
    Effect,
    KeepConflict,
    Rejection,
    RejectStamp,
    Send,
)
from sessiond.core.election.events import CreateRequested, StampRequested
from sessiond.core.election.members import (
    first_voters,
    has_rights,
    majority,
    next_voters,
    others,
    presence,
    timers,
)
from sessiond.core.election.messages import DocumentOffer
from sessiond.core.election.rounds import Outcome
from sessiond.core.election.state import (
    ElectionState,
    Following,
    Leading,
    Pending,
    Sounding,
    Standing,
)
from sessiond.core.stamped import Stamp, StampedSpec
from sessiond.units import HostName, Seconds, Term

# As long as `sessiond create` waits: who answers later joins what there is.
CREATING: float = 30.0


def offer(
    state: ElectionState,
    document: StampedSpec,
    to: tuple[HostName, ...],
    now: Seconds,
) -> tuple[Send, ...]:
    """Return the sends that offer this host's document."""
    message = DocumentOffer(
        term=state.term, presence=presence(state, now), document=document
    )
    return tuple(Send(to=name, message=message) for name in to)


def create(state: ElectionState, event: CreateRequested, now: Seconds) -> Outcome:
    """Stamp a session's first document and offer it to its members.

    A stopped session of the same name is outdone, not resumed; one that goes on here
    is left alone.
    """
    old = state.persisted.stamped
    if old is not None and not old.stopped:
        return state, ()
    stamp = Stamp(Term(0), 1) if old is None else _after(old)
    document = replace(event.document, stamp=stamp, stopped=False)
    document = replace(document, voters=first_voters(document))
    state = replace(_install(state, document, now), unmerged=False)
    state = replace(state, creating_until=Seconds(now + CREATING))
    return state, offer(state, document, others(document, state.me), now)


def _after(old: StampedSpec) -> Stamp:
    """Return the first stamp of a session that follows a stopped one."""
    return Stamp(old.stamp.term, old.stamp.revision + 1)


def _install(
    state: ElectionState, document: StampedSpec, now: Seconds
) -> ElectionState:
    """Store a document; a session that is new here starts from nothing."""
    old = state.persisted.stamped
    persisted = replace(
        state.persisted, stamped=document, was_in_session=not document.stopped
    )
    if isinstance(state.mode, Sounding | Standing):
        state = replace(state, mode=Following(), stand_not_before=None)
    if old is None or (old.stopped and not document.stopped):
        state = replace(
            state,
            joined_at=now,
            contact=None,
            leader=None,
            voting_from=None,
            unanswered=None,
            stand_not_before=None,
            beat_at=now,
        )
    return replace(state, persisted=persisted)


def receive(state: ElectionState, document: StampedSpec, now: Seconds) -> Outcome:
    """Store an offered document if it beats this host's own."""
    if document.spec.name != state.config.session:
        return state, ()
    own = state.persisted.stamped
    if own is None:
        return _install(state, document, now), ()
    if own.stamp >= document.stamp:
        return state, ()
    if _outdoes(state, own, document, now):
        lifted = CreateRequested(document=own)
        outdone = replace(state.persisted, stamped=document)
        return create(replace(state, persisted=outdone), lifted, now)
    lost: tuple[Effect, ...] = (KeepConflict(stamped=own),) if state.unmerged else ()
    return replace(_install(state, document, now), unmerged=False), lost


def _outdoes(
    state: ElectionState, own: StampedSpec, offered: StampedSpec, now: Seconds
) -> bool:
    """Return whether this host just creates what the offer says was stopped."""
    creating = state.creating_until is not None and now < state.creating_until
    return creating and offered.stopped and not own.stopped


def request(state: ElectionState, event: StampRequested, now: Seconds) -> Outcome:
    """Stamp an operator's change, or say why not."""
    document = state.persisted.stamped
    if document is None or document.stopped:
        return state, (RejectStamp(request=event.request, reason=Rejection.STOPPED),)
    if event.based_on not in (None, document.stamp):
        return state, (RejectStamp(request=event.request, reason=Rejection.CONFLICT),)
    if has_rights(state, now):
        return stamp(state, document, event.document, event.request, now)
    if _may_edit(state, document):
        return _edit(state, document, event, now)
    return state, (RejectStamp(request=event.request, reason=Rejection.NOT_LEADER),)


def _may_edit(state: ElectionState, document: StampedSpec) -> bool:
    """Return whether this host may stamp an edit: no majority is to be had."""
    if state.me not in document.voters:
        return False
    return isinstance(state.mode, Leading) or state.unanswered is not None


def stamp(
    state: ElectionState,
    old: StampedSpec,
    wanted: StampedSpec,
    number: int | None,
    now: Seconds,
    voters: tuple[HostName, ...] | None = None,
) -> Outcome:
    """Stamp a document as the leader; it is confirmed once a majority has it."""
    revision = old.stamp.revision + 1 if old.stamp.term == state.term else 1
    document = replace(
        wanted,
        stamp=Stamp(state.term, revision),
        voters=old.voters if voters is None else voters,
    )
    state = _install(state, document, now)
    pending = Pending(request=number, stamp=document.stamp)
    state = replace(state, pending=(*state.pending, pending), unmerged=False)
    return state, offer(state, document, _everybody(old, document, state.me), now)


def _edit(
    state: ElectionState, old: StampedSpec, event: StampRequested, now: Seconds
) -> Outcome:
    """Stamp as a caretaker: any newer leader's stamp beats it.

    Of n voters the one at place i gives out the edits i + 1, i + 1 + n, and so on,
    so that two caretakers apart never give one stamp to two documents.
    """
    place, count = old.voters.index(state.me) + 1, len(old.voters)
    ahead = (place - old.stamp.edit - 1) % count + 1
    edited = replace(old.stamp, edit=old.stamp.edit + ahead)
    document = replace(event.document, stamp=edited, voters=old.voters)
    state = replace(_install(state, document, now), unmerged=True)
    confirm = ConfirmStamp(request=event.request, stamp=edited, by_majority=False)
    return state, (
        confirm,
        *offer(state, document, _everybody(old, document, state.me), now),
    )


def _everybody(
    old: StampedSpec, new: StampedSpec, me: HostName
) -> tuple[HostName, ...]:
    """Return the members of both documents: who was dropped must learn of it."""
    now_in = others(new, me)
    return (*now_in, *(name for name in others(old, me) if name not in now_in))


def confirm(state: ElectionState, mode: Leading, now: Seconds) -> Outcome:
    """Confirm what a majority has stored, then change the next voter if one is due."""
    document = state.persisted.stamped
    if document is None or not state.pending:
        return change_voter(state, mode, now)
    done = tuple(p for p in state.pending if _stored(state, document, p.stamp))
    if not done:
        return state, ()
    left = tuple(p for p in state.pending if p not in done)
    mode = replace(mode, confirmed=done[-1].stamp)
    state = replace(state, pending=left, mode=mode)
    effects: tuple[Effect, ...] = tuple(
        ConfirmStamp(request=p.request, stamp=p.stamp)
        for p in done
        if p.request is not None
    )
    state, sends = change_voter(state, mode, now)
    return state, effects + sends


def _stored(state: ElectionState, document: StampedSpec, wanted: Stamp) -> bool:
    """Return whether a majority of the voters says that it has this, or newer."""
    count = sum(
        name == state.me or _has(state, name, wanted) for name in document.voters
    )
    return count >= majority(document)


def _has(state: ElectionState, name: HostName, wanted: Stamp) -> bool:
    """Return whether a member's last word shows this document, or a newer one."""
    heard = state.heard.get(name)
    stamp = None if heard is None else heard.presence.stamp
    return stamp is not None and stamp >= wanted


def change_voter(state: ElectionState, mode: Leading, now: Seconds) -> Outcome:
    """Stamp the next change of voters, once this leadership's last one is confirmed.

    Any majority of the old voters meets any of the new ones only if they differ by
    one, and only if the older change can't come back: hence the confirmation, in
    this very term, before. What no stamp of this leadership has confirmed is stamped
    once more, unchanged (the empty entry of a new leader's, Raft section 8).
    """
    document = state.persisted.stamped
    if document is None or document.stopped:
        return state, ()
    late = now - timers(state).suspect
    present = {state.me, *(name for name, at in mode.acked.items() if at > late)}
    voters = next_voters(document, present)
    if voters == document.voters:
        return state, ()
    if mode.confirmed == document.stamp:
        return stamp(state, document, document, None, now, voters)
    return (state, ()) if state.pending else stamp(state, document, document, None, now)


def reject_pending(state: ElectionState) -> Outcome:
    """Give up what waits for a majority: the leader lost its rights or its role."""
    rejected: tuple[Effect, ...] = tuple(
        RejectStamp(request=p.request, reason=Rejection.NO_MAJORITY)
        for p in state.pending
        if p.request is not None
    )
    return replace(state, pending=()), rejected


def told_everyone(state: ElectionState, document: StampedSpec, now: Seconds) -> bool:
    """Return whether each member that is not gone has this document."""
    gone = timers(state).gone
    for name in others(document, state.me):
        heard = state.heard.get(name)
        last = state.joined_at if heard is None else heard.at
        if now - last < gone and not _has(state, name, document.stamp):
            return False
    return True
