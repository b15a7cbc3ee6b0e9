"""An agent's client of another agent; plain values in and out."""

from typing import TYPE_CHECKING

from sessiond.core.stamped import Secrets, StampedSpec
from sessiond.core.status import HostStatus
from sessiond.units import Certificate, Seconds, SessionName
from sessiond.wire import peer_methods
from sessiond.wire.channel import Line
from sessiond.wire.peer_messages import (
    AdmitRequest,
    ConsiderRequest,
    GiveSecretsRequest,
    HelloReply,
    HelloRequest,
    PeerEnvelope,
    PeerMuteRequest,
    ReportRequest,
)

if TYPE_CHECKING:
    from sessiond.wire.identity import Identity


class PeerClient:
    """An agent's line to one peer; it connects at the first call.

    Make it in the event loop that uses it, and close it there. Every call raises
    Unavailable when the peer does not answer `within` or its line is renewed
    meanwhile, and else whatever SessiondError the peer answers with.

    Args:
        where: ``HOST:PORT``.
        pinned: The certificate that the peer must show.
        identity: Who calls; with None nobody answers.

    Raises:
        Refused: `where` is no address.
    """

    def __init__(
        self,
        where: str,
        *,
        pinned: Certificate,
        identity: "Identity | None",
    ) -> None:
        self.where = where
        self._line = Line(where, pinned=pinned, identity=identity)

    async def renew(self) -> None:
        """Drop the channel and open another; after silence TCP may be stuck."""
        await self._line.renew()

    async def close(self) -> None:
        """Drop the channel."""
        await self._line.close()

    async def hello(self, request: HelloRequest, *, within: Seconds) -> HelloReply:
        """As `PeerApi.hello`."""
        return await self._line.ask(peer_methods.HELLO, request, within=within)

    async def tell(self, envelope: PeerEnvelope, *, within: Seconds) -> PeerEnvelope:
        """As `PeerApi.tell`."""
        return await self._line.ask(peer_methods.TELL, envelope, within=within)

    async def consider(self, request: ConsiderRequest, *, within: Seconds) -> None:
        """As `PeerApi.consider`."""
        await self._line.ask(peer_methods.CONSIDER, request, within=within)

    async def give_secrets(
        self, session: SessionName, secrets: Secrets, *, within: Seconds
    ) -> None:
        """As `PeerApi.give_secrets`."""
        request = GiveSecretsRequest(session=session, secrets=secrets)
        await self._line.ask(peer_methods.GIVE_SECRETS, request, within=within)

    async def report(self, session: SessionName, *, within: Seconds) -> HostStatus:
        """As `PeerApi.report`."""
        request = ReportRequest(session=session)
        return await self._line.ask(peer_methods.REPORT, request, within=within)

    async def mute(self, session: SessionName, *, muted: bool, within: Seconds) -> None:
        """As `PeerApi.mute`."""
        request = PeerMuteRequest(session=session, muted=muted)
        await self._line.ask(peer_methods.PEER_MUTE, request, within=within)

    async def admit(self, request: AdmitRequest, *, within: Seconds) -> StampedSpec:
        """As `PeerApi.admit`."""
        return await self._line.ask(peer_methods.ADMIT, request, within=within)
