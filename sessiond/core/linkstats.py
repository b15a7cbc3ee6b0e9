"""Read JackTrip's log: is the peer's audio arriving, and what is in its way.

With ``-I 1`` JackTrip 1.7 prints a line a second once a peer was heard:
``2026-11-22T06:04:03 10.0.0.2 send: 0/0 recv: 0/5 prot: 0/0/0 tot: 176 sync: …``.
``tot`` counts the packets received; it starts anew when the peer does, and stands
still when the peer is silent (tried: kill -9 of the peer). The first number of
``sync`` is how many packets the queue holds back: a fixed ``-q 4`` shows 2 to 4, an
automatic one 3, and 555 after a cut cable (tried). The lines go on without a peer, so
a process that writes none does nothing.
"""

import re
from dataclasses import dataclass, replace
from typing import Final

from sessiond.core.status import LinkState
from sessiond.units import Frames, Hertz, Seconds

# One statistics line a second; two missed or unmoved ones are silence.
SILENT_AFTER: Final = Seconds(2.5)
# A statistics interval without packets still counts a handful from its start (tried:
# 6 to 7 in the second in which the peer was killed); real audio brings dozens.
TRICKLE: Final = 12

MINUTE: Final = Seconds(60.0)

_STATS: Final = re.compile(
    r"recv: (?P<under>\d+)/(?P<over>\d+) .*\btot: (?P<total>\d+) "
    r"sync: (?P<held>\d+)/"
)
_MISMATCH: Final = re.compile(
    r"Peer (?P<what>Buffer Size|Sampling Rate|Audio Bit Resolution) +is +: +(?P<n>\d+)"
)
_HEARD: Final = "Received Connection from Peer!"
_PORT_BUSY: Final = "Could not bind UDP socket"
_PEER_STOPPED: Final = "Peer Stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSeen:
    """One side of a link as its log tells; a new process starts a new one.

    Attributes:
        packets: Received since the peer last started; None before the first count.
        moved: When packets that were played last came, as audio does; monotonic.
        told: When the last statistics came, on the monotonic clock.
        held: How many packets the queue holds back; None before the first count.
        glitches: Packets that came too late or too early, as JackTrip counts them:
            (when, total) of the last minute's reports, oldest first.
        mismatch: The words of JackTrip about settings that differ, or empty.
    """

    packets: int | None = None
    moved: Seconds | None = None
    told: Seconds | None = None
    held: int | None = None
    glitches: tuple[tuple[Seconds, int], ...] = ()
    mismatch: str = ""
    port_busy: bool = False
    peer_stopped: bool = False

    def glitches_per_min(self, now: Seconds) -> int:
        """Return how many more there are than a minute ago."""
        recent = [total for when, total in self.glitches if now - when <= MINUTE]
        return max(0, recent[-1] - recent[0]) if recent else 0

    def state(self, now: Seconds) -> LinkState:
        """Return ``up`` while packets go on arriving, ``connecting`` otherwise."""
        if self.moved is not None and now - self.moved < SILENT_AFTER:
            return LinkState.UP
        return LinkState.CONNECTING

    def has_ceased(self, now: Seconds) -> bool:
        """Tell whether a process that wrote statistics writes none any more."""
        return self.told is not None and now - self.told >= SILENT_AFTER

    def queue(self, rate_hz: Hertz, period_frames: Frames) -> Seconds | None:
        """Return how long the queue holds sound back; None while nobody knows.

        The packet that is being played is counted whole, so half a period is taken
        off; the rest was measured to be right within half a period.
        """
        if self.held is None or not rate_hz:
            return None
        return Seconds(max(0.0, self.held - 0.5) * period_frames / rate_hz)


def read_log(seen: LinkSeen, text: str, now: Seconds) -> LinkSeen:
    """Return what is known after these further whole or partial log lines."""
    for line in text.splitlines():
        seen = _read_line(seen, line, now)
    return seen


def _read_line(seen: LinkSeen, line: str, now: Seconds) -> LinkSeen:
    if _HEARD in line:
        return replace(seen, moved=now)
    if _PORT_BUSY in line:
        return replace(seen, port_busy=True)
    if _PEER_STOPPED in line:
        return replace(seen, peer_stopped=True)
    if found := _MISMATCH.search(line):
        return replace(seen, mismatch=f"{found['what'].lower()} {found['n']}")
    if found := _STATS.search(line):
        total, glitches = int(found["total"]), int(found["under"]) + int(found["over"])
        # Packets may arrive and none of them be played: an automatic queue after an
        # outage (tried: 375 a second for four seconds, each too late).
        played = _grown(total, seen.packets or 0) - _grown(
            glitches, seen.glitches[-1][1] if seen.glitches else 0
        )
        return replace(
            seen,
            packets=total,
            told=now,
            held=int(found["held"]),
            moved=now if played > TRICKLE else seen.moved,
            glitches=_noted(seen.glitches, glitches, now),
        )
    return seen


def _grown(total: int, before: int) -> int:
    """Return how many are new; a smaller total is that of a peer that began anew."""
    return total - before if total >= before else total


def _noted(
    glitches: tuple[tuple[Seconds, int], ...], total: int, now: Seconds
) -> tuple[tuple[Seconds, int], ...]:
    """Return the last minute's counts with one more; a peer's restart begins anew."""
    if glitches and total < glitches[-1][1]:
        glitches = ()
    return (*(g for g in glitches if now - g[0] <= MINUTE), (now, total))
