"""The one door through which gRPC channels open, and the two clients behind it."""

from collections.abc import AsyncIterator
from typing import Self

from sessiond.core.spec import SessionSpec
from sessiond.core.stamped import Secrets, Stamp, StampedSpec
from sessiond.core.status import Finding, HostSighting, HostStatus, SessionStatus
from sessiond.units import Decibels, HostName, MountPath, Seconds, SessionName
from sessiond.wire.messages import (
    ConsiderReply,
    ConsiderRequest,
    HelloReply,
    HelloRequest,
    PeerEnvelope,
)


class AgentClient:
    """A person's line to an agent; the methods are `AgentApi`'s.

    Args:
        where: ``HOST:PORT`` or ``unix:PATH``.
        within: Deadline of each call except `watch`.

    Raises:
        Refused: `where` is neither.
    """

    def __init__(self, where: str, *, within: Seconds = Seconds(30.0)) -> None:
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        raise NotImplementedError

    async def __aexit__(self, *_: object) -> None:
        raise NotImplementedError

    async def hosts(self, wait: Seconds) -> tuple[HostSighting, ...]:
        """As `AgentApi.hosts`."""
        raise NotImplementedError

    async def create(self, spec: SessionSpec, secrets: Secrets) -> StampedSpec:
        """As `AgentApi.create`."""
        raise NotImplementedError

    async def apply(
        self, spec: SessionSpec, secrets: Secrets, based_on: Stamp | None
    ) -> StampedSpec:
        """As `AgentApi.apply`."""
        raise NotImplementedError

    async def spec(self, name: SessionName | None) -> StampedSpec:
        """As `AgentApi.spec`."""
        raise NotImplementedError

    async def status(self, name: SessionName | None) -> SessionStatus:
        """As `AgentApi.status`."""
        raise NotImplementedError

    def watch(self, name: SessionName | None) -> AsyncIterator[SessionStatus]:
        """As `AgentApi.watch`; leave it with `aclose` or by cancelling."""
        raise NotImplementedError

    async def gain(
        self,
        session: SessionName,
        mount: MountPath,
        host: HostName,
        gain_db: Decibels,
    ) -> Stamp:
        """As `AgentApi.gain`."""
        raise NotImplementedError

    async def mute(self, host: HostName | None, *, muted: bool) -> None:
        """As `AgentApi.mute`."""
        raise NotImplementedError

    async def leave(self) -> None:
        """As `AgentApi.leave`."""
        raise NotImplementedError

    async def resume(self) -> None:
        """As `AgentApi.resume`."""
        raise NotImplementedError

    async def handover(self, session: SessionName, host: HostName | None) -> HostName:
        """As `AgentApi.handover`."""
        raise NotImplementedError

    async def stop(self, name: SessionName) -> None:
        """As `AgentApi.stop`."""
        raise NotImplementedError

    async def doctor(self) -> tuple[Finding, ...]:
        """As `AgentApi.doctor`."""
        raise NotImplementedError

    async def check(self, spec: SessionSpec) -> tuple[str, ...]:
        """As `AgentApi.check`."""
        raise NotImplementedError


class PeerClient:
    """An agent's line to one peer; opens on the first call, never waits for it.

    Args:
        where: ``HOST:PORT``.

    Every call raises Unavailable when the peer does not answer `within`.
    """

    def __init__(self, where: str) -> None:
        raise NotImplementedError

    async def renew(self) -> None:
        """Drop the channel and open another; after silence TCP may be stuck."""
        raise NotImplementedError

    async def close(self) -> None:
        """Drop the channel."""
        raise NotImplementedError

    async def hello(self, request: HelloRequest, *, within: Seconds) -> HelloReply:
        """As `PeerApi.hello`."""
        raise NotImplementedError

    async def tell(self, envelope: PeerEnvelope, *, within: Seconds) -> PeerEnvelope:
        """As `PeerApi.tell`."""
        raise NotImplementedError

    async def consider(
        self, request: ConsiderRequest, *, within: Seconds
    ) -> ConsiderReply:
        """As `PeerApi.consider`."""
        raise NotImplementedError

    async def give_secrets(
        self, session: SessionName, secrets: Secrets, *, within: Seconds
    ) -> None:
        """As `PeerApi.give_secrets`."""
        raise NotImplementedError

    async def report(self, session: SessionName, *, within: Seconds) -> HostStatus:
        """As `PeerApi.report`."""
        raise NotImplementedError

    async def mute(self, session: SessionName, *, muted: bool, within: Seconds) -> None:
        """As `PeerApi.mute`."""
        raise NotImplementedError
