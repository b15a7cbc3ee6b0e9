"""An agent that answers from values, and keeps what it was asked."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from sessiond.cli.operator import Operator, PeopleApi
from sessiond.core.roles import Role
from sessiond.core.spec import SessionSpec
from sessiond.core.stamped import Member, Secrets, Stamp, StampedSpec
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
from tests.cli.pictures import LINK


@dataclass(kw_only=True)
class FakeAgent:
    """`PeopleApi` over values; `error` is raised by whatever is asked.

    Attributes:
        link: What `invite` answers.
        errors: By method, what it raises instead.
        pictures: What `watch` yields; then it ends, or waits for ever when `stays`.
        asked: Each call with its arguments.
        called: Where it was called, line by line.
    """

    running: StampedSpec | None = None
    pictures: tuple[SessionStatus, ...] = ()
    stays: bool = False
    sightings: tuple[HostSighting, ...] = ()
    findings: tuple[Finding, ...] = ()
    link: str = LINK
    error: SessiondError | None = None
    errors: dict[str, SessiondError] = field(default_factory=dict)
    after_pictures: Callable[[], None] = lambda: None
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    called: list[str] = field(default_factory=list)

    def _note(self, *call: Any) -> None:  # noqa: ANN401  any call at all
        self.asked.append(call)
        error = self.errors.get(call[0], self.error)
        if error is not None:
            raise error

    def _document(self) -> StampedSpec:
        assert self.running is not None
        return self.running

    async def hosts(self, wait: Seconds) -> tuple[HostSighting, ...]:
        self._note("hosts", wait)
        return self.sightings

    async def create(
        self, spec: SessionSpec, secrets: Secrets, *, by_owner: bool = False
    ) -> StampedSpec:
        self._note("create", spec, secrets)
        return self._document()

    async def apply(
        self, spec: SessionSpec, secrets: Secrets, based_on: Stamp | None
    ) -> StampedSpec:
        self._note("apply", spec, secrets, based_on)
        stamp = Stamp(Term(3), 3)
        old = self._document()
        members = (old.member(name) or Member(name=name) for name in spec.host_names)
        return StampedSpec(stamp=stamp, spec=spec, members=tuple(members))

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

    async def title(self, session: SessionName, mount: MountPath, title: str) -> Stamp:
        self._note("title", session, mount, title)
        return Stamp(Term(3), 3)

    async def mute(
        self, host: HostName | None, *, muted: bool, by_owner: bool = False
    ) -> None:
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

    async def invite(self, session: SessionName | None, role: Role) -> str:
        self._note("invite", session, role)
        return self.link

    async def remove(self, session: SessionName, name: str) -> Stamp:
        self._note("remove", session, name)
        return Stamp(Term(3), 3)

    async def join(self, link: str) -> StampedSpec:
        self._note("join", link)
        return self._document()

    def operator(self, *, on_terminal: bool = False) -> Operator:
        """Return someone whose every line leads to this agent."""

        @asynccontextmanager
        async def opened(agent: PeopleApi) -> AsyncIterator[PeopleApi]:
            yield agent

        def connect(where: str) -> AbstractAsyncContextManager[PeopleApi]:
            self.called.append(where)
            return opened(self)

        return Operator(
            connect=connect, on_terminal=on_terminal, can_answer=on_terminal
        )
