"""How a server listens: on which addresses, for whom, and with what beside it."""

import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from sessiond.errors import Refused, Unavailable
from sessiond.wire.address import parse_address
from sessiond.wire.server import Server, open_server
from tests.wire.answerers import (
    SERVER,
    STATUS,
    Agent,
    Peer,
    channel_to,
    people_line,
    trust,
)


@asynccontextmanager
async def listening(*listen: str, reflection: bool = False) -> AsyncIterator[Server]:
    server = await open_server(
        listen,
        identity=SERVER,
        trust=trust(),
        agent=Agent(),
        peer=Peer(),
        on_fault=lambda *_: None,
        reflection=reflection,
    )
    try:
        yield server
    finally:
        await server.close()


async def answers(where: str) -> bool:
    async with people_line(where) as line:
        return await line.status(None) == STATUS


async def test_it_listens_on_every_address(tmp_path: Path) -> None:
    async with listening("127.0.0.1:0", "[::1]:0", f"unix:{tmp_path}/a.sock") as server:
        tcp, tcp6, unix = server.addresses
        assert not tcp.endswith(":0")
        assert tcp6.startswith("[::1]:")
        assert unix == f"unix:{tmp_path}/a.sock"
        for where in server.addresses:
            assert await answers(where)


async def test_a_busy_port_is_named() -> None:
    async with listening("127.0.0.1:0") as server:
        where = server.addresses[0]
        with pytest.raises(Unavailable, match=f"listens on {where} already") as caught:
            async with listening(where):
                pass
        assert "ss -ltnp" in caught.value.hint
        assert await answers(where)


async def test_an_address_of_another_host_is_named() -> None:
    with pytest.raises(Unavailable, match=r"198\.51\.100\.7 is no address of this"):
        async with listening("198.51.100.7:7700"):
            pass


async def test_one_bad_address_and_none_is_listened_on(tmp_path: Path) -> None:
    with pytest.raises(Refused):
        async with listening(f"unix:{tmp_path}/a.sock", "7700"):
            pass
    assert not (tmp_path / "a.sock").exists()


async def test_its_socket_is_its_users_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "agent.sock"
    async with listening(f"unix:{path}"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert not path.exists()


async def test_a_dead_agents_socket_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "agent.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    async with listening(f"unix:{path}") as server:
        assert await answers(server.addresses[0])


async def test_a_living_agents_socket_is_left_alone(tmp_path: Path) -> None:
    where = f"unix:{tmp_path}/agent.sock"
    async with listening(where):
        with pytest.raises(Unavailable, match="Another agent listens"):
            async with listening(where):
                pass
        assert await answers(where)


async def test_a_file_in_the_sockets_place_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "agent.sock"
    path.write_text("precious")
    with pytest.raises(Unavailable, match=r"Can't listen on unix:.*agent\.sock"):
        async with listening(f"unix:{path}"):
            pass
    assert path.read_text() == "precious"


async def test_a_path_too_long_for_a_socket_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no path for a socket"):
        async with listening(f"unix:{tmp_path}/{'x' * 108}"):
            pass


async def test_it_says_that_it_is_healthy() -> None:
    async with listening("127.0.0.1:0") as server:
        channel = channel_to(server.addresses[0])
        stub = health_pb2_grpc.HealthStub(channel)
        for service in ("", "sessiond.v1.AgentService", "sessiond.v1.PeerService"):
            request = health_pb2.HealthCheckRequest(service=service)
            reply = await stub.Check(request, timeout=5)
            assert reply.status == health_pb2.HealthCheckResponse.SERVING
        await channel.close(None)


async def listed(where: str) -> list[str]:
    channel = channel_to(where)
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    try:
        async for reply in stub.ServerReflectionInfo(iter([request]), timeout=5):
            return [each.name for each in reply.list_services_response.service]
    finally:
        await channel.close(None)
    return []


async def test_it_lists_its_methods_to_its_own_host_when_told_to(
    tmp_path: Path,
) -> None:
    both = "127.0.0.1:0", f"unix:{tmp_path}/agent.sock"
    async with listening(*both, reflection=True) as server:
        assert "sessiond.v1.AgentService" in await listed(server.addresses[1])
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await listed(server.addresses[0])
        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    async with listening(*both) as server:
        for address in server.addresses:
            with pytest.raises(grpc.aio.AioRpcError):
                await listed(address)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("radio.local:7700", "radio.local:7700"),
        ("[::1]:7700", "[::1]:7700"),
        ("unix:/run/agent.sock", "unix:/run/agent.sock"),
    ],
)
def test_an_address_is_shown_as_it_is_written(text: str, shown: str) -> None:
    assert str(parse_address(text)) == shown
