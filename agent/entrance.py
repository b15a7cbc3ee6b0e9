"""Joining a session by a link, because this host's owner says so."""

import secrets
from collections.abc import Awaitable, Callable
from typing import Final

from agent.host import Host
from agent.membership import Membership
from agent.present import Present
from agent.roster import NONCE_BYTES
from sessiond.core.election import DocumentOffer, Presence
from sessiond.core.joining import JoinLink, parse_link, read_token_id
from sessiond.core.proofs import Purpose, proof
from sessiond.core.roles import Role
from sessiond.core.soundness import require_sound
from sessiond.core.stamped import StampedSpec
from sessiond.errors import Refused, Unavailable
from sessiond.units import HostId, HostName, Seconds, SessionName
from sessiond.wire.identity import der_of
from sessiond.wire.join_client import JoinClient
from sessiond.wire.join_messages import GreetRequest, JoinRequest

# Two round trips for a handshake, with room for a network with people on it.
SHOWN_WITHIN: Final = Seconds(3.0)
# A join port gives an answer five seconds.
JOINED_WITHIN: Final = Seconds(6.0)


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
        document, through = await enter(wanted, self._host)
        await self._begin(document, through)
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
        if membership.elector.leadership.stamped is None:
            await self._depart()
            raise Unavailable(
                f"{document.spec.name} could not be stored: {host.store_error}",
                "Free space in the state folder, then join again with this link.",
            )

    def _is_stopped(self, membership: Membership) -> bool:
        doc = membership.elector.leadership.stamped
        return doc is None or doc.stopped


async def enter(link: JoinLink, host: Host) -> tuple[StampedSpec, HostName]:
    """Ask the places of a link, one after another, to be let in.

    Returns:
        The session's document with this host in it, and who let it in.

    Raises:
        Refused: The invitation is not taken, or somebody else answers.
        Unavailable: Nobody that it names answers.
    """
    failed: Unavailable | Refused | None = None
    for address, key in link.places:
        try:
            door = await JoinClient.open(address, key, within=SHOWN_WITHIN)
        except (Unavailable, Refused) as e:
            # What a person should hear of first is that somebody else answered.
            failed = e if failed is None or isinstance(e, Refused) else failed
            continue
        async with door:
            try:
                document = await _asked(door, link, host)
            except Unavailable as e:
                failed = failed or e
                continue
        return document, _who_is(key, document)
    raise failed or Unavailable("The link names nobody who could answer.")


async def _asked(door: JoinClient, link: JoinLink, host: Host) -> StampedSpec:
    nonce = secrets.token_bytes(NONCE_BYTES)
    greeted = await door.greet(GreetRequest(nonce=nonce), within=SHOWN_WITHIN)
    certificate = host.identity.certificate
    shown = proof(
        link.token.key,
        Purpose.JOIN,
        der_of(door.certificate),
        der_of(certificate),
        greeted.nonce,
    )
    request = JoinRequest(
        session=link.session,
        token_id=link.token.id,
        certificate=certificate,
        name=host.name,
        address=host.address,
        reachable=host.config.reachable,
        nonce=greeted.nonce,
        proof=shown,
    )
    reply = await door.join(request, within=JOINED_WITHIN)
    require_sound(reply.stamped)
    me = reply.stamped.member(host.name)
    if reply.stamped.spec.name != link.session or me is None or me.id != host.id:
        raise Refused(f"What {greeted.name} answered is not {link.session} with us.")
    return reply.stamped


def _who_is(key: HostId, document: StampedSpec) -> HostName:
    for member in document.members:
        if member.id == key:
            return member.name
    raise Refused(f"Who let us in is no host of {document.spec.name}.")
