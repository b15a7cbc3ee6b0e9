"""What the rest of the host is told of the election: one frozen value."""

from collections.abc import Mapping
from dataclasses import dataclass

from sessiond.core.election.evidence import fence_due
from sessiond.core.election.members import (
    all_seen,
    has_rights,
    hears,
    named_standby,
    others,
    running,
    timers,
)
from sessiond.core.election.messages import MemberSeen
from sessiond.core.election.right import led_by_another
from sessiond.core.election.state import ElectionState, Leading, Why
from sessiond.core.holder import Role
from sessiond.core.liveness import Liveness
from sessiond.core.stamped import StampedSpec
from sessiond.units import HostName, Seconds, Term


@dataclass(frozen=True, slots=True, kw_only=True)
class Leadership:
    """Who leads, and what this host may do.

    Attributes:
        stamped: The running document; None before the first.
        leader: The leader, or the caretaker on the air; the last known one while a
            new one is sought.
        role: By which right `leader` is that; None when there is no leader.
        broadcaster: The member known to be on the air.
        standby: Whom the leader named to take over.
        my_role: This host's own; None while it follows.
        right: This host may feed the mounts now.
        grant: Rises with each fresh permission to try the primary mount's PUT; one
            number, one try.
        why: The reason for `right` being as it is.
        heard_leader_ago: 0 at the leader; None when none was ever heard.
        heard_member: Another member was heard since this agent started, whose
            document is no newer than this one's; a newer one may say otherwise.
        liveness: Of every member, this host included.
        watch: The mount's evidence is needed every 0.25 s now.
        fence: The stream_start that fencing would kill now; None when nothing is
            to be fenced.
        unmerged: The document holds an edit that no leader has seen yet.
    """

    term: Term
    stamped: StampedSpec | None
    leader: HostName | None
    role: Role | None
    broadcaster: HostName | None
    standby: HostName | None
    my_role: Role | None
    right: bool
    grant: int
    why: Why
    heard_leader_ago: Seconds | None
    heard_member: bool
    liveness: Mapping[HostName, Liveness]
    watch: bool
    fence: str | None
    unmerged: bool


def leadership(state: ElectionState, now: Seconds) -> Leadership:
    """Return what this elector knows and allows at `now`."""
    document = state.persisted.stamped
    names = () if document is None else others(document, state.me)
    known = all_seen(state, (state.me, *names), now)
    leader, role = _leader(state, known, now)
    return Leadership(
        term=state.term,
        stamped=document,
        leader=leader,
        role=role,
        broadcaster=_broadcaster(state, known),
        standby=named_standby(state),
        my_role=_my_role(state, now),
        right=state.right,
        grant=state.grant,
        why=state.why,
        heard_leader_ago=_heard_leader_ago(state, now),
        heard_member=_heard_member(state),
        liveness={name: entry.liveness for name, entry in known.items()},
        watch=watching(state, now),
        fence=fence_due(state, now),
        unmerged=state.unmerged,
    )


def _heard_member(state: ElectionState) -> bool:
    mine = state.persisted.stamped
    stamps = (heard.presence.stamp for heard in state.heard.values())
    return any(s is None or (mine is not None and s <= mine.stamp) for s in stamps)


def _leader(
    state: ElectionState, known: Mapping[HostName, MemberSeen], now: Seconds
) -> tuple[HostName | None, Role | None]:
    """Return whom to name as leader: elected and heard; on the air; last known."""
    mine = _my_role(state, now)
    if isinstance(state.mode, Leading):
        return state.me, mine
    silent = now - state.bulletin_at >= timers(state).suspect
    if led_by_another(state, now) and not (mine is not None and silent):
        return state.leader, Role.LEADER
    if mine is not None:
        return state.me, mine
    carrier = _broadcaster(state, known)
    if carrier is not None and carrier != state.leader and hears(state, carrier, now):
        return carrier, Role.CARETAKER
    return state.leader, None if state.leader is None else Role.LEADER


def _my_role(state: ElectionState, now: Seconds) -> Role | None:
    """Return by which right this host leads or broadcasts, if it does."""
    if isinstance(state.mode, Leading):
        return Role.LEADER if has_rights(state, now) else Role.CARETAKER
    return Role.CARETAKER if state.right else None


def _broadcaster(
    state: ElectionState, known: Mapping[HostName, MemberSeen]
) -> HostName | None:
    """Return the member that is on the air as far as this host knows."""
    if state.source.on_air:
        return state.me
    alive = (entry for entry in known.values() if entry.liveness is Liveness.ALIVE)
    return next((entry.name for entry in alive if entry.carrying), None)


def _heard_leader_ago(state: ElectionState, now: Seconds) -> Seconds | None:
    """Return how long the leader has been silent; 0 at the leader itself."""
    if isinstance(state.mode, Leading):
        return Seconds(0)
    return None if state.contact is None else Seconds(now - state.contact)


def watching(state: ElectionState, now: Seconds) -> bool:
    """Return whether the mount must be looked at every 0.25 s.

    From one missed heartbeat on, so that a verdict is there when the suspicion is.
    """
    document = running(state)
    if document is None or not document.spec.mounts:
        return False
    if isinstance(state.mode, Leading):
        return not (state.source.on_air and has_rights(state, now))
    silent = state.contact is None or now - state.contact >= 2 * timers(state).heartbeat
    return silent or state.right
