"""What an agent answers people: `OwnedApi`, `MembershipApi` on this host's state."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress
from typing import Final

from agent.bell import TurnBell
from agent.belonging import Belonging
from agent.doctor import look_over
from agent.entrance import Entrance
from agent.host import Host, no_session, require_part
from agent.join_port import JoinPort
from agent.membership import Membership
from agent.operator import Operator
from agent.publish import Publisher
from agent.records import remember, set_muted
from agent.roster import Roster
from sessiond.core.roles import Role
from sessiond.core.spec import SessionSpec
from sessiond.core.stamped import Secrets, Stamp, StampedSpec
from sessiond.core.status import (
    Finding,
    HostSighting,
    SessionStatus,
)
from sessiond.errors import Refused, SessiondError, Unavailable
from sessiond.units import Decibels, HostName, MountPath, Seconds, SessionName

# Every process of ours ends within three seconds of SIGTERM, or is killed.
STOP_LIMIT: Final = Seconds(8.0)
STOP_LOOK: Final = Seconds(0.1)
# Longer is nobody's patience; a call that waits holds a place.
LONGEST_WAIT: Final = Seconds(300.0)
MUTE_WITHIN: Final = Seconds(2.0)


class Service:
    """Answers people.

    Args:
        host: This host.
        membership: Returns the present membership; None outside a session.
        depart: Ends the present membership and forgets its session.
    """

    def __init__(
        self,
        *,
        host: Host,
        roster: Roster,
        operator: Operator,
        belonging: Belonging,
        entrance: Entrance,
        join_port: JoinPort,
        publisher: Publisher,
        bell: TurnBell,
        membership: Callable[[], Membership | None],
        depart: Callable[[], Awaitable[None]],
    ) -> None:
        self._host = host
        self._roster = roster
        self._operator = operator
        self._belonging = belonging
        self._entrance = entrance
        self._join_port = join_port
        self._publisher = publisher
        self._bell = bell
        self._membership = membership
        self._depart = depart

    async def hosts(self, wait: Seconds) -> tuple[HostSighting, ...]:
        """As `AgentApi.hosts`."""
        pause = TurnBell(self._bell.loop)
        until = self._host.clock.now() + min(wait, LONGEST_WAIT)
        while True:
            await self._roster.ask_all(self._roster.candidates())
            left = Seconds(until - self._host.clock.now())
            if left <= 0:
                break
            await pause.wait(min(left, Seconds(0.5)))
        sightings = (found.sighting for found in self._roster.found().values())
        return tuple(sorted(sightings, key=lambda s: (s.name, s.address)))

    async def create(
        self, spec: SessionSpec, secrets: Secrets, *, by_owner: bool = False
    ) -> StampedSpec:
        """As `OwnedApi.create`."""
        try:
            return await self._operator.create(spec, secrets, by_owner=by_owner)
        except Unavailable:
            if self._membership() is not None and self._host.document is None:
                # It could not be stored: this host is as free as before.
                await self._depart()
            raise

    async def apply(
        self, spec: SessionSpec, secrets: Secrets, based_on: Stamp | None
    ) -> StampedSpec:
        """As `AgentApi.apply`."""
        return await self._operator.apply(spec, secrets, based_on)

    async def spec(self, name: SessionName | None) -> StampedSpec:
        """As `AgentApi.spec`."""
        doc = self._document(name)
        if doc.stopped:
            raise Refused(
                f"The session {doc.spec.name} has been stopped.",
                "Create it anew with `sessiond create FILE`.",
            )
        require_part(self._host, doc)
        return doc

    async def status(self, name: SessionName | None) -> SessionStatus:
        """As `AgentApi.status`."""
        self._document(name)
        return await self._publisher.status()

    async def watch(self, name: SessionName | None) -> AsyncIterator[SessionStatus]:
        """As `AgentApi.watch`."""
        self._document(name)
        async with aclosing(self._publisher.watch()) as pictures:
            async for picture in pictures:
                yield picture

    async def gain(
        self,
        session: SessionName,
        mount: MountPath,
        host: HostName,
        gain_db: Decibels,
    ) -> Stamp:
        """As `AgentApi.gain`."""
        return await self._operator.gain(session, mount, host, gain_db)

    async def title(self, session: SessionName, mount: MountPath, title: str) -> Stamp:
        """As `AgentApi.title`."""
        return await self._operator.title(session, mount, title)

    async def mute(
        self, host: HostName | None, *, muted: bool, by_owner: bool = False
    ) -> None:
        """As `OwnedApi.mute`."""
        membership = self._membership()
        if host is None or host == self._host.name:
            if not by_owner and (membership is None or membership.is_over):
                raise no_session(self._host)
            set_muted(self._host, muted=muted, by_owner=by_owner)
            self._bell()
            return
        if membership is None:
            raise Refused(
                f"{self._host.name} is in no session, so it can't reach {host}.",
                f"Ask {host}'s own agent with --agent.",
            )
        doc = self._document(None)
        if host not in doc.spec.host_names:
            raise Refused(
                f"{host} is no host of {doc.spec.name}.",
                f"Its hosts are {', '.join(doc.spec.host_names)}.",
            )
        line = membership.lines.line(host)
        if line is None:
            raise Unavailable(f"{host} has not joined {membership.name} yet.")
        await line.mute(membership.name, muted=muted, within=MUTE_WITHIN)

    async def leave(self) -> None:
        """As `AgentApi.leave`."""
        membership = self._membership()
        if membership is None or membership.is_over:
            raise no_session(self._host)
        if membership.leads():
            with suppress(SessiondError):
                await membership.hand_over(None)
        try:
            await self._belonging.leave()
        except Unavailable:
            # Nobody can be told; this host goes all the same: its owner said so.
            self._host.left = membership.name
            remember(self._host)
        await self._depart()
        await self._until_ended()

    async def resume(self) -> None:
        """As `AgentApi.resume`."""
        if self._host.left:
            # The session's leader still counts on this host and invites it again.
            self._host.left = ""
            remember(self._host)
            return
        membership = self._membership()
        if membership is None or membership.is_over:
            raise no_session(self._host)
        membership.consent()

    async def handover(self, session: SessionName, host: HostName | None) -> HostName:
        """As `AgentApi.handover`."""
        return await self._operator.handover(session, host)

    async def stop(self, name: SessionName) -> None:
        """As `AgentApi.stop`."""
        await self._operator.stop(name)
        await self._until_ended()

    async def invite(self, session: SessionName | None, role: Role) -> str:
        """As `MembershipApi.invite`."""
        link = await self._belonging.invite(session, role)
        # The session may have begun a moment ago.
        await self._join_port.require_open()
        return link

    async def remove(self, session: SessionName, name: str) -> Stamp:
        """As `MembershipApi.remove`."""
        return await self._belonging.remove(session, name)

    async def join(self, link: str) -> StampedSpec:
        """As `MembershipApi.join`."""
        return await self._entrance.join(link)

    async def doctor(self) -> tuple[Finding, ...]:
        """As `AgentApi.doctor`."""
        return await look_over(self._host)

    def _document(self, name: SessionName | None) -> StampedSpec:
        doc = self._host.document
        if doc is None or (name is not None and doc.spec.name != name):
            what = f"the session {name}" if name else "a session"
            now = f"It is in {doc.spec.name}." if doc and not doc.stopped else ""
            raise Refused(
                f"{self._host.name} is not in {what}.",
                now or "Create one with `sessiond create FILE`.",
            )
        return doc

    async def _until_ended(self) -> None:
        """Return when nothing of the session runs here any more.

        Raises:
            Unavailable: A process would not end.
        """
        pause = TurnBell(self._bell.loop)
        until = self._host.clock.now() + STOP_LIMIT
        while self._host.clock.now() < until:
            self._bell()
            rest = [n for n in self._host.lifecycles if n != "jackd"]
            if not rest and self._host.settled:
                return
            await pause.wait(STOP_LOOK)
        raise Unavailable(f"Some processes have not ended: {', '.join(rest)}.")
