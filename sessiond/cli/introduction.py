"""How a person with a join link becomes an operator or a viewer of a session."""

import os
from typing import Final

from sessiond.core.joining import JoinLink
from sessiond.core.proofs import Purpose, proof
from sessiond.core.soundness import require_sound
from sessiond.core.stamped import StampedSpec
from sessiond.errors import Refused, SessiondError, Unavailable
from sessiond.units import Seconds
from sessiond.wire.identity import Identity, der_of
from sessiond.wire.join_client import JoinClient
from sessiond.wire.join_messages import GreetRequest, JoinRequest

_NONCE_BYTES: Final = 16

# A host that is there shows its certificate within milliseconds; for the others a
# person should not wait long, because a link names up to three.
_SHOWN_WITHIN: Final = Seconds(3.0)

# A join port answers within 5 s or not at all.
_ANSWERED_WITHIN: Final = Seconds(6.0)


async def introduce(link: JoinLink, identity: Identity, label: str) -> StampedSpec:
    """Join a session as who this person is, and return it.

    The link's places are tried in their order. Nothing is sent to whoever does not
    show the certificate that the link names.

    Raises:
        Refused: The link is spent, or only other computers answer than it names.
        Unavailable: Nobody whom it names can take anybody in now.
    """
    troubles: list[SessiondError] = []
    for where, key in link.places:
        try:
            door = await JoinClient.open(where, key, within=_SHOWN_WITHIN)
        except (Refused, Unavailable) as e:
            troubles.append(e)
            continue
        async with door:
            try:
                return await _joined(door, link, identity, label)
            except Unavailable as e:
                troubles.append(e)
    # That somebody else answers is worth more to know than that somebody is away.
    raise next((e for e in troubles if isinstance(e, Refused)), troubles[0])


async def _joined(
    door: JoinClient, link: JoinLink, identity: Identity, label: str
) -> StampedSpec:
    greeted = await door.greet(
        GreetRequest(nonce=os.urandom(_NONCE_BYTES)), within=_ANSWERED_WITHIN
    )
    seen = der_of(door.certificate), der_of(identity.certificate), greeted.nonce
    reply = await door.join(
        JoinRequest(
            session=link.session,
            token_id=link.token.id,
            certificate=identity.certificate,
            name=label,
            nonce=greeted.nonce,
            proof=proof(link.token.key, Purpose.JOIN, *seen),
        ),
        within=_ANSWERED_WITHIN,
    )
    stamped = reply.stamped
    require_sound(stamped)
    if stamped.spec.name != link.session:
        raise Refused(f"{door.where} answers with another session than the link's.")
    return stamped
