"""Clients of an agent: a person's, and another agent's; plain values in and out."""

from collections.abc import AsyncIterator
from typing import Final, Self

from sessiond.core.spec import SessionSpec
from sessiond.core.stamped import Secrets, Stamp, StampedSpec
from sessiond.core.status import Finding, HostSighting, HostStatus, SessionStatus
from sessiond.units import Decibels, HostName, MountPath, Seconds, SessionName
from sessiond.wire import methods
from sessiond.wire.channel import Line
from sessiond.wire.messages import (
    ApplyRequest,
    CheckRequest,
    ConsiderReply,
    ConsiderRequest,
    CreateRequest,
    Done,
    GainRequest,
    GiveSecretsRequest,
    HandoverRequest,
    HelloReply,
    HelloRequest,
    HostsRequest,
    MuteRequest,
    PeerEnvelope,
    PeerMuteRequest,
    ReportRequest,
    SessionRequest,
    StopRequest,
)

# Create asks every host, a planned change of broadcaster starts encoders: both end
# within a few seconds or not at all.
WITHIN: Final = Seconds(30.0)


class AgentClient:
    """A person's line to an agent; the methods are `AgentApi`'s.

    Args:
        where: ``HOST:PORT`` or ``unix:PATH``.
        within: Deadline of each call but `watch`, which has none.

    Raises:
        Refused: `where` is neither.
    """

    def __init__(self, where: str, *, within: Seconds = WITHIN) -> None:
        self._where = where
        self._within = within
        self._line: Line | None = None

    async def __aenter__(self) -> Self:
        """Open the line; an absent agent shows at the first call only."""
        self._line = Line(self._where)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Drop the line and whatever call is under way."""
        if self._line:
            await self._line.close()

    async def hosts(self, wait: Seconds) -> tuple[HostSighting, ...]:
        """As `AgentApi.hosts`."""
        within = Seconds(wait + self._within)
        reply = await self._open.ask(
            methods.HOSTS, HostsRequest(wait=wait), within=within
        )
        return reply.sightings

    async def create(self, spec: SessionSpec, secrets: Secrets) -> StampedSpec:
        """As `AgentApi.create`."""
        request = CreateRequest(spec=spec, secrets=secrets)
        return await self._open.ask(methods.CREATE, request, within=self._within)

    async def apply(
        self, spec: SessionSpec, secrets: Secrets, based_on: Stamp | None
    ) -> StampedSpec:
        """As `AgentApi.apply`."""
        request = ApplyRequest(spec=spec, secrets=secrets, based_on=based_on)
        return await self._open.ask(methods.APPLY, request, within=self._within)

    async def spec(self, name: SessionName | None) -> StampedSpec:
        """As `AgentApi.spec`."""
        request = SessionRequest(name=name)
        return await self._open.ask(methods.GET_SPEC, request, within=self._within)

    async def status(self, name: SessionName | None) -> SessionStatus:
        """As `AgentApi.status`."""
        request = SessionRequest(name=name)
        return await self._open.ask(methods.STATUS, request, within=self._within)

    def watch(self, name: SessionName | None) -> AsyncIterator[SessionStatus]:
        """As `AgentApi.watch`; it ends when the iterator is closed or cancelled."""
        return self._open.follow(methods.WATCH, SessionRequest(name=name))

    async def gain(
        self,
        session: SessionName,
        mount: MountPath,
        host: HostName,
        gain_db: Decibels,
    ) -> Stamp:
        """As `AgentApi.gain`."""
        request = GainRequest(session=session, mount=mount, host=host, gain_db=gain_db)
        return await self._open.ask(methods.SET_GAIN, request, within=self._within)

    async def mute(self, host: HostName | None, *, muted: bool) -> None:
        """As `AgentApi.mute`."""
        request = MuteRequest(host=host, muted=muted)
        await self._open.ask(methods.SET_MUTE, request, within=self._within)

    async def leave(self) -> None:
        """As `AgentApi.leave`."""
        await self._open.ask(methods.LEAVE, Done(), within=self._within)

    async def resume(self) -> None:
        """As `AgentApi.resume`."""
        await self._open.ask(methods.RESUME, Done(), within=self._within)

    async def handover(self, session: SessionName, host: HostName | None) -> HostName:
        """As `AgentApi.handover`."""
        request = HandoverRequest(session=session, host=host)
        reply = await self._open.ask(methods.HANDOVER, request, within=self._within)
        return reply.broadcaster

    async def stop(self, name: SessionName) -> None:
        """As `AgentApi.stop`."""
        request = StopRequest(name=name)
        await self._open.ask(methods.STOP, request, within=self._within)

    async def doctor(self) -> tuple[Finding, ...]:
        """As `AgentApi.doctor`."""
        reply = await self._open.ask(methods.DOCTOR, Done(), within=self._within)
        return reply.findings

    async def check(self, spec: SessionSpec) -> tuple[str, ...]:
        """As `AgentApi.check`."""
        request = CheckRequest(spec=spec)
        reply = await self._open.ask(methods.CHECK, request, within=self._within)
        return reply.lines

    @property
    def _open(self) -> Line:
        if self._line is None:
            raise TypeError("AgentClient is called outside its `async with`")
        return self._line


class PeerClient:
    """An agent's line to one peer; it connects at the first call.

    Make it in the event loop that uses it, and close it there. Every call raises
    Unavailable when the peer does not answer `within` or its line is renewed
    meanwhile, and else whatever SessiondError the peer answers with.

    Args:
        where: ``HOST:PORT``.

    Raises:
        Refused: `where` is no address.
    """

    def __init__(self, where: str) -> None:
        self.where = where
        self._line = Line(where)

    async def renew(self) -> None:
        """Drop the channel and open another; after silence TCP may be stuck."""
        await self._line.renew()

    async def close(self) -> None:
        """Drop the channel."""
        await self._line.close()

    async def hello(self, request: HelloRequest, *, within: Seconds) -> HelloReply:
        """As `PeerApi.hello`."""
        return await self._line.ask(methods.HELLO, request, within=within)

    async def tell(self, envelope: PeerEnvelope, *, within: Seconds) -> PeerEnvelope:
        """As `PeerApi.tell`."""
        return await self._line.ask(methods.TELL, envelope, within=within)

    async def consider(
        self, request: ConsiderRequest, *, within: Seconds
    ) -> ConsiderReply:
        """As `PeerApi.consider`."""
        return await self._line.ask(methods.CONSIDER, request, within=within)

    async def give_secrets(
        self, session: SessionName, secrets: Secrets, *, within: Seconds
    ) -> None:
        """As `PeerApi.give_secrets`."""
        request = GiveSecretsRequest(session=session, secrets=secrets)
        await self._line.ask(methods.GIVE_SECRETS, request, within=within)

    async def report(self, session: SessionName, *, within: Seconds) -> HostStatus:
        """As `PeerApi.report`."""
        request = ReportRequest(session=session)
        return await self._line.ask(methods.REPORT, request, within=within)

    async def mute(self, session: SessionName, *, muted: bool, within: Seconds) -> None:
        """As `PeerApi.mute`."""
        request = PeerMuteRequest(session=session, muted=muted)
        await self._line.ask(methods.PEER_MUTE, request, within=within)
