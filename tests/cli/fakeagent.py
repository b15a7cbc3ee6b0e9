"""An agent that answers from values, and keeps what it was asked."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from sessiond.cli.operator import Operator
from sessiond.core.spec import SessionSpec
from sessiond.core.stamped import Secrets, Stamp, StampedSpec
from sessiond.core.status import Finding, HostSighting, SessionStatus
from sessiond.errors import SessiondError
from sessiond.units import (
    Decibels,
    HostName,
    MountPath,
    Seconds,
    SessionName,
    Term,
)
from sessiond.wire.api import AgentApi


@dataclass(kw_only=True)
class FakeAgent:
    """`AgentApi` over values; `error` is raised by whatever is asked.

    Attributes:
        pictures: What `watch` yields; then it ends, or waits for ever when `stays`.
        asked: Each call with its arguments.
    """

    running: StampedSpec | None = None
    pictures: tuple[SessionStatus, ...] = ()
    stays: bool = False
    sightings: tuple[HostSighting, ...] = ()
    findings: tuple[Finding, ...] = ()
    error: SessiondError | None = None
    after_pictures: Callable[[], None] = lambda: None
    asked: list[tuple[Any, ...]] = field(default_factory=list)

    def _note(self, *call: Any) -> None:  # noqa: ANN401  any call at all
        self.asked.append(call)
        if self.error is not None:
            raise self.error

    def _document(self) -> StampedSpec:
        assert self.running is not None
        return self.running

    async def hosts(self, wait: Seconds) -> tuple[HostSighting, ...]:
        self._note("hosts", wait)
        return self.sightings

    async def create(self, spec: SessionSpec, secrets: Secrets) -> StampedSpec:
        self._note("create", spec, secrets)
        return self._document()

    async def apply(
        self, spec: SessionSpec, secrets: Secrets, based_on: Stamp | None
    ) -> StampedSpec:
        self._note("apply", spec, secrets, based_on)
        stamp = Stamp(Term(3), 3)
        return StampedSpec(stamp=stamp, spec=spec, members=self._document().members)

    async def spec(self, name: SessionName | None) -> StampedSpec:
        self._note("spec", name)
        return self._document()

    async def status(self, name: SessionName | None) -> SessionStatus:
        self._note("status", name)
        return self.pictures[0]

    async def watch(self, name: SessionName | None) -> AsyncIterator[SessionStatus]:
        self._note("watch", name)
        for picture in self.pictures:
            yield picture
        self.after_pictures()
        if self.stays:
            await asyncio.Event().wait()

    async def gain(
        self,
        session: SessionName,
        mount: MountPath,
        host: HostName,
        gain_db: Decibels,
    ) -> Stamp:
        self._note("gain", session, mount, host, gain_db)
        return Stamp(Term(3), 3)

    async def mute(self, host: HostName | None, *, muted: bool) -> None:
        self._note("mute", host, muted)

    async def leave(self) -> None:
        self._note("leave")

    async def resume(self) -> None:
        self._note("resume")

    async def handover(self, session: SessionName, host: HostName | None) -> HostName:
        self._note("handover", session, host)
        return host or HostName("bob")

    async def stop(self, name: SessionName) -> None:
        self._note("stop", name)

    async def doctor(self) -> tuple[Finding, ...]:
        self._note("doctor")
        return self.findings

    def operator(self, *, on_terminal: bool = False) -> Operator:
        """Return someone whose every line leads to this agent."""

        @asynccontextmanager
        async def opened(agent: AgentApi) -> AsyncIterator[AgentApi]:
            yield agent

        def connect(_: str) -> AbstractAsyncContextManager[AgentApi]:
            return opened(self)

        return Operator(
            connect=connect, on_terminal=on_terminal, can_answer=on_terminal
        )
