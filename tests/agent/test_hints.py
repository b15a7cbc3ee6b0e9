"""A false hint: multicast leads a studio's agent to somebody who is not of it."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import pytest

from sessiond.core.joining import join_address
from sessiond.core.proofs import Purpose, proof
from sessiond.core.status import HostSighting
from sessiond.units import Address, HostName, Seconds
from sessiond.wire.convert import encode
from sessiond.wire.identity import der_of
from sessiond.wire.join_client import JoinClient
from sessiond.wire.join_messages import (
    AcquaintReply,
    AcquaintRequest,
    GreetReply,
    GreetRequest,
    JoinReply,
    JoinRequest,
)
from sessiond.wire.server import open_join_server
from tests.agent.band import SOON, STUDIO, Agent, Band, _free_ports, band
from tests.support.eventually import aeventually, asteadily
from tests.support.identities import identity_of

WITHIN: Final = Seconds(5.0)
MALLORY: Final = identity_of("mallory")


@dataclass(slots=True)
class Mallory:
    """Answers strangers, and says that it is of their studio.

    Attributes:
        shows: Nothing as its proof, `noise`, its own studio's, or one that it is told
            by an agent of the caller's (`relayed`).
        friend: The join port of that agent.
        asked: Every request.
        dialled: How many connections came to the port of members.
    """

    shows: str
    friend: Address | None = None
    asked: list[object] = field(default_factory=list)
    dialled: int = 0

    async def greet(self, request: GreetRequest, source: str) -> GreetReply:
        self.asked.append(request)
        shown = await self._proof(request)
        nonce = secrets.token_bytes(16)
        return GreetReply(name=HostName("bob"), nonce=nonce, proof=shown)

    async def acquaint(self, request: AcquaintRequest, source: str) -> AcquaintReply:
        self.asked.append(request)
        raise AssertionError("nobody is to get acquainted")

    async def join(self, request: JoinRequest, source: str) -> JoinReply:
        self.asked.append(request)
        raise AssertionError("nobody is to join")

    async def dial(self, _: asyncio.StreamReader, line: asyncio.StreamWriter) -> None:
        self.dialled += 1
        line.close()

    async def _proof(self, request: GreetRequest) -> bytes:
        match self.shows:
            case "noise":
                return secrets.token_bytes(32)
            case "another studio's":
                seen = der_of(MALLORY.certificate), request.nonce
                return proof(b"another studio", Purpose.GREET, *seen)
            case "relayed" if self.friend:
                asks = GreetRequest(nonce=request.nonce)
                async with await JoinClient.open(
                    self.friend, None, within=WITHIN
                ) as door:
                    return (await door.greet(asks, within=WITHIN)).proof
            case _:
                return b""


@asynccontextmanager
async def at_both_ports(mallory: Mallory) -> AsyncIterator[HostSighting]:
    """Have it listen as an agent does; give what multicast says of it."""
    where = Address(f"127.0.0.1:{_free_ports()}")
    host, port = where.split(":")
    door = await open_join_server(
        [join_address(where)], join=mallory, identity=MALLORY, on_fault=_fail
    )
    try:
        async with await asyncio.start_server(mallory.dial, host, int(port)):
            yield HostSighting(
                name=HostName("bob"), id=MALLORY.id, address=where, version="0.1.0"
            )
    finally:
        await door.close()


def _fail(method: str, error: Exception) -> None:
    raise AssertionError(method) from error


async def studio(opened: Band) -> tuple[Agent, Agent]:
    """Return two agents of a studio, acquainted."""
    alice, carol = await opened.add("alice"), await opened.add("carol")
    await aeventually(lambda: alice.trust.is_acquainted(carol.host.id), within=SOON)
    return alice, carol


@pytest.mark.parametrize("shows", ["nothing", "noise", "another studio's", "relayed"])
async def test_a_false_hint_gets_a_greeting_and_no_secret(shows: str) -> None:
    async with band() as opened:
        alice, carol = await studio(opened)
        mallory = Mallory(shows, join_address(carol.address))
        async with at_both_ports(mallory) as sighting:
            opened.network.announce(sighting)
            # Both agents look; each learns who is there, and no more.
            for agent in (alice, carol):
                await aeventually(
                    lambda: MALLORY.id in agent.roster.found(),  # noqa: B023
                    within=SOON,
                )
            await asteadily(lambda: greeted_only(mallory), during=0.5)
            opened.network.withdraw(sighting)
        for agent in (alice, carol):
            assert not agent.trust.is_acquainted(MALLORY.id)
            assert agent.roster.found()[MALLORY.id].facts is None
            told = b"".join(encode(each) for each in mallory.asked)
            for secret in (STUDIO, der_of(agent.host.identity.certificate)):
                assert secret not in told
            assert agent.host.identity.certificate.encode() not in told


def greeted_only(mallory: Mallory) -> bool:
    assert mallory.dialled == 0
    # A nonce that is a proof would be one of what the other side knows.
    for asked in mallory.asked:
        assert isinstance(asked, GreetRequest), asked
        assert len(asked.nonce) == 16
    nonces = [asked.nonce for asked in mallory.asked if isinstance(asked, GreetRequest)]
    assert len({*nonces}) == len(nonces)
    return len(nonces) >= 2
