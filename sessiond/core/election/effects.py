"""What an elector wants done, in the order of the tuple.

`Persist` stands before every send that depends on it. A driver that can't write
drops the whole step, state and effects, as if the event had been lost.
"""

from dataclasses import dataclass
from enum import StrEnum

from sessiond.core.election.messages import Message
from sessiond.core.stamped import Stamp, StampedSpec
from sessiond.units import HostName, Seconds, Term


class Rejection(StrEnum):
    """Why an operator's request came to nothing."""

    NOT_LEADER = "not-leader"
    NO_MAJORITY = "no-majority"
    CONFLICT = "conflict"
    STOPPED = "stopped"
    NO_ABLE_HOST = "no-able-host"


@dataclass(frozen=True, slots=True, kw_only=True)
class Persisted:
    """What must be on the disk before anything that depends on it is said.

    Attributes:
        stamped: The newest document; None before the first.
        was_in_session: True from the first document until a stopped one.
    """

    term: Term = Term(0)
    voted_for: HostName | None = None
    stamped: StampedSpec | None = None
    was_in_session: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Persist:
    """Write this to the disk, durably, before going on with the next effect."""

    persisted: Persisted


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Send it; when `to` sent the event's message it may ride in the answer."""

    to: HostName
    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeAt:
    """Step with `Woke` at this instant; replaces every earlier one.

    Attributes:
        at: This host's monotonic clock.
    """

    at: Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmStamp:
    """The request is stored.

    Attributes:
        by_majority: False when a caretaker stored it alone, as an edit that any
            newer leader's stamp beats.
    """

    request: int
    stamp: Stamp
    by_majority: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectStamp:
    """The request failed; after NO_MAJORITY it may still come to be stored."""

    request: int
    reason: Rejection


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerHandover:
    """The hand-over was ordered (`to`), or why it was not (`reason`).

    Its success shows in `Leadership`.
    """

    request: int
    to: HostName | None = None
    reason: Rejection | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepConflict:
    """Keep this document beside the newer one that beat it, and show it."""

    stamped: StampedSpec


Effect = (
    Persist | Send | WakeAt | ConfirmStamp | RejectStamp | AnswerHandover | KeepConflict
)
