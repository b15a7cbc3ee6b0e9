"""The admin calls of the door to a station, against a real Icecast."""

import asyncio
import base64
import contextlib
import dataclasses
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from agent.adapters.icecast import IcecastDoor
from sessiond.core.spec import Codec, HostRef, MountSpec, SessionSpec
from sessiond.core.stamped import Secrets
from sessiond.errors import Broken, Refused, Unavailable
from sessiond.units import HostName, Kbps, MountPath, SessionName
from tests.support.beat import every
from tests.support.ear import listening
from tests.support.eventually import aeventually
from tests.support.icecast import ADDRESS, RealIcecast, icecast

pytestmark = pytest.mark.real

MIX = MountSpec(path=MountPath("/mix.mp3"), codec=Codec.MP3, bitrate_kbps=Kbps(64))
OWN = dataclasses.replace(MIX, path=MountPath("/own.mp3"), source_user="d j")
SPEC = SessionSpec(
    name=SessionName("friday-jam"),
    hosts=(HostRef(name=HostName("alice")),),
    mounts=(MIX, OWN),
)
SECRETS = Secrets(source="hack", admin="boss", mounts={OWN.path: "own"})


@pytest.fixture
def folder() -> Iterator[Path]:
    """Make a folder that Icecast's own user can look into; pytest's are private."""
    with tempfile.TemporaryDirectory() as name:
        made = Path(name)
        made.chmod(0o755)
        yield made


@pytest.fixture
async def server(folder: Path) -> AsyncIterator[RealIcecast]:
    async with icecast(SPEC, SECRETS, folder) as made:
        yield made


@pytest.fixture
async def door() -> AsyncIterator[IcecastDoor]:
    async with IcecastDoor() as made:
        yield made


@contextlib.asynccontextmanager
async def source(
    server: RealIcecast, path: str, letter: bytes
) -> AsyncIterator[asyncio.StreamWriter]:
    """Feed a mount with 64 kbit/s of one letter; Icecast takes any bytes for MP3."""
    reader, writer = await asyncio.open_connection(ADDRESS, server.port)
    token = base64.b64encode(b"source:hack").decode()
    head = (
        f"PUT {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {token}\r\n"
        "Content-Type: audio/mpeg\r\nIce-Bitrate: 64\r\n\r\n"
    )

    async def feed() -> None:
        with contextlib.suppress(ConnectionError):
            writer.write(letter * 1600)
            await writer.drain()

    try:
        writer.write(head.encode())
        answer = await reader.readline()
        assert b"200" in answer, answer
        async with every(0.2, feed):
            yield writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def started(door: IcecastDoor, server: RealIcecast, path: str) -> str:
    """Return the ``stream_start`` of the source on a mount once it shows."""

    async def seen() -> str:
        mounts = await door.mounts(server.station)
        return "".join(m.stream_start for m in mounts if m.path == path)

    return await aeventually(seen, within=3)


async def kill(door: IcecastDoor, server: RealIcecast, stream_start: str) -> None:
    await door.kill_source(
        server.station,
        MIX.path,
        user="source",
        password="hack",
        stream_start=stream_start,
    )


async def move(door: IcecastDoor, server: RealIcecast, path: str, to: str) -> None:
    await door.move_listeners(
        server.station,
        MountPath(path),
        MountPath(to),
        user="source",
        password="hack",
    )


async def test_a_killed_source_hands_its_listeners_to_the_standby_mount(
    server: RealIcecast, door: IcecastDoor
) -> None:
    async with (
        source(server, MIX.standby_path, b"B"),
        source(server, MIX.path, b"A"),
        listening(ADDRESS, server.port, MIX.path) as heard,
    ):
        await aeventually(lambda: b"A" in heard.body, within=5)
        await kill(door, server, await started(door, server, MIX.path))
        await aeventually(lambda: b"B" in heard.body, within=5)
        assert not heard.finished.is_set()
        async with source(server, MIX.path, b"C"):
            await aeventually(lambda: b"C" in heard.body, within=5)


async def test_only_the_source_that_was_judged_is_killed(
    server: RealIcecast, door: IcecastDoor
) -> None:
    await kill(door, server, "free is fine")
    async with source(server, MIX.path, b"A"):
        start = await started(door, server, MIX.path)
        with pytest.raises(Refused, match="Another source has"):
            await kill(door, server, "another")
        assert await started(door, server, MIX.path) == start


async def test_listeners_are_moved_to_a_mount_that_has_a_source_only(
    server: RealIcecast, door: IcecastDoor
) -> None:
    async with (
        source(server, MIX.standby_path, b"B"),
        listening(ADDRESS, server.port, MIX.standby_path) as heard,
    ):
        await aeventually(lambda: b"B" in heard.body, within=5)
        with pytest.raises(Unavailable, match="has no source"):
            await move(door, server, MIX.standby_path, MIX.path)
        async with source(server, MIX.path, b"A"):
            await started(door, server, MIX.path)
            await move(door, server, MIX.standby_path, MIX.path)
            await aeventually(lambda: b"A" in heard.body, within=5)


async def test_listeners_of_a_hidden_mount_are_counted(
    server: RealIcecast, door: IcecastDoor
) -> None:
    async def count() -> int | None:
        return await door.listeners(
            server.station, MIX.standby_path, user="source", password="hack"
        )

    async def counted() -> tuple[int, ...]:
        found = await count()
        return () if found is None else (found,)

    async def one() -> bool:
        return await count() == 1

    assert await count() is None
    async with source(server, MIX.standby_path, b"B"):
        assert await aeventually(counted, within=3) == (0,)
        async with listening(ADDRESS, server.port, MIX.standby_path):
            await aeventually(one, within=3)


async def test_a_wrong_password_is_said_plainly(
    server: RealIcecast, door: IcecastDoor
) -> None:
    async with source(server, MIX.path, b"A"):
        start = await started(door, server, MIX.path)
        with pytest.raises(Broken, match="does not let the source's user source end"):
            await door.kill_source(
                server.station,
                MIX.path,
                user="source",
                password="wrong",
                stream_start=start,
            )
        with pytest.raises(Broken, match="does not let the source's user d j set"):
            await door.set_fallback(
                server.station,
                MIX.path,
                MIX.standby_path,
                user="d j",
                password="own",
            )
        await door.set_fallback(
            server.station,
            MIX.path,
            MIX.standby_path,
            user="source",
            password="hack",
        )
