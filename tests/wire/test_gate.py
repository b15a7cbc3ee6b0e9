"""Callers that take places and say nothing: nobody else is kept out for long."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from sessiond.errors import Refused, Unavailable
from sessiond.units import Seconds
from sessiond.wire import server as server_module
from sessiond.wire.gate import MOST_CALLS, MOST_FROM_ONE, Gate
from sessiond.wire.peer_messages import PeerEnvelope
from sessiond.wire.server import open_server
from tests.support.eventually import aeventually
from tests.support.frames import GREETING, call, dial, dial_secure, is_open
from tests.support.identities import identity_of
from tests.wire.answerers import (
    ALICE,
    ID,
    SERVER,
    Agent,
    Peer,
    channel_to,
    peer_line,
    trust,
)
from tests.wire.test_server import answers, listening

ENVELOPE = PeerEnvelope(sender_name=ALICE, sender_id=ID)

TELL = "/sessiond.v1.PeerService/Tell"

# Two such connections have more calls than one address may have under way.
STREAMS = server_module.SERVER_OPTIONS["grpc.max_concurrent_streams"]

Dial = Callable[..., socket.socket]


@pytest.fixture
def dialled() -> Iterator[Dial]:
    with ExitStack() as lines:

        def opened(address: str, first: bytes = b"") -> socket.socket:
            alice = identity_of("alice")
            return lines.enter_context(dial_secure(address, alice, first))

        yield opened


def half_open(number: int) -> bytes:
    return GREETING + b"".join(call(TELL, 1 + 2 * n) for n in range(number))


async def test_one_address_has_a_part_of_the_places_and_not_for_ever(
    dialled: Dial,
) -> None:
    async with listening("127.0.0.1:0", "[::1]:0") as server:
        tcp, tcp6 = server.addresses
        for _ in range(-(-MOST_FROM_ONE // STREAMS)):
            await asyncio.to_thread(dialled, tcp, half_open(STREAMS))

        async def is_full() -> bool:
            line = peer_line(tcp)
            try:
                await line.tell(ENVELOPE, within=Seconds(5.0))
            except Unavailable as e:
                return "under way already" in e.sentence
            finally:
                await line.close()
            return False

        await aeventually(is_full, within=5)
        assert await answers(tcp6), "another address has places of its own"
        await aeventually(partial(_answers, tcp), within=15)


async def _answers(where: str) -> bool:
    try:
        return await answers(where)
    except Unavailable:
        return False


@pytest.mark.parametrize("method", ["Check", "Watch"])
async def test_health_can_not_be_asked_for_to_keep_others_out(
    dialled: Dial, method: str
) -> None:
    async with listening("127.0.0.1:0", "[::1]:0") as server:
        tcp, tcp6 = server.addresses
        path = f"/grpc.health.v1.Health/{method}"
        calls = b"".join(call(path, 1 + 2 * n) for n in range(STREAMS))
        for _ in range(2 * MOST_CALLS // STREAMS):
            await asyncio.to_thread(dialled, tcp, GREETING + calls)
        await aeventually(partial(_answers, tcp6), within=5)


async def test_who_watches_health_is_told_and_told_no_more() -> None:
    async with listening("127.0.0.1:0") as server:
        channel = channel_to(server.addresses[0])
        stub = health_pb2_grpc.HealthStub(channel)
        for service, status in (
            ("", health_pb2.HealthCheckResponse.SERVING),
            ("nothing", health_pb2.HealthCheckResponse.SERVICE_UNKNOWN),
        ):
            watching = stub.Watch(health_pb2.HealthCheckRequest(service=service))
            assert (await watching.read()).status == status
            watching.cancel()
        with pytest.raises(grpc.aio.AioRpcError) as unknown:
            await stub.Check(health_pb2.HealthCheckRequest(service="nothing"))
        assert unknown.value.code() is grpc.StatusCode.NOT_FOUND
        with pytest.raises(grpc.aio.AioRpcError, match="no HealthCheckRequest"):
            await channel.unary_unary("/grpc.health.v1.Health/Check", bytes, bytes)(
                b"\xff"
            )
        await channel.close(None)


async def test_a_call_without_a_request_is_refused() -> None:
    async with (
        listening("127.0.0.1:0") as server,
        channel_to(server.addresses[0]) as channel,
    ):
        with pytest.raises(grpc.aio.AioRpcError, match="without a request"):
            await channel.stream_unary(TELL, bytes, bytes)(iter(()), timeout=5)


async def test_connections_beyond_the_bound_are_hung_up_on() -> None:
    server = await open_server(
        ("127.0.0.1:0",),
        identity=SERVER,
        trust=trust(),
        agent=Agent(),
        peer=Peer(),
        on_fault=lambda *_: None,
        most_connections=5,
    )
    stack = ExitStack()
    try:
        lines = [stack.enter_context(dial(server.addresses[0])) for _ in range(20)]
        await aeventually(lambda: sum(map(is_open, lines)) == 5, within=5)
        for line in lines:
            line.close()
        await aeventually(partial(_answers, server.addresses[0]), within=5)
    finally:
        stack.close()
        await server.close()


async def test_who_never_says_a_word_is_hung_up_on(dialled: Dial) -> None:
    async with listening("127.0.0.1:0") as server:
        within = await asyncio.to_thread(dialled, server.addresses[0])
        with dial(server.addresses[0]) as mute:
            await aeventually(lambda: not is_open(mute), within=15)
            await aeventually(lambda: not is_open(within), within=15)


def test_places_are_given_back_whatever_happens() -> None:
    gate = Gate(most=1)
    for peer in ("ipv4:10.0.0.1:1", "ipv4:10.0.0.1:2", "unix:", "unix:%00/x"):
        with pytest.raises(Refused), gate.entered(peer):
            raise Refused("No.")
    assert gate.callers == 0


def test_an_address_is_one_whatever_its_port() -> None:
    gate = Gate(most=1)
    with gate.entered("ipv4:10.0.0.1:1"), gate.entered("ipv4:10.0.0.2:1"):
        with pytest.raises(Unavailable), gate.entered("ipv4:10.0.0.1:2"):
            pass
        assert gate.callers == 2
