"""What people and an agent say to each other, as plain values; no protobuf here.

Field names are those of `proto/sessiond/v1`: `convert` carries one to the other.
What agents say among themselves is in `peer_messages`, apart from this, so that the
command line starts without loading the election.
"""

from dataclasses import dataclass, field

from sessiond.core.roles import Role
from sessiond.core.spec import SessionSpec
from sessiond.core.stamped import Secrets, Stamp
from sessiond.core.status import Finding, HostSighting
from sessiond.units import Decibels, HostName, MountPath, Seconds, SessionName


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """It is done; there is nothing to add."""


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
class TitleRequest:
    """What listeners of one mount are to see; an empty title is none any more."""

    session: SessionName
    mount: MountPath
    title: str


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
class InviteRequest:
    """Asks for a join link.

    Attributes:
        role: What it admits to.
        session: None: the one that the agent is in.
    """

    role: Role
    session: SessionName | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InviteReply:
    """A join link; it holds a secret."""

    link: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveRequest:
    """Who should belong no longer: a host's name, or a person's label."""

    session: SessionName
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinLinkRequest:
    """A link that the agent's owner wants it to join by."""

    link: str = field(repr=False)
