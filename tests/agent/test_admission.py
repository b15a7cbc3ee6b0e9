"""What a stranger gets at the join port, asked without a network."""

import secrets

import pytest

from sessiond.core.proofs import Purpose, proof
from sessiond.core.roles import Role
from sessiond.core.tries import TRIES_A_MINUTE
from sessiond.errors import Refused, Unavailable
from sessiond.units import Address
from sessiond.wire.identity import der_of
from sessiond.wire.join_messages import AcquaintRequest, GreetRequest
from tests.agent.band import STUDIO, Agent, band
from tests.support.identities import identity_of

HERE = "127.0.0.1"
MATE = identity_of("mate")


async def a_nonce(agent: Agent) -> bytes:
    asked = GreetRequest(nonce=secrets.token_bytes(16))
    return (await agent.admission.greet(asked, HERE)).nonce


def acquaint(
    agent: Agent,
    nonce: bytes,
    *,
    key: bytes = STUDIO,
    purpose: Purpose = Purpose.ACQUAINT,
    seen: str = "",
) -> AcquaintRequest:
    """Return what a mate says that saw somebody's certificate."""
    theirs = identity_of(seen) if seen else agent.host.identity
    shown = proof(
        key, purpose, der_of(theirs.certificate), der_of(MATE.certificate), nonce
    )
    return AcquaintRequest(certificate=MATE.certificate, nonce=nonce, proof=shown)


async def test_a_studios_agent_shows_that_it_is_one_and_is_known_from_then_on() -> None:
    async with band() as opened:
        alice = await opened.add("alice", start=False)
        nonce = secrets.token_bytes(16)
        greeted = await alice.admission.greet(GreetRequest(nonce=nonce), HERE)
        mine = der_of(alice.host.identity.certificate)
        assert greeted.proof == proof(STUDIO, Purpose.GREET, mine, nonce)
        reply = await alice.admission.acquaint(acquaint(alice, greeted.nonce), HERE)
        assert reply.sighting.id == reply.facts.id == alice.host.id
        assert alice.trust.role_of(MATE.id) is Role.ACQUAINTANCE


async def test_an_agent_of_no_studio_proves_nothing_and_meets_nobody() -> None:
    async with band() as opened:
        alice = await opened.add("alice", start=False, studio=b"")
        greeted = await alice.admission.greet(GreetRequest(nonce=b"x" * 16), HERE)
        assert (greeted.name, greeted.proof) == ("alice", b"")
        with pytest.raises(Refused, match="of no studio"):
            await alice.admission.acquaint(acquaint(alice, greeted.nonce), HERE)


@pytest.mark.parametrize(
    "wrong",
    [
        {"key": b"another studio's secret!"},
        {"purpose": Purpose.GREET},
        {"purpose": Purpose.JOIN},
        {"seen": "somebody in between"},
    ],
)
async def test_a_proof_of_anything_else_is_refused(wrong: dict[str, object]) -> None:
    async with band() as opened:
        alice = await opened.add("alice", start=False)
        request = acquaint(alice, await a_nonce(alice), **wrong)  # type: ignore[arg-type]
        with pytest.raises(Refused, match="of another studio"):
            await alice.admission.acquaint(request, HERE)
        assert alice.trust.role_of(MATE.id) is None


async def test_a_nonce_is_good_once_and_only_from_this_agent() -> None:
    async with band() as opened:
        alice = await opened.add("alice", start=False)
        request = acquaint(alice, await a_nonce(alice))
        await alice.admission.acquaint(request, HERE)
        for again in (request, acquaint(alice, b"y" * 16)):
            with pytest.raises(Refused, match="came twice"):
                await alice.admission.acquaint(again, HERE)


async def test_guesses_at_a_studios_secret_have_to_wait() -> None:
    async with band() as opened:
        alice = await opened.add("alice", start=False)
        for number in range(TRIES_A_MINUTE):
            guess = acquaint(alice, await a_nonce(alice), key=b"%d" % number)
            with pytest.raises(Refused):
                await alice.admission.acquaint(guess, HERE)
        request = acquaint(alice, await a_nonce(alice))
        with pytest.raises(Unavailable, match="Too many wrong tries"):
            await alice.admission.acquaint(request, HERE)
        await alice.admission.acquaint(request, "10.0.0.9")


@pytest.mark.parametrize(
    ("said", "source", "asked"),
    [
        ("10.0.0.7:7700", "10.0.0.7", True),
        ("[fe80::7]:7700", "fe80::7", True),
        ("10.0.0.8:7700", "10.0.0.7", False),
        ("bank.example:443", "10.0.0.7", False),
    ],
)
async def test_a_stranger_sends_an_agent_nowhere_but_to_itself(
    said: str, source: str, *, asked: bool
) -> None:
    async with band() as opened:
        alice = await opened.add("alice", start=False)
        greeting = GreetRequest(nonce=b"x" * 16, address=Address(said))
        await alice.admission.greet(greeting, source)
        assert (said in alice.roster.candidates()) is asked
