"""What an elector is told: time, messages, ability, evidence, the operator's wishes."""

from dataclasses import dataclass
from enum import StrEnum

from sessiond.core.election.messages import Message
from sessiond.core.holder import HolderLabel as HolderLabel  # noqa: PLC0414
from sessiond.core.holder import Role as Role  # noqa: PLC0414  both are re-exported
from sessiond.core.stamped import Stamp, StampedSpec
from sessiond.units import HostName, Term


class Evidence(StrEnum):
    """What the primary mount shows.

    PROGRESSING: bytes move. STALLED: no byte for 2 s on a connection open before,
    while Icecast answers. FREE: Icecast answers and there is no source.
    UNREACHABLE: Icecast does not answer. UNKNOWN: nothing can be said yet.
    """

    PROGRESSING = "progressing"
    STALLED = "stalled"
    FREE = "free"
    UNREACHABLE = "unreachable"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Woke:
    """The instant asked for with `WakeAt` has come (or any other)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageReceived:
    """A message of this session arrived, as a request or as an answer."""

    sender: HostName
    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class AbilityChanged:
    """Whether this host could broadcast now; a repetition changes nothing.

    True when JACK is up, the codecs are there, Icecast answers, the clock is good
    enough where that is required, and its owner consents.
    """

    able: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MountWitnessed:
    """The primary mount was looked at.

    Repeat it at least every 0.5 s while `Leadership.watch` is True, also when nothing
    changed: an old verdict counts as unknown.

    Attributes:
        holder: The source's label; None without a source or when it is not ours.
        stream_start: Names the source; another value is another source.
    """

    evidence: Evidence
    holder: HolderLabel | None = None
    stream_start: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceAccepted:
    """Icecast accepted our PUT on the primary mount."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRefused:
    """Icecast refused our PUT: another source has the primary mount."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceLost:
    """Our source on the primary mount ended, for whatever reason, also our own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceAdopted:
    """A restarted agent found its source still on the air.

    Attributes:
        term: As the source was labelled at its PUT.
        role: The same.
    """

    term: Term
    role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateRequested:
    """This host creates the session; the elector stamps the first document.

    Attributes:
        document: Complete but for its stamp and voters, which are replaced.
    """

    document: StampedSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class StampRequested:
    """A change of the document, at the leader; `stop` is one with `stopped` set.

    Attributes:
        request: Names it in `ConfirmStamp` and `RejectStamp`.
        document: Complete but for its stamp and voters, which are replaced.
        based_on: Refuse it unless this is the running stamp; None: whatever runs.
    """

    request: int
    document: StampedSpec
    based_on: Stamp | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HandoverRequested:
    """The operator, or an agent about to stop, wants another broadcaster.

    Attributes:
        request: Names it in `AnswerHandover`.
        to: None takes the best rank.
    """

    request: int
    to: HostName | None = None


Event = (
    Woke
    | MessageReceived
    | AbilityChanged
    | MountWitnessed
    | SourceAccepted
    | SourceRefused
    | SourceLost
    | SourceAdopted
    | CreateRequested
    | StampRequested
    | HandoverRequested
)
