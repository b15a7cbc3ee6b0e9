"""Which seats a host's sources take, and which sources of others are in the way.

A mount has two seats: the mount itself and its hidden standby mount. Who has the right
to broadcast feeds the first. With ``standby = "hot"`` the standby feeds the second from
a mix and an encoder of its own: Icecast moves the listeners there when the first falls
silent. Promotion is a second PUT from the same encoder, so both seats are taken for a
while. Source: election.md, "Hot standby".
"""

from collections.abc import Mapping
from typing import Final

from sessiond.core.election import Evidence, Leadership, MountWitnessed
from sessiond.core.liveness import Liveness
from sessiond.core.sourcing import SeatReport, SourceReport, SourceState
from sessiond.core.spec import StandbyMode
from sessiond.units import HostName, ProcName, Seconds

# A listener that comes back hears nothing new until the mount's first page, with
# Vorbis up to 1.4 s after the PUT (field notes); twice that and its burst is filled.
SETTLED_AFTER: Final = Seconds(3.0)
# A station that hangs is asked for the listeners again; on a mount that ends before it
# has moved them they may be dropped.
BROUGHT_BACK_WITHIN: Final = Seconds(10.0)
# A source's first pages; whoever is moved earlier waits for them.
PLAYS_AFTER: Final = Seconds(0.5)


def stands_by(lead: Leadership | None, me: HostName) -> bool:
    """Tell whether this host is to mix and encode as the standby.

    Only once somebody is on the air: until then every listener waits for the first.
    """
    if lead is None or lead.stamped is None or lead.right or lead.standby != me:
        return False
    cold = lead.stamped.spec.broadcast.standby is StandbyMode.COLD
    return not cold and lead.broadcaster is not None


def hidden_wanted(
    lead: Leadership,
    me: HostName,
    hidden: SeatReport,
    live_for: Seconds | None,
    *,
    brought_back: bool,
) -> bool:
    """Tell whether a source of this host should feed its mount's hidden seat.

    Args:
        lead: What the elector says.
        me: This host.
        hidden: What the source reports of that seat.
        live_for: For how long it has fed the mount itself; None while it does not.
        brought_back: Whether the mount itself has taken its listeners back.
    """
    doc = lead.stamped
    if doc is None or doc.spec.broadcast.standby is not StandbyMode.HOT:
        return False
    taken = hidden.state is SourceState.LIVE
    if lead.right:
        # Listeners are here until the mount itself has something to play.
        until = SETTLED_AFTER if brought_back else BROUGHT_BACK_WITHIN
        return taken and (live_for is None or live_for < until)
    if lead.standby is None:
        # Nobody is named, or this agent has just begun and has not heard who is.
        return taken
    return lead.standby == me and (taken or lead.broadcaster is not None)


def back_after(hidden: SeatReport) -> Seconds:
    """Return how long a mount feeds before it takes its listeners back.

    On our own hidden mount they hear the same encoder and lose nothing by waiting. Any
    other may have died with its host, and then each moment counts.
    """
    return SETTLED_AFTER if hidden.state is SourceState.LIVE else PLAYS_AFTER


def may_take_over(
    lead: Leadership, me: HostName, reports: Mapping[ProcName, SourceReport]
) -> bool:
    """Tell whether this host needs evidence of every mount, not of the primary only."""
    if not lead.right:
        return lead.standby == me
    return any(
        r.primary.state is SourceState.REFUSED or r.hidden.state is SourceState.LIVE
        for r in reports.values()
    )


def hears_all(
    lead: Leadership, me: HostName, reports: Mapping[ProcName, SourceReport]
) -> bool:
    """Tell whether this host listens to every mount, for evidence or for the titles.

    Somebody has to see them: the standby, or without one the broadcaster itself. A
    caretaker was the standby, and nobody can name another.
    """
    alone = lead.right and lead.standby in (None, me)
    return alone or may_take_over(lead, me, reports)


def to_rescue(lead: Leadership, report: SourceReport, seen: MountWitnessed) -> bool:
    """Tell whether a mount's listeners are to be moved to our hidden seat of it.

    The mount has stalled and its broadcaster's agent is silent too: whoever is elected
    will end that source, but a player's burst lasts only so long.
    """
    if report.hidden.state is not SourceState.LIVE:
        return False
    if seen.evidence is not Evidence.STALLED or seen.holder is None:
        return False
    return lead.liveness.get(seen.holder.host) is not Liveness.ALIVE


def in_the_way(
    report: SourceReport, seen: MountWitnessed, *, holds_primary: bool
) -> str | None:
    """Return the ``stream_start`` to end on a mount other than the primary, or None.

    The primary says who broadcasts; what has stalled on the other mounts is what its
    last holder left there. Of the primary itself the elector says it
    (`Leadership.fence`).
    """
    refused = report.primary.state is SourceState.REFUSED
    if not (holds_primary and refused and seen.evidence is Evidence.STALLED):
        return None
    return seen.stream_start
