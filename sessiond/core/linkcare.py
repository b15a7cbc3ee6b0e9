"""When a link has to be started anew on both sides, by agreement of their agents.

Each host tends its own end; whoever finds its end wrong raises the link's *generation*
in its facts, and both sides run the larger of the two numbers (`plan.generation`).
Two faults are not mended by starting one process anew:

* No sound arrives though the peer's agent is there and its JACK runs: one side waits
  for a partner that is another process by now, or JACK no longer calls it.
* Sound arrives later than the session's queue allows: a queue that has grown in an
  outage keeps what it holds (only JackTrip's automatic one was seen to grow).

A budget keeps a link whose fault is elsewhere from being started again and again: each
restart that did not help doubles the wait for the next one.
"""

from dataclasses import dataclass, replace
from typing import Final

from sessiond.core.facts import HostFacts
from sessiond.core.linkstats import LinkSeen
from sessiond.core.liveness import Liveness
from sessiond.core.status import LinkState
from sessiond.units import HostName, Seconds

# A link that was cut is heard again within 1 s of the heal, and by two lines later.
DEAF_LIMIT: Final = Seconds(4.0)
# A queue finds its level within two statistics lines.
GROWN_LIMIT: Final = Seconds(3.0)
# JackTrip shows the packet that is being played, too.
SLACK_PACKETS: Final = 1
# A restart takes 1 s, and as long to be seen; what did not help is not tried sooner.
FIRST_WAIT: Final = Seconds(8.0)
LAST_WAIT: Final = Seconds(120.0)
# Who has been well for so long has all patience again.
WELL_AFTER: Final = Seconds(60.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkCare:
    """What a host remembers of one link in order to tend it.

    Attributes:
        ill_since: Since when the present fault is there; None without one.
        well_since: Since when there is none; None while there is.
        wait: How long after the next restart the one after it may come.
        not_before: The earliest moment of the next restart.
    """

    ill_since: Seconds | None = None
    well_since: Seconds | None = None
    wait: Seconds = FIRST_WAIT
    not_before: Seconds = Seconds(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSight:
    """One end of a link in one turn.

    Attributes:
        seen: What its log tells.
        running: Its process is there and ready.
        expected: The peer's agent is alive and its JACK runs, so sound should arrive.
        queue_packets: How many packets the session lets a queue hold.
    """

    seen: LinkSeen
    running: bool
    expected: bool
    queue_packets: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tended:
    """What to remember of a link, and whether to ask for a new start of it."""

    care: LinkCare
    restart: bool = False


def tend(care: LinkCare, sight: LinkSight, now: Seconds) -> Tended:
    """Return what to remember of a link, and whether both sides should start anew.

    Args:
        care: What was remembered; of a new link nothing.
        sight: This host's end of it.
        now: Monotonic.
    """
    limit = _limit(sight, now)
    if limit is None:
        return Tended(care=_well(care, now))
    since = now if care.ill_since is None else care.ill_since
    if now < max(since + limit, care.not_before):
        return Tended(care=replace(care, ill_since=since, well_since=None))
    spent = LinkCare(
        wait=Seconds(min(2 * care.wait, LAST_WAIT)),
        not_before=Seconds(now + care.wait),
    )
    return Tended(care=spent, restart=True)


def _well(care: LinkCare, now: Seconds) -> LinkCare:
    since = now if care.well_since is None else care.well_since
    if now - since >= WELL_AFTER:
        return LinkCare(well_since=since)
    return replace(care, ill_since=None, well_since=since)


def _limit(sight: LinkSight, now: Seconds) -> Seconds | None:
    """Return for how long the present fault is borne; None without one."""
    seen = sight.seen
    if not sight.running:
        return None
    if seen.state(now) is LinkState.UP:
        held = seen.held or 0
        return GROWN_LIMIT if held > sight.queue_packets + SLACK_PACKETS else None
    # Of a process that tells nothing it is not known what arrives: a full disk takes
    # its words and leaves the music.
    return DEAF_LIMIT if sight.expected and not seen.has_ceased(now) else None


def is_expected(theirs: HostFacts | None, liveness: Liveness | None) -> bool:
    """Tell whether sound should arrive from a peer of which this is known."""
    alive = liveness is Liveness.ALIVE
    return alive and theirs is not None and bool(theirs.rate_hz)


def is_hung(
    me: HostName, sight: LinkSight, theirs: HostFacts | None, now: Seconds
) -> bool:
    """Tell whether our end lives and does nothing: it is silent, there and here.

    Args:
        me: This host.
        sight: Its end of the link.
        theirs: What the peer says of itself.
        now: Monotonic.
    """
    unheard = theirs is not None and me not in theirs.heard
    return sight.expected and unheard and sight.seen.has_ceased(now)
