"""A person's client of an agent, such as the command line; plain values in and out."""

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Final, Self

from sessiond.core.roles import Role
from sessiond.core.spec import SessionSpec
from sessiond.core.stamped import Secrets, Stamp, StampedSpec
from sessiond.core.status import Finding, HostSighting, SessionStatus
from sessiond.units import (
    Certificate,
    Decibels,
    HostName,
    MountPath,
    Seconds,
    SessionName,
)
from sessiond.wire import methods
from sessiond.wire.channel import Line
from sessiond.wire.messages import (
    ApplyRequest,
    CreateRequest,
    Done,
    GainRequest,
    HandoverRequest,
    HostsRequest,
    InviteRequest,
    JoinLinkRequest,
    MuteRequest,
    RemoveRequest,
    SessionRequest,
    StopRequest,
    TitleRequest,
)

if TYPE_CHECKING:
    from sessiond.wire.identity import Identity

# Create asks every host, a planned change of broadcaster starts encoders: both end
# within a few seconds or not at all.
WITHIN: Final = Seconds(30.0)


class AgentClient:
    """A person's line to an agent.

    The methods are those of `AgentApi` and `MembershipApi`.

    Args:
        where: ``HOST:PORT`` or ``unix:PATH``.
        within: Deadline of each call but `watch`, which has none.
        pinned: Over TCP, the certificate that the agent must show.
        identity: Over TCP, who calls.

    Raises:
        Refused: On entering: `where` is neither, or nothing is pinned over TCP.
    """

    def __init__(
        self,
        where: str,
        *,
        within: Seconds = WITHIN,
        pinned: Certificate | None = None,
        identity: "Identity | None" = None,
    ) -> None:
        self._where = where
        self._within = within
        self._pinned = pinned
        self._identity = identity
        self._line: Line | None = None

    async def __aenter__(self) -> Self:
        """Open the line; an absent agent shows at the first call only."""
        self._line = Line(self._where, pinned=self._pinned, identity=self._identity)
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

    def watch(self, name: SessionName | None) -> AsyncGenerator[SessionStatus, None]:
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

    async def title(self, session: SessionName, mount: MountPath, title: str) -> Stamp:
        """As `AgentApi.title`."""
        request = TitleRequest(session=session, mount=mount, title=title)
        return await self._open.ask(methods.SET_TITLE, request, within=self._within)

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

    async def invite(self, session: SessionName | None, role: Role) -> str:
        """As `MembershipApi.invite`."""
        request = InviteRequest(session=session, role=role)
        reply = await self._open.ask(methods.INVITE, request, within=self._within)
        return reply.link

    async def remove(self, session: SessionName, name: str) -> Stamp:
        """As `MembershipApi.remove`."""
        request = RemoveRequest(session=session, name=name)
        return await self._open.ask(methods.REMOVE, request, within=self._within)

    async def join(self, link: str) -> StampedSpec:
        """As `MembershipApi.join`."""
        request = JoinLinkRequest(link=link)
        return await self._open.ask(methods.JOIN, request, within=self._within)

    @property
    def _open(self) -> Line:
        if self._line is None:
            raise TypeError("AgentClient is called outside its `async with`")
        return self._line
