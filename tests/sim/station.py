"""A simulated Icecast: a mount, its hidden standby mount, and one faithful listener.

Bytes are not simulated one by one: a stream flows or it doesn't, and whoever changes
that says when. So a silence is exact, and costs nothing while it lasts.
"""

from dataclasses import dataclass, field
from enum import Enum

from sessiond.core.holder import HolderLabel

# As measured with the real programs: field notes, "Icecast".
SOURCE_TIMEOUT = 10.0
STALL_SEEN = 2.0
BURST_ENDS = 1.0


class Seat(Enum):
    """Where a source can sit: what listeners ask for, or its hidden fallback."""

    PRIMARY = "primary"
    HIDDEN = "hidden"


class End(Enum):
    """Why a stream ended."""

    DIED = "its process died"
    FENCED_ITSELF = "it fenced itself"
    BY_WORD = "on its agent's word"
    KILLED = "killed by another host"
    TIMED_OUT = "Icecast heard nothing for too long"
    ICECAST_DIED = "Icecast died"


@dataclass(eq=False)
class Stream:
    """A source process of a host with its connection to Icecast.

    Attributes:
        agent_seen: When its agent last spoke to it.
        last_byte: When its flow stopped; while it flows, when that began.
        stuck: Its process was stopped.
        end: Why Icecast closed it; None while it is open there.
    """

    number: int
    seat: Seat
    label: HolderLabel
    since: float
    agent_seen: float
    last_byte: float
    flowing: bool = True
    stuck: bool = False
    end: End | None = None

    def moved_at(self, now: float) -> float:
        """Return when its last byte came."""
        return now if self.flowing else self.last_byte


@dataclass
class Station:
    """Icecast with fallbacks; `gaps` is what the listener went without.

    The listener asks for the primary mount and comes back at once when dropped. It
    sits on the hidden mount once the primary has no source, or after it was moved
    there, until it is moved back or the hidden mount ends.
    """

    up: bool = True
    seats: dict[Seat, Stream] = field(default_factory=dict)
    moved: bool = False
    silent_since: float | None = None
    gaps: list[tuple[float, float]] = field(default_factory=list)

    def holder(self, seat: Seat = Seat.PRIMARY) -> Stream | None:
        """Return the accepted source of a seat."""
        return self.seats.get(seat)

    def accept(self, stream: Stream, now: float) -> None:
        """Give a free seat to a source; Icecast refuses the second (invariant 3)."""
        assert stream.seat not in self.seats
        self.seats[stream.seat] = stream
        if stream.seat is Seat.PRIMARY:
            self.moved = Seat.HIDDEN in self.seats
        self._listen(now)

    def close(self, stream: Stream, end: End, now: float) -> None:
        """End a source's connection, if it is open."""
        if stream.end is not None:
            return
        stream.end = end
        if stream.flowing:
            stream.flowing, stream.last_byte = False, now
        del self.seats[stream.seat]
        self.moved = False
        self._listen(now)

    def flow(self, stream: Stream, now: float, *, flowing: bool) -> None:
        """Let a stream's bytes come through, or not."""
        flowing = flowing and stream.end is None
        if flowing == stream.flowing:
            return
        stream.flowing, stream.last_byte = flowing, now
        self._listen(now)

    def move_listeners(self, now: float, *, hide: bool) -> None:
        """Move the listeners to the hidden mount, or back: ``/admin/moveclients``."""
        self.moved = hide and Seat.HIDDEN in self.seats
        self._listen(now)

    def die(self, now: float) -> None:
        """Close every connection."""
        self.up = False
        for stream in tuple(self.seats.values()):
            self.close(stream, End.ICECAST_DIED, now)

    def silence(self, since: float, now: float) -> float:
        """Return the longest time without bytes that began at or after `since`."""
        lengths = [end - begin for begin, end in self.gaps if begin >= since]
        if self.silent_since is not None:
            lengths.append(now - max(self.silent_since, since))
        return max(lengths, default=0.0)

    def _listen(self, now: float) -> None:
        """Note when the listener's bytes stop and come again."""
        stream = self.seats.get(Seat.PRIMARY)
        if stream is None or self.moved:
            stream = self.seats.get(Seat.HIDDEN)
        if stream is not None and stream.flowing:
            if self.silent_since is not None:
                self.gaps.append((self.silent_since, now))
                self.silent_since = None
        elif self.silent_since is None:
            self.silent_since = now
