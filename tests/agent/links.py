"""Agents of no studio, out of multicast's reach, and the links between them."""

import secrets

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sessiond.core.joining import JoinLink
from sessiond.core.proofs import Purpose, over, proof
from sessiond.core.roles import Role
from sessiond.core.spec import SessionSpec
from sessiond.core.stamped import Secrets, StampedSpec
from sessiond.units import Address, Certificate, Seconds
from sessiond.wire.identity import Identity, _pem, _written, der_of, read_identity, sign
from sessiond.wire.join_client import JoinClient
from sessiond.wire.join_messages import GreetRequest, JoinRequest
from tests.agent.band import SOON, Agent, Band, jam
from tests.support.eventually import aeventually

WITHIN = Seconds(5.0)


async def loner(opened: Band, name: str) -> Agent:
    """Start an agent that knows of nobody."""
    return await opened.add(name, studio=b"", seen=False)


async def begun(opened: Band, spec: SessionSpec | None = None) -> Agent:
    """Return alice in a session of her own that names others, too."""
    alice = await loner(opened, "alice")
    await alice.service.create(spec or jam(), Secrets(source="hackme"))
    await aeventually(lambda: alice.leads, within=SOON)
    return alice


async def joined(*agents: Agent) -> None:
    """Return once all agree on a session in which all of them are."""

    def agree() -> bool:
        docs = [a.document for a in agents if a.host.document]
        names = {a.host.name for a in agents}
        return (
            len(docs) == len(agents)
            and len({d.stamp for d in docs}) == 1
            and names <= set(docs[0].voters)
            and sum(a.leads for a in agents) == 1
            and len({a.led_by for a in agents}) == 1
        )

    await aeventually(
        lambda: agree() and all(a.is_settled() for a in agents), within=SOON
    )


async def duo(opened: Band, spec: SessionSpec | None = None) -> tuple[Agent, Agent]:
    """Return alice, who leads, and bob, who has joined her."""
    alice = await begun(opened, spec)
    bob = await loner(opened, "bob")
    await bob.service.join(await alice.service.invite(None, Role.HOST))
    await joined(alice, bob)
    return alice, bob


def signed_anew(identity: Identity) -> Identity:
    """Return another certificate of the same key: each signature is another one."""
    key = serialization.load_pem_private_key(identity.key.encode(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    again = _pem(_written("bob", key.public_key(), key))
    return read_identity(identity.key, again)


async def asked(
    link: JoinLink,
    who: Identity,
    name: str,
    *,
    address: Address | None = None,
    key: bytes | None = None,
    signer: Identity | None = None,
    proven: Certificate | None = None,
    signed: Certificate | None = None,
    times: int = 1,
) -> StampedSpec:
    """Join at the first of a link's places.

    Args:
        proven: The server's certificate, in PEM, that the proof is over; by default
            the one that was seen.
        signed: The one that the signature is over, likewise.
    """
    where, host = link.places[0]
    async with await JoinClient.open(where, host, within=WITHIN) as door:
        greeted = await door.greet(
            GreetRequest(nonce=secrets.token_bytes(16)), within=WITHIN
        )
        there, mine = door.certificate, der_of(who.certificate)
        shared = der_of(proven or there), mine, greeted.nonce
        written = der_of(signed or there), mine, greeted.nonce
        request = JoinRequest(
            session=link.session,
            token_id=link.token.id,
            certificate=who.certificate,
            name=name,
            address=address,
            nonce=greeted.nonce,
            proof=proof(key or link.token.key, Purpose.JOIN, *shared),
            signature=sign(signer or who, over(Purpose.JOIN, *written)),
        )
        for _ in range(times):
            reply = await door.join(request, within=WITHIN)
        return reply.stamped
