"""What the rest of the host is told of the election: one frozen value."""

from collections.abc import Mapping
from dataclasses import dataclass

from sessiond.core.election.events import Role
from sessiond.core.election.messages import Liveness
from sessiond.core.election.state import ElectionState, Following, Why
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
        heard_member: Another member was heard since this agent started.
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
    return Leadership(
        term=state.term,
        stamped=state.persisted.stamped,
        leader=state.mode.leader if isinstance(state.mode, Following) else state.me,
        role=None,
        broadcaster=None,
        standby=None,
        my_role=None,
        right=state.right,
        grant=state.grant,
        why=state.why,
        heard_leader_ago=None
        if state.contact is None
        else Seconds(now - state.contact),
        heard_member=bool(state.heard),
        liveness={},
        watch=True,
        fence=None,
        unmerged=state.unmerged,
    )
