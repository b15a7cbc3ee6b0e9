"""This host's present session: whether it may be changed here, and who else may.

Changes are stamped by the leader; another host passes the request on to it.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import Final, TypeVar

from agent.host import Host, no_session, require_part
from agent.invitations import join_secret, present_join
from agent.membership import Membership
from agent.records import drop_conflict, save_secrets
from sessiond.core.joining import join_mark
from sessiond.core.roles import Role
from sessiond.core.stamped import Secrets, Stamp, StampedSpec
from sessiond.errors import Refused, SessiondError, Unavailable
from sessiond.units import Address, Certificate, Seconds, SessionName
from sessiond.wire.client import AgentClient

T = TypeVar("T")

FORWARD_WITHIN: Final = Seconds(15.0)


class Present:
    """The session that this host is in, if it is in one.

    Args:
        host: This host.
        membership: Returns the present membership; None outside a session.
    """

    def __init__(self, host: Host, membership: Callable[[], Membership | None]) -> None:
        self.host = host
        self.membership = membership

    def require_free(self) -> None:
        """Return if this host is free.

        Raises:
            Refused: It is in a session.
        """
        membership = self.membership()
        if membership is not None and not membership.is_over:
            raise Refused(
                f"{self.host.name} is in the session {membership.name} already.",
                f"End it with `sessiond stop {membership.name}`, or take this host "
                "out of it with `sessiond leave`.",
            )

    def in_session(self, name: SessionName | None) -> Membership:
        """Return the membership of that session, or of the present one.

        Raises:
            Refused: This host is in none, or in another one.
        """
        membership = self.membership()
        if membership is None:
            raise no_session(self.host)
        if name is not None and membership.name != name:
            raise Refused(
                f"{self.host.name} is in the session {membership.name}, not in {name}.",
                f"Name {membership.name}, or ask another agent with --agent.",
            )
        return membership

    def running(self, membership: Membership) -> StampedSpec:
        """Return the document of a session that goes on, with this host.

        Raises:
            Refused: It was stopped, or this host taken out of it.
        """
        doc = membership.elector.document
        if doc is None or doc.stopped:
            raise Refused(
                f"The session {membership.name} has been stopped.",
                "Create it anew with `sessiond create FILE`.",
            )
        require_part(self.host, doc)
        return doc

    def may_stamp(self, membership: Membership) -> bool:
        """Tell whether this host leads, or takes care where nobody can."""
        return membership.elector.leadership.my_role is not None

    async def pass_on(
        self, membership: Membership, call: Callable[[AgentClient], Awaitable[T]]
    ) -> T:
        """Have the leader do it.

        Raises:
            Unavailable: No leader is known, or it does not answer.
        """
        leader = membership.elector.leadership.leader
        if leader is None or leader == self.host.name:
            raise leaderless(membership)
        found = membership.lines.reach(leader)
        if found is None:
            raise Unavailable(f"The leader {leader} can't be reached from here.")
        async with self.agent(*found) as agent:
            return await call(agent)

    async def stamp_with(
        self,
        membership: Membership,
        document: StampedSpec,
        running: StampedSpec,
        passwords: Secrets,
    ) -> Stamp:
        """Stamp a document whose passwords are known before its mounts are fed.

        The join secret stays until somebody goes that knows the present one; then it is
        a new one, for good: what no majority has stored in time may hold all the same.
        """
        before, name = self.host.secrets, document.spec.name
        goes = inviters(running) - inviters(document)
        join = "" if goes else present_join(self.host, running)
        passwords = replace(passwords, join=join or join_secret())
        document = replace(document, join_mark=join_mark(passwords.join))
        save_secrets(self.host, name, passwords)
        try:
            stamp = await membership.elector.stamp(
                membership.settled(document), based_on=running.stamp
            )
        except SessiondError:
            present = membership.elector.document
            kept = present_join(self.host, present) or before.join
            self.host.secrets = replace(before, join=kept)
            with suppress(SessiondError):
                save_secrets(self.host, name, self.host.secrets)
            raise
        # Whoever lost a change to a partition has looked at what holds now.
        drop_conflict(self.host)
        return stamp

    def agent(self, address: Address, certificate: Certificate) -> AgentClient:
        """Return a person's line to another agent, spoken by this one."""
        return AgentClient(
            address,
            within=FORWARD_WITHIN,
            pinned=certificate,
            identity=self.host.identity,
        )


def inviters(document: StampedSpec) -> frozenset[str]:
    """Return who can make invitations to a session, by host name or person's id."""
    people = (one.id for one in document.people if one.role is Role.OPERATOR)
    return frozenset((*(member.name for member in document.members), *people))


def leaderless(membership: Membership) -> Unavailable:
    """Return the answer to what only a leader can do."""
    return Unavailable(
        f"{membership.name} has no leader at the moment.",
        "Try again in a few seconds; `sessiond status` shows who is there.",
    )
