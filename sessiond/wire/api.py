"""What an agent answers people, as a Protocol over plain values.

`agent.service` implements it; `server` puts gRPC in front, `client` calls it.
Every method may raise a `SessiondError`, which reaches the caller as it is; any
other exception is a bug and reaches the caller as a broken agent.
"""

from collections.abc import AsyncIterator
from typing import Protocol

from sessiond.core.roles import Role
from sessiond.core.spec import SessionSpec
from sessiond.core.stamped import Secrets, Stamp, StampedSpec
from sessiond.core.status import Finding, HostSighting, SessionStatus
from sessiond.units import Decibels, HostName, MountPath, Seconds, SessionName


class AgentApi(Protocol):
    """What people ask of an agent, mostly through the command line."""

    async def hosts(self, wait: Seconds) -> tuple[HostSighting, ...]:
        """Return the agents found here after looking for `wait`, by name."""
        ...

    async def create(self, spec: SessionSpec, secrets: Secrets) -> StampedSpec:
        """Create a session and return its first stamp; it goes on forming.

        Raises:
            Refused: A host is busy or unfit, a name is ambiguous, or this host is
                in a session already.
        """
        ...

    async def apply(
        self, spec: SessionSpec, secrets: Secrets, based_on: Stamp | None
    ) -> StampedSpec:
        """Change a running session; empty secrets stay as they are stored.

        Raises:
            Refused: `based_on` is not the running stamp.
            Unavailable: No majority stored the change.
        """
        ...

    async def spec(self, name: SessionName | None) -> StampedSpec:
        """Return the running document; None names this host's session."""
        ...

    async def status(self, name: SessionName | None) -> SessionStatus:
        """Return the one picture of a session; None names this host's."""
        ...

    def watch(self, name: SessionName | None) -> AsyncIterator[SessionStatus]:
        """Yield the picture now and after each change, until the caller leaves."""
        ...

    async def gain(
        self,
        session: SessionName,
        mount: MountPath,
        host: HostName,
        gain_db: Decibels,
    ) -> Stamp:
        """Set one fader and return the stamp of that change."""
        ...

    async def title(self, session: SessionName, mount: MountPath, title: str) -> Stamp:
        """Set what listeners of a mount see, and return the stamp of that change.

        Args:
            session: A running one.
            mount: One of its mounts.
            title: Such as ``Artist - Title``; empty for none.
        """
        ...

    async def mute(self, host: HostName | None, *, muted: bool) -> None:
        """Close or open a host's inputs; None is this host.

        Raises:
            Refused: The host's owner has closed them, or it is in no session.
        """
        ...

    async def leave(self) -> None:
        """Take this host out of its session."""
        ...

    async def resume(self) -> None:
        """Give the consent that a host needs after it booted into a session."""
        ...

    async def handover(self, session: SessionName, host: HostName | None) -> HostName:
        """Change the broadcaster as planned and return the new one."""
        ...

    async def stop(self, name: SessionName) -> None:
        """End the session everywhere."""
        ...

    async def doctor(self) -> tuple[Finding, ...]:
        """Look this host over."""
        ...


class OwnedApi(AgentApi, Protocol):
    """`AgentApi` where it is answered: on a host that has an owner."""

    async def create(
        self, spec: SessionSpec, secrets: Secrets, *, by_owner: bool = False
    ) -> StampedSpec:
        """As `AgentApi.create`; for its owner alone it passes on to another host.

        Raises:
            Refused: As there, or it is no host of the session and somebody else asks.
        """
        ...

    async def mute(
        self, host: HostName | None, *, muted: bool, by_owner: bool = False
    ) -> None:
        """As `AgentApi.mute`; the owner alone undoes an own mute, also outside one."""
        ...


class MembershipApi(Protocol):
    """What people ask of an agent about who belongs to a session."""

    async def invite(self, session: SessionName | None, role: Role) -> str:
        """Return a join link that lets one in; None names this host's session.

        Args:
            session: A session that this host is in.
            role: HOST, OPERATOR or VIEWER: what the link admits to.

        Raises:
            Refused: This host is not in that session, or nobody can have that role.
        """
        ...

    async def remove(self, session: SessionName, name: str) -> Stamp:
        """Take a host, or a person by their label, out of a session at once.

        Raises:
            Refused: Nobody of that name is in it.
        """
        ...

    async def join(self, link: str) -> StampedSpec:
        """Join the session of a link, with its owner's consent, and return it.

        Raises:
            Refused: The link is none, is spent, or names another host than answers.
            Unavailable: Nobody that it names could be reached.
        """
        ...
