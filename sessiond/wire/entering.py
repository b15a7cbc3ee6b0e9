"""Coming into a session by a link: the same for a host's agent and for a person."""

import secrets
from dataclasses import dataclass
from typing import Final

from sessiond.core.joining import JoinLink
from sessiond.core.proofs import Purpose, over, proof
from sessiond.core.soundness import require_sound
from sessiond.core.stamped import StampedSpec
from sessiond.errors import Refused, SessiondError, Unavailable
from sessiond.units import Address, HostId, Seconds
from sessiond.wire.identity import Identity, der_of, sign
from sessiond.wire.join_client import JoinClient
from sessiond.wire.join_messages import GreetRequest, JoinRequest

_NONCE_BYTES: Final = 16

# Two round trips for a handshake, with room for a network with people on it; who waits
# for up to three places should not wait long for one that is away.
SHOWN_WITHIN: Final = Seconds(3.0)
# A join port gives an answer five seconds.
JOINED_WITHIN: Final = Seconds(6.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrant:
    """Who wants to come in.

    Attributes:
        name: A host's name, or a person's label.
        address: Where a host's agent answers; None for a person.
        reachable: As in `HostFacts`.
    """

    identity: Identity
    name: str
    address: Address | None = None
    reachable: bool = True


async def enter(link: JoinLink, entrant: Entrant) -> tuple[StampedSpec, HostId]:
    """Ask the places of a link, one after another, to be let in.

    Nothing is sent to whoever does not show the certificate that the link names.

    Returns:
        The session's document with the entrant in it, and who let it in.

    Raises:
        Refused: The invitation is not taken, or only others answer than it names.
        Unavailable: Nobody whom it names can let anybody in now.
    """
    troubles: list[SessiondError] = []
    for where, key in link.places:
        try:
            door = await JoinClient.open(where, key, within=SHOWN_WITHIN)
        except (Refused, Unavailable) as e:
            troubles.append(e)
            continue
        async with door:
            try:
                return await _joined(door, link, entrant), key
            except Unavailable as e:
                troubles.append(e)
    # That somebody else answers is worth more to know than that somebody is away.
    raise next((e for e in troubles if isinstance(e, Refused)), troubles[0])


async def _joined(door: JoinClient, link: JoinLink, entrant: Entrant) -> StampedSpec:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    greeted = await door.greet(GreetRequest(nonce=nonce), within=SHOWN_WITHIN)
    certificate = entrant.identity.certificate
    seen = der_of(door.certificate), der_of(certificate), greeted.nonce
    request = JoinRequest(
        session=link.session,
        token_id=link.token.id,
        certificate=certificate,
        name=entrant.name,
        address=entrant.address,
        reachable=entrant.reachable,
        nonce=greeted.nonce,
        proof=proof(link.token.key, Purpose.JOIN, *seen),
        signature=sign(entrant.identity, over(Purpose.JOIN, *seen)),
    )
    reply = await door.join(request, within=JOINED_WITHIN)
    require_sound(reply.stamped)
    if reply.stamped.spec.name != link.session or not _is_in(reply.stamped, entrant):
        raise Refused(f"What {greeted.name} answered is not {link.session} with us.")
    return reply.stamped


def _is_in(document: StampedSpec, entrant: Entrant) -> bool:
    if entrant.address is None:
        return any(one.id == entrant.identity.id for one in document.people)
    return any(
        (member.name, member.id) == (entrant.name, entrant.identity.id)
        for member in document.members
    )
