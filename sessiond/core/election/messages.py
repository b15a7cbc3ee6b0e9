"""What electors tell each other; the transport adds addresses, clocks and facts.

Every message carries its sender's term and `Presence`, so that any of them shows
who is alive, who is able and whose document is older.
"""

from dataclasses import dataclass
from enum import StrEnum

from sessiond.core.liveness import Liveness
from sessiond.core.stamped import Stamp, StampedSpec
from sessiond.units import HostName, Seconds, Term


class Refusal(StrEnum):
    """Why a voter said no."""

    NOT_IN_SESSION = "not-in-session"
    OLDER_STAMP = "older-stamp"
    JUST_STARTED = "just-started"
    STANDS_ITSELF = "stands-itself"
    HEARS_A_LEADER = "hears-a-leader"
    OLDER_TERM = "older-term"
    VOTED_FOR_ANOTHER = "voted-for-another"


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """What a host says of itself.

    Attributes:
        stamp: Of the document that it has stored; None before the first.
        able: It could broadcast now.
        able_for: How long `able` has been as it is; a duration.
        carrying: Icecast takes its bytes on the primary mount and it means to go on.
        leader: Whom it takes for the leader; its own name when it leads.
    """

    stamp: Stamp | None
    able: bool = False
    able_for: Seconds = Seconds(0)
    carrying: bool = False
    leader: HostName | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberSeen:
    """A member as the leader knows it, passed on with its heartbeat."""

    name: HostName
    liveness: Liveness
    able: bool = False
    carrying: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """A host that hears no leader says that it is there.

    Attributes:
        is_answer: True when it answers another's; an answer gets none.
    """

    term: Term
    presence: Presence
    is_answer: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """The leader's sign of life.

    Attributes:
        sent_at: The leader's monotonic clock; only to be echoed.
        standby: The host that the leader named to take over.
        seen: One a member, the leader itself left out.
    """

    term: Term
    presence: Presence
    sent_at: Seconds
    standby: HostName | None = None
    seen: tuple[MemberSeen, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartbeatAck:
    """The answer to a heartbeat; a higher `term` deposes the leader."""

    term: Term
    presence: Presence
    sent_at: Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class PreVoteRequest:
    """Would you vote for me in the term after mine? Binds nobody.

    Attributes:
        ballot: Numbers the sender's rounds; echoed in the answer.
        by_order: The leader ordered this hand-over, so its lease is no obstacle.
    """

    term: Term
    presence: Presence
    ballot: int
    by_order: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PreVoteAnswer:
    """A voter's opinion; `refusal` is None when it would vote for the sender."""

    term: Term
    presence: Presence
    ballot: int
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VoteRequest:
    """Vote for me in `term`.

    Attributes:
        sent_at: The candidate's monotonic clock; only to be echoed.
    """

    term: Term
    presence: Presence
    sent_at: Seconds
    by_order: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class VoteAnswer:
    """A vote, on the voter's disk before it is sent; `refusal` None grants it."""

    term: Term
    presence: Presence
    sent_at: Seconds
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentOffer:
    """A document for a host that has an older one, or none."""

    term: Term
    presence: Presence
    document: StampedSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentStored:
    """The answer to an offer; `presence.stamp` is what lies on the disk now."""

    term: Term
    presence: Presence


@dataclass(frozen=True, slots=True, kw_only=True)
class HandoverOrder:
    """The leader's order to stand now and take over from it."""

    term: Term
    presence: Presence


Message = (
    Hello
    | Heartbeat
    | HeartbeatAck
    | PreVoteRequest
    | PreVoteAnswer
    | VoteRequest
    | VoteAnswer
    | DocumentOffer
    | DocumentStored
    | HandoverOrder
)
