"""What is on a mount, as seen from outside: Icecast's status and a listener's bytes.

A source says in its ``ice-description`` whose it is; `witness` turns that, Icecast's
status and the bytes of this host's own listener into the election's evidence.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sessiond.core.election import Evidence, MountWitnessed
from sessiond.core.holder import HolderLabel, Role, parse_label
from sessiond.units import Kbps, MountPath, Seconds

# Silence in music is never that long between bytes: a silent Vorbis stream, the
# slowest of all, sends one page every 0.65 s (field notes).
STALL_SECONDS: Final = Seconds(2.0)

# A healthy Vorbis mount gives its first listener nothing for up to 2.4 s after a cold
# start (field notes); twice that is no start any more.
SILENT_SECONDS: Final = Seconds(5.0)

# The largest burst, 640 KiB of FLAC, takes this long over 5 Mbit/s.
BURST_ENDS_SECONDS: Final = Seconds(1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class MountSeen:
    """A mount that has a source, as Icecast's status shows it.

    Attributes:
        stream_start: Icecast's own text; another text means another source.
    """

    path: MountPath
    listeners: int = 0
    description: str = ""
    stream_start: str = ""
    bitrate_kbps: Kbps | None = None
    title: str = ""

    @property
    def label(self) -> HolderLabel | None:
        """What its source says of itself; None when it is none of ours."""
        return parse_label(self.description)

    @property
    def holder(self) -> HolderLabel | None:
        """Whose source it is, by a right; a standby has none (decision 18)."""
        label = self.label
        return None if label is None or label.role is Role.STANDBY else label


class ListenState(StrEnum):
    """What became of this host's own listener on a mount."""

    CONNECTING = "connecting"
    OPEN = "open"
    CLOSED = "closed"
    ABSENT = "absent"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """This host's own listener on one mount, at one moment; times are monotonic.

    Attributes:
        since: When the present state began.
        first_at: When the first byte of the present connection came; None before.
        moved_at: When its last byte came.
        bytes_heard: On the present connection.
        title: What it is shown at present; empty for nothing.
    """

    path: MountPath
    state: ListenState
    since: Seconds
    first_at: Seconds | None = None
    moved_at: Seconds | None = None
    bytes_heard: int = 0
    title: str = ""


def witness(
    listening: Listening | None,
    mounts: tuple[MountSeen, ...] | None,
    *,
    path: MountPath,
    now: Seconds,
    answering_since: Seconds = Seconds(0.0),
) -> MountWitnessed:
    """Return what this host can swear to about a mount.

    Args:
        listening: This host's own listener on it; None when it has none.
        mounts: Icecast's present status; None when Icecast did not answer.
        path: The mount.
        now: This host's monotonic clock, seconds.
        answering_since: When Icecast answered again after it had not: what did not
            come before that is no silence of the mount's, but of the way to it.

    Returns:
        Evidence ``unknown`` while Icecast shows a source of which no listener of
        ours can tell yet whether it moves.
    """
    if mounts is None:
        return MountWitnessed(evidence=Evidence.UNREACHABLE)
    seen = next((mount for mount in mounts if mount.path == path), None)
    if seen is None:
        return MountWitnessed(evidence=Evidence.FREE)
    return MountWitnessed(
        evidence=_heard(listening, now, answering_since),
        holder=seen.holder,
        stream_start=seen.stream_start,
    )


def _heard(
    listening: Listening | None, now: Seconds, answering_since: Seconds
) -> Evidence:
    """Return what a listener's bytes prove of a mount that has a source."""
    if listening is None or listening.state is not ListenState.OPEN:
        return Evidence.UNKNOWN
    if listening.first_at is None or listening.moved_at is None:
        waited = now - max(listening.since, answering_since)
        return Evidence.STALLED if waited >= SILENT_SECONDS else Evidence.UNKNOWN
    if now - max(listening.moved_at, answering_since) >= STALL_SECONDS:
        return Evidence.STALLED
    if now - listening.moved_at >= STALL_SECONDS:
        return Evidence.UNKNOWN
    # A new connection to a stalled mount gets the burst too: those bytes are old.
    if listening.moved_at - listening.first_at < BURST_ENDS_SECONDS:
        return Evidence.UNKNOWN
    return Evidence.PROGRESSING
