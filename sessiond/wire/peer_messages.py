"""What agents say to each other, as plain values; no protobuf here."""

from dataclasses import dataclass, field
from typing import NewType

from sessiond.core.admitting import Claim
from sessiond.core.election.messages import Message as ElectionMessage
from sessiond.core.facts import HostFacts
from sessiond.core.stamped import Secrets, StampedSpec
from sessiond.core.status import HostSighting
from sessiond.units import HostId, HostName, SessionName

WallSeconds = NewType("WallSeconds", float)
"""An instant on a host's wall clock, since 1970; only to compare two clocks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timestamps:
    """The four timestamps of one exchange, as far as a message can carry them.

    The fourth, when the answer arrived, is known to the receiver alone.

    Attributes:
        originate: The asker's clock when it sent; None in what the asker sends.
        receive: The answerer's clock when that arrived; None likewise.
        transmit: The sender's clock as this message left.

    Source: RFC 5905 section 8.
    """

    transmit: WallSeconds
    originate: WallSeconds | None = None
    receive: WallSeconds | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerEnvelope:
    """Election messages from one member to another, and what it knows of hosts.

    Attributes:
        receiver_id: Whom the sender means; None while it doesn't know the id. An
            agent of another id refuses the envelope.
        session: Empty between agents that are in none.
        messages: In the order in which the elector made them.
        facts: The sender's own first; a leader passes the others' on.
    """

    sender_name: HostName
    sender_id: HostId
    receiver_id: HostId | None = None
    session: str = ""
    messages: tuple[ElectionMessage, ...] = ()
    facts: tuple[HostFacts, ...] = ()
    times: Timestamps | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HelloRequest:
    """The caller shows itself and asks who answers at this address.

    Attributes:
        sender: None from a caller that is no agent.
    """

    sender: HostSighting | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HelloReply:
    """Who answers here; its word beats what multicast DNS said."""

    sighting: HostSighting
    facts: HostFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsiderRequest:
    """Asks a host whether it is free and fit for a session; binds nobody to it.

    Attributes:
        host: By which name the session knows the host that is asked.
        stamped: As it is; unstamped (`settle.FIRST_STAMP`) when it is to be created.
            None asks only whether the host is free.
    """

    session: SessionName
    host: HostName
    stamped: StampedSpec | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveSecretsRequest:
    """Icecast's passwords, to a member that may broadcast."""

    session: SessionName
    secrets: Secrets


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRequest:
    """Asks a member for its own status."""

    session: SessionName


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerMuteRequest:
    """Has a member mute its own inputs, or open them again."""

    session: SessionName
    muted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmitRequest:
    """A member checked an invitation; the leader writes the newcomer down.

    Attributes:
        nonce: The member's, with which it greeted the newcomer.
        proof: As in `JoinRequest`: the leader may know that the invitation is void.
    """

    session: SessionName
    claim: Claim
    nonce: bytes
    proof: bytes = field(repr=False)
