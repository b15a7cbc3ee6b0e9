"""What an agent answers other agents, as a Protocol over plain values.

`agent.peering` implements it; errors are as in `api`. Apart from that, so that the
command line starts without loading the election.
"""

from typing import Protocol

from sessiond.core.stamped import Secrets, StampedSpec
from sessiond.core.status import HostStatus
from sessiond.units import HostId, SessionName
from sessiond.wire.peer_messages import (
    AdmitRequest,
    ConsiderRequest,
    HelloReply,
    HelloRequest,
    PeerEnvelope,
)


class PeerApi(Protocol):
    """What agents ask of one another."""

    async def hello(self, request: HelloRequest) -> HelloReply:
        """Say who answers here."""
        ...

    async def tell(self, envelope: PeerEnvelope) -> PeerEnvelope:
        """Take election messages and return what there is to answer.

        Raises:
            Refused: The envelope is meant for an agent of another id.
        """
        ...

    async def consider(self, request: ConsiderRequest) -> None:
        """Return if this host is free and fit for a session.

        Raises:
            Refused: It is busy in another one, or set up otherwise.
            Broken: It lacks a program.
        """
        ...

    async def give_secrets(
        self, session: SessionName, secrets: Secrets, giver: HostId
    ) -> None:
        """Store Icecast's passwords for a session that this host is a member of.

        Raises:
            Refused: Another one leads than who gives them.
        """
        ...

    async def report(self, session: SessionName) -> HostStatus:
        """Return this host's own status."""
        ...

    async def mute(self, session: SessionName, *, muted: bool) -> None:
        """Close or open this host's inputs, as another member's owner asks.

        Raises:
            Refused: This host's owner has closed them, or it is not in that session.
        """
        ...

    async def admit(self, request: AdmitRequest, asked: HostId) -> StampedSpec:
        """Write somebody into the session who showed an invitation to a member.

        Args:
            request: What it showed.
            asked: The member.

        Raises:
            Refused: The invitation is void, or as `core.admitting.admitted`.
            Unavailable: This host does not lead, or no majority is there.
        """
        ...
