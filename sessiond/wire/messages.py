"""What agents and people say to an agent, as plain values; no protobuf here.

Field names are those of `proto/sessiond/v1`: `convert` carries one to the other.
"""

from dataclasses import dataclass
from typing import NewType

from sessiond.core.election.messages import Message as ElectionMessage
from sessiond.core.facts import HostFacts
from sessiond.core.spec import SessionSpec
from sessiond.core.stamped import Secrets, Stamp, StampedSpec
from sessiond.core.status import Finding, HostSighting
from sessiond.units import (
    Decibels,
    HostId,
    HostName,
    MountPath,
    Seconds,
    SessionName,
)

WallSeconds = NewType("WallSeconds", float)
"""An instant on a host's wall clock, since 1970; only to compare two clocks."""


# ── between agents ──────────────────────────────────────────────────────────────────


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
        stamped: As it would be stamped; None asks only whether the host is free.
    """

    session: SessionName
    host: HostName
    stamped: StampedSpec | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsiderReply:
    """A host's answer: fit when all three are empty.

    Attributes:
        busy_session: Another session that the host is in.
        refusal: Why it can't take part, as one sentence.
        hint: What to do about the refusal.
    """

    busy_session: str = ""
    refusal: str = ""
    hint: str = ""


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
class Done:
    """It is done; there is nothing to add."""


# ── from people ─────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class HostsRequest:
    """Asks for the agents found here, after looking for this long."""

    wait: Seconds = Seconds(0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostsReply:
    """The agents found, by name; the one that was asked is among them."""

    sightings: tuple[HostSighting, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateRequest:
    """A session to be."""

    spec: SessionSpec
    secrets: Secrets


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyRequest:
    """A running session as it should become.

    Attributes:
        secrets: What is empty in them stays as it is stored.
        based_on: The stamp that the change was made from; None: whatever runs.
    """

    spec: SessionSpec
    secrets: Secrets
    based_on: Stamp | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRequest:
    """Names a session.

    Attributes:
        name: None: the one that the agent is in.
    """

    name: SessionName | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GainRequest:
    """One fader of one mount."""

    session: SessionName
    mount: MountPath
    host: HostName
    gain_db: Decibels


@dataclass(frozen=True, slots=True, kw_only=True)
class MuteRequest:
    """A musician's inputs.

    Attributes:
        host: None: the host of the agent that is asked.
    """

    muted: bool
    host: HostName | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HandoverRequest:
    """A planned change of broadcaster.

    Attributes:
        host: Who should take over; None: the next in rank.
    """

    session: SessionName
    host: HostName | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HandoverReply:
    """Who broadcasts now."""

    broadcaster: HostName


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRequest:
    """Names the session that should end everywhere."""

    name: SessionName


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorReply:
    """What an agent found out about its host."""

    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRequest:
    """A spec whose plans are wanted; nothing is started."""

    spec: SessionSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReply:
    """Each host's plan as lines of text."""

    lines: tuple[str, ...] = ()
