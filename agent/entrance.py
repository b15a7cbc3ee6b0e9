"""Joining a session by a link, because this host's owner says so."""

from collections.abc import Awaitable, Callable

from agent.membership import Membership
from agent.present import Present
from sessiond.core.election import DocumentOffer, Presence
from sessiond.core.joining import parse_link, read_token_id
from sessiond.core.roles import Role
from sessiond.core.stamped import StampedSpec
from sessiond.errors import Refused, Unavailable
from sessiond.units import HostId, HostName, SessionName
from sessiond.wire.entering import Entrant, enter


class Entrance:
    """Takes this host into the session that a link names.

    Args:
        now: This host's session.
        join: Opens a membership of a new session and returns it.
        depart: Ends the present membership and forgets its session.
    """

    def __init__(
        self,
        *,
        now: Present,
        join: Callable[[SessionName], Awaitable[Membership]],
        depart: Callable[[], Awaitable[None]],
    ) -> None:
        self._now = now
        self._host = now.host
        self._join = join
        self._depart = depart

    async def join(self, link: str) -> StampedSpec:
        """As `MembershipApi.join`."""
        wanted = parse_link(link)
        role, _ = read_token_id(wanted.token.id)
        if role is not Role.HOST:
            raise Refused(
                f"This link is for a person, to join as {role}, not for a host.",
                "Run `sessiond join` with it on that person's own computer.",
            )
        self._now.require_free()
        document, through = await enter(
            wanted,
            Entrant(
                identity=self._host.identity,
                name=self._host.name,
                address=self._host.address,
                reachable=self._host.config.reachable,
            ),
        )
        await self._begin(document, _who_is(through, document))
        return document

    async def _begin(self, document: StampedSpec, through: HostName) -> None:
        """Begin to take part; the owner has said so."""
        host, before = self._host, self._now.membership()
        if before is not None and self._is_stopped(before):
            # A new session of an old name begins with an older stamp.
            await self._depart()
        host.consented, host.left = True, ""
        membership = await self._join(document.spec.name)
        offer = DocumentOffer(
            term=document.stamp.term,
            presence=Presence(stamp=document.stamp),
            document=document,
        )
        await membership.elector.receive(through, offer)
        stored = membership.elector.document
        if stored is None or stored.member(host.name) is None:
            await self._depart()
            raise Unavailable(
                f"{document.spec.name} could not be stored: {host.store_error}",
                "Free space in the state folder, then join again with this link.",
            )

    def _is_stopped(self, membership: Membership) -> bool:
        doc = membership.elector.document
        return doc is None or doc.stopped


def _who_is(key: HostId, document: StampedSpec) -> HostName:
    for member in document.members:
        if member.id == key:
            return member.name
    raise Refused(f"Who let us in is no host of {document.spec.name}.")
