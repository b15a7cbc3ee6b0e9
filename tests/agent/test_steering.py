import asyncio
import json
import socket
import stat
from collections.abc import Mapping
from pathlib import Path

import pytest

from agent.steering import CLIENTS_MAX, LINE_LIMIT, Json, SteeringServer, ask
from sessiond.errors import Broken, Refused, Unavailable
from sessiond.units import Seconds

SOON = Seconds(2.0)


def echo(request: Mapping[str, Json]) -> Mapping[str, Json]:
    if "forbidden" in request:
        raise Refused("that is forbidden")
    return {"got": request}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "child.sock"


def mode(path: Path) -> int | None:
    return stat.S_IMODE(path.stat().st_mode) if path.exists() else None


async def raw(path: Path, sent: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(path, limit=4 * LINE_LIMIT)
    writer.write(sent)
    writer.write_eof()
    got = await reader.read()
    writer.close()
    return got


async def test_answers_a_request(path: Path) -> None:
    async with SteeringServer(path, echo):
        assert await ask(path, {"a": [1, 2.5, None, "é"]}, within=SOON) == {
            "got": {"a": [1, 2.5, None, "é"]}
        }


async def test_one_connection_carries_many_requests(path: Path) -> None:
    async with SteeringServer(path, echo):
        lines = (await raw(path, b'{"a":1}\n{"a":2}\n')).splitlines()
    assert [json.loads(line) for line in lines] == [
        {"got": {"a": 1}},
        {"got": {"a": 2}},
    ]


async def test_the_socket_is_its_owners_alone(path: Path) -> None:
    async with SteeringServer(path, echo):
        assert mode(path) == 0o600


async def test_a_refusal_names_its_reason(path: Path) -> None:
    async with SteeringServer(path, echo):
        with pytest.raises(Refused, match="that is forbidden"):
            await ask(path, {"forbidden": True}, within=SOON)


@pytest.mark.parametrize(
    "line", [b"[1]\n", b"nonsense\n", b'{"a":NaN}\n', b"\xff\n", b"[" * 9999 + b"\n"]
)
async def test_a_bad_line_gets_an_error_and_the_next_one_an_answer(
    path: Path, line: bytes
) -> None:
    async with SteeringServer(path, echo):
        bad, good = (await raw(path, line + b'{"a":1}\n')).splitlines()
    assert set(json.loads(bad)) == {"error"}
    assert json.loads(good) == {"got": {"a": 1}}


async def test_a_line_beyond_the_limit_ends_the_connection(path: Path) -> None:
    async with SteeringServer(path, echo):
        got = await raw(path, b'"' + b"x" * (LINE_LIMIT + 10) + b'"\n')
        assert json.loads(got) == {"error": "the line is too long"}
        assert await ask(path, {}, within=SOON) == {"got": {}}


async def test_a_client_that_leaves_in_mid_line_harms_nobody(path: Path) -> None:
    async with SteeringServer(path, echo):
        assert await raw(path, b'{"a"') == b""
        _, writer = await asyncio.open_unix_connection(path)
        writer.write(b'{"a":1}\n')
        writer.transport.abort()
        assert await ask(path, {}, within=SOON) == {"got": {}}


async def test_more_clients_than_the_limit_are_hung_up_on(path: Path) -> None:
    async with SteeringServer(path, echo):
        held = []
        for _ in range(CLIENTS_MAX):
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(b"{}\n")
            await reader.readline()
            held.append(writer)
        with pytest.raises(Unavailable):
            await ask(path, {}, within=SOON)
        for writer in held:
            writer.close()


async def test_leaving_hangs_up_and_removes_the_socket(path: Path) -> None:
    async with SteeringServer(path, echo):
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b"{}\n")
        await reader.readline()
    assert await reader.read() == b""
    assert mode(path) is None
    writer.close()


async def test_a_stale_file_is_replaced(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    async with SteeringServer(path, echo):
        assert await ask(path, {}, within=SOON) == {"got": {}}


async def test_a_live_socket_is_not_taken(path: Path) -> None:
    async with SteeringServer(path, echo):
        with pytest.raises(Unavailable, match="already answers"):
            await SteeringServer(path, echo).__aenter__()
        assert await ask(path, {}, within=SOON) == {"got": {}}


async def test_a_path_that_is_too_long_is_named(tmp_path: Path) -> None:
    with pytest.raises(Broken, match="can't be made"):
        await SteeringServer(tmp_path / ("x" * 120), echo).__aenter__()


async def test_nobody_there_is_unavailable(path: Path) -> None:
    with pytest.raises(Unavailable, match="nobody answers"):
        await ask(path, {}, within=SOON)


async def test_one_who_never_answers_is_unavailable_in_time(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(path))
        mute.listen()
        with pytest.raises(Unavailable, match="did not answer within"):
            await ask(path, {}, within=Seconds(0.1))


async def test_one_who_answers_otherwise_is_unavailable(path: Path) -> None:
    async def babble(r: asyncio.StreamReader, w: asyncio.StreamWriter) -> None:
        await r.readline()
        w.write(b"220 hello\n")
        w.close()

    server = await asyncio.start_unix_server(babble, path)
    async with server:
        with pytest.raises(Unavailable, match="no sensible answer"):
            await ask(path, {}, within=SOON)
