"""The doors: what the agent needs of the world, one Protocol each.

Every door has an adapter in `agent.adapters`, a fake in `tests.support.fakes`, and one
contract suite in `tests/contract` that both must pass. Errors that leave a door are
`SessiondError`s; foreign types and exceptions stay behind it.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

from sessiond.core.clockcheck import NtpSample
from sessiond.core.jackgraph import JackGraph, Wire
from sessiond.core.proc import ProcIdentity, ProcPlan, ProcSeen
from sessiond.core.status import HostSighting
from sessiond.units import Address, HostId, HostName, ProcName, Seconds

Bell = Callable[[], None]
"""Rings for a turn; safe from any thread, carries no news."""

# A real exit code is 0…255 and a signal is negative, so it is mistaken for neither.
EXIT_UNKNOWN: Final = 256
"""The exit code of a process that an earlier agent started, so nobody tells us."""


class Clock(Protocol):
    """The monotonic clock, in seconds."""

    def now(self) -> Seconds:
        """Return this host's monotonic time."""
        ...


class WallClock(Protocol):
    """The clock that NTP sets: to be compared with other hosts', never to decide by."""

    def now(self) -> Seconds:
        """Return the wall-clock time since 1970 (UTC), in seconds."""
        ...


class Procs(Protocol):
    """Operating-system processes that we own."""

    async def spawn(self, plan: ProcPlan) -> ProcIdentity:
        """Start a process in a session of its own, its output to its log file.

        Raises:
            Broken: The program is missing or may not be executed.
            Unavailable: The system has no room for another process.
        """
        ...

    def adopt(self, name: ProcName, identity: ProcIdentity) -> bool:
        """Take over a process of an earlier agent; False if it is no longer it.

        What a dead one has left behind in its session is ended.
        """
        ...

    def signal(self, name: ProcName, number: int) -> None:
        """Send a signal to the process, if it is still ours and alive.

        Whatever it leaves behind in its session is killed once it has ended.
        """
        ...

    def seen(self) -> Mapping[ProcName, ProcSeen]:
        """Return every process started or adopted and not yet forgotten."""
        ...

    def read_log(self, name: ProcName, offset: int) -> tuple[str, int]:
        """Return what the log has beyond `offset`, at most 64 KiB, and the next offset.

        The text may end in the middle of a line. The log is bounded: when it has been
        cut, or begun anew by another start, reading goes on at its start.
        """
        ...

    def forget(self, name: ProcName) -> None:
        """Drop an ended process from `seen`.

        Raises:
            ValueError: It has not ended.
        """
        ...

    def close(self) -> None:
        """Let go of every process without ending it."""
        ...


class Jack(Protocol):
    """One JACK server's graph."""

    async def look(self) -> JackGraph | None:
        """Return the graph, joining the server when needed; None without one.

        While there is none, the bell rings each second, so that its return is noticed.

        Raises:
            Broken: There is no libjack on this computer.
        """
        ...

    async def connect(self, wire: Wire) -> None:
        """Make a wire; one that is there already is fine.

        Raises:
            Unavailable: A port or the server has gone.
        """
        ...

    async def disconnect(self, wire: Wire) -> None:
        """Take a wire away; one that is gone already is fine.

        Raises:
            Unavailable: The server has gone.
        """
        ...

    async def close(self) -> None:
        """Leave the server."""
        ...


class Discovery(Protocol):
    """Agents on this network, as multicast DNS tells: hints, never proof."""

    async def open(self) -> None:
        """Register this agent and browse; never fails for a name clash.

        Raises:
            Unavailable: The network has no interface that can multicast.
        """
        ...

    def sightings(self) -> Sequence[HostSighting]:
        """Return the agents seen and not yet said to be gone, by name; bounded.

        This agent is among them. Two ids of one name are two sightings.
        """
        ...

    async def close(self) -> None:
        """Unregister and stop browsing."""
        ...


class Ntp(Protocol):
    """Network time servers."""

    async def ask(self, server: str, within: Seconds) -> NtpSample:
        """Return one sample.

        Raises:
            Unavailable: No usable answer came in time.
        """
        ...


# A document of a small session, bytes. A disk that has less is full.
LEAST_ROOM: Final = 8192


class Store(Protocol):
    """This host's state folder: named documents that survive any crash whole."""

    def load(self, name: str) -> bytes | None:
        """Return the newest whole version of a document, or None.

        Raises:
            Broken: The folder can't be read, or the disk has damaged all versions.
            Unavailable: This process has too many files open.
        """
        ...

    def save(self, name: str, content: bytes, *, spare: bool = False) -> None:
        """Store a document durably before returning.

        Args:
            name: The document.
            content: Its new version.
            spare: On a full disk the reserve is there for this document.

        Raises:
            Unavailable: The disk is full or read-only; what is loaded next is whole,
                the version before or (when only the last sync failed) this one.
        """
        ...

    def save_secret(self, name: str, content: bytes) -> None:
        """Like `save`, in a file of mode 0600, and no older version of it is kept.

        Raises:
            Unavailable: As `save`.
        """
        ...

    def has_room(self) -> bool:
        """Tell whether `LEAST_ROOM` could be stored now, the reserve left alone."""
        ...

    def erase(self, name: str) -> None:
        """Remove every version of a document; without one, do nothing.

        Raises:
            Unavailable: The disk is read-only.
        """
        ...

    def folder(self, name: str) -> Path:
        """Return a sub-folder of mode 0700 for logs or sockets, made when missing.

        Raises:
            Unavailable: The disk is full or read-only.
        """
        ...


class Peer(Protocol):
    """A network identity: who an agent is and where it answers."""

    name: HostName
    id: HostId
    address: Address
