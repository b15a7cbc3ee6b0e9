"""The door to a station, against a real Icecast."""

import asyncio
import base64
import contextlib
import dataclasses
import os
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from agent.adapters.icecast import IcecastDoor
from agent.adapters.mount_listener import MountListener
from agent.mount_watch import MountWatch
from sessiond.core.election import Evidence, HolderLabel, Role
from sessiond.core.onair import ListenState, MountSeen
from sessiond.core.spec import Codec, HostRef, MountSpec, SessionSpec
from sessiond.core.stamped import Secrets, Station
from sessiond.errors import Broken, Unavailable
from sessiond.units import HostName, Kbps, MountPath, Seconds, SessionName, Term
from tests.support.beat import every
from tests.support.ear import listening
from tests.support.eventually import aeventually
from tests.support.icecast import ADDRESS, RealIcecast, free_port, icecast

pytestmark = pytest.mark.real

PASSWORD = "\ta \"<b>&'c:d#@^%é]]>\n"
OWN_PASSWORD = "-own"
MIX = MountSpec(path=MountPath("/mix.mp3"), codec=Codec.MP3, bitrate_kbps=Kbps(64))
OWN = MountSpec(
    path=MountPath("/own.mp3"),
    codec=Codec.MP3,
    bitrate_kbps=Kbps(64),
    source_user="d j",
)
SPEC = SessionSpec(
    name=SessionName("friday-jam"),
    hosts=(HostRef(name=HostName("alice")),),
    mounts=(MIX, OWN),
)
SECRETS = Secrets(source=PASSWORD, admin="boss", mounts={OWN.path: OWN_PASSWORD})
LABEL = "[session=friday-jam term=7 host=alice role=caretaker]"


class Clock:
    def now(self) -> Seconds:
        return Seconds(time.monotonic())


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
    server: RealIcecast,
    path: str,
    *,
    password: str = PASSWORD,
    user: str = "source",
    headers: str = "",
) -> AsyncIterator[asyncio.StreamWriter]:
    """Hold a mount with an own PUT; Icecast takes any bytes for MP3."""
    reader, writer = await asyncio.open_connection(ADDRESS, server.port)
    token = base64.b64encode(f"{user}:{password}".encode()).decode()
    head = (
        f"PUT {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {token}\r\n"
        f"Content-Type: audio/mpeg\r\nIce-Bitrate: 64\r\n{headers}\r\n"
    )
    writer.write(head.encode())
    try:
        answer = await reader.readline()
        assert b"200" in answer, answer
        yield writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def feeding(writer: asyncio.StreamWriter) -> AbstractAsyncContextManager[None]:
    """Send 64 kbit/s of anything."""

    async def feed() -> None:
        writer.write(bytes(1600))
        await writer.drain()

    return every(0.2, feed)


async def shown(
    door: IcecastDoor, server: RealIcecast, *paths: str
) -> tuple[MountSeen, ...]:
    """Return the mounts once they are these; a source shows a moment after its 200."""
    mounts: tuple[MountSeen, ...] = ()

    async def are_these() -> bool:
        nonlocal mounts
        mounts = await door.mounts(server.station)
        return [mount.path for mount in mounts] == [*paths]

    await aeventually(are_these, within=2)
    return mounts


# --- status ---------------------------------------------------------------------


async def test_without_sources_there_are_no_mounts(
    server: RealIcecast, door: IcecastDoor
) -> None:
    assert await door.mounts(server.station) == ()


async def test_one_source_is_a_mount_with_its_label(
    server: RealIcecast, door: IcecastDoor
) -> None:
    words = f'Ice-Description: the "jam" [live] \\o/ {LABEL}\r\n'
    async with source(server, MIX.path, headers=words):
        (mount,) = await shown(door, server, MIX.path)
    assert mount.path == MIX.path
    assert mount.bitrate_kbps == 64
    assert mount.description == f'the "jam" [live] \\o/ {LABEL}'
    assert mount.stream_start
    assert mount.holder == HolderLabel(
        session=SessionName("friday-jam"),
        term=Term(7),
        host=HostName("alice"),
        role=Role.CARETAKER,
    )


@pytest.mark.parametrize("name", ["007", "1e5", "-", "0x1", 'a"b\\c\u00e9', "{[}"])
async def test_names_and_titles_that_break_the_json_hide_no_mount(
    name: str, server: RealIcecast, door: IcecastDoor
) -> None:
    words = f"Ice-Name: {name}\r\nIce-Genre: {name}\r\nIce-Description: {LABEL}\r\n"
    async with (
        source(server, MIX.path, headers=words),
        source(server, OWN.path, password=OWN_PASSWORD, user="d j", headers=words),
    ):
        mounts = await shown(door, server, MIX.path, OWN.path)
        assert all(mount.description == LABEL for mount in mounts)


async def test_listeners_are_counted(server: RealIcecast, door: IcecastDoor) -> None:
    async with source(server, MIX.path) as writer:
        writer.write(bytes(1600))
        async with listening(ADDRESS, server.port, MIX.path):

            async def counted() -> bool:
                mounts = await door.mounts(server.station)
                return [mount.listeners for mount in mounts] == [1]

            await aeventually(counted, within=3)


async def test_a_hidden_standby_mount_does_not_show(
    server: RealIcecast, door: IcecastDoor
) -> None:
    async with source(server, MIX.standby_path):
        assert await door.mounts(server.station) == ()


async def test_nobody_there_is_unavailable(door: IcecastDoor) -> None:
    with pytest.raises(Unavailable, match="can't be reached"):
        await door.mounts(Station(address=ADDRESS, port=free_port()))


# --- passwords ------------------------------------------------------------------


@pytest.mark.parametrize("busy", [False, True])
async def test_passwords_are_told_right_from_wrong_without_a_source_slot(
    busy: bool, server: RealIcecast, door: IcecastDoor
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        if busy:
            await stack.enter_async_context(source(server, MIX.path))
        await door.check_source_password(
            server.station, MIX.path, user="source", password=PASSWORD
        )
        await door.check_source_password(
            server.station, OWN.path, user="d j", password=OWN_PASSWORD
        )
        for path, user, password in (
            (MIX.path, "source", PASSWORD.strip()),
            (MIX.path, "other", PASSWORD),
            (OWN.path, "d j", PASSWORD),
        ):
            with pytest.raises(Broken, match="wrong user name or password"):
                await door.check_source_password(
                    server.station, path, user=user, password=password
                )
        await shown(door, server, *[MIX.path] * busy)


async def test_the_admin_password_is_told_right_from_wrong(
    server: RealIcecast, door: IcecastDoor
) -> None:
    await door.check_admin_password(server.station, user="admin", password="boss")
    with pytest.raises(Broken, match="administrator"):
        await door.check_admin_password(server.station, user="admin", password="no")


# --- the configuration ----------------------------------------------------------


async def test_it_starts_as_its_own_user_too(door: IcecastDoor, folder: Path) -> None:
    own_user = ("setpriv", "--reuid=icecast2", "--regid=icecast", "--clear-groups")
    prefix = own_user if os.geteuid() == 0 else ()
    async with icecast(SPEC, SECRETS, folder, prefix=prefix) as server:
        assert await door.mounts(server.station) == ()


async def test_a_mount_added_to_the_file_is_taken_on_a_hangup(
    server: RealIcecast,
) -> None:
    late = dataclasses.replace(MIX, path=MountPath("/late.mp3"))
    secrets = dataclasses.replace(SECRETS, mounts={late.path: "later"})
    grown = dataclasses.replace(SPEC, mounts=(MIX, OWN, late))
    server.configure(grown, secrets)
    async with source(server, MIX.path):
        server.hang_up()

        async def accepted() -> bool:
            with contextlib.suppress(AssertionError):
                async with source(server, late.path, password="later"):
                    return True
            return False

        await aeventually(accepted, within=8)


async def test_every_mount_and_its_standby_mount_fit_at_once(
    server: RealIcecast,
) -> None:
    async with (
        source(server, MIX.path),
        source(server, MIX.standby_path),
        source(server, OWN.path, password=OWN_PASSWORD, user="d j"),
        source(server, OWN.standby_path, password=OWN_PASSWORD, user="d j"),
    ):
        pass


async def test_a_standby_mount_that_is_not_there_yet_harms_no_listener(
    server: RealIcecast,
) -> None:
    async with (
        source(server, MIX.path) as writer,
        feeding(writer),
        listening(ADDRESS, server.port, MIX.path) as heard,
    ):
        await aeventually(lambda: len(heard.body) > 10000, within=5)
        assert "200" in heard.status


async def test_listeners_go_to_the_standby_mount_and_come_back(
    server: RealIcecast, door: IcecastDoor
) -> None:
    async def listeners() -> int:
        return sum(mount.listeners for mount in await door.mounts(server.station))

    async with (
        source(server, MIX.standby_path) as standby,
        feeding(standby),
        contextlib.AsyncExitStack() as first,
    ):
        primary = await first.enter_async_context(source(server, MIX.path))
        await first.enter_async_context(feeding(primary))
        async with listening(ADDRESS, server.port, MIX.path) as heard:
            await aeventually(lambda: len(heard.body) > 5000, within=5)
            await first.aclose()
            before = len(heard.body)
            await aeventually(lambda: len(heard.body) > before + 8000, within=5)
            assert await listeners() == 0
            async with source(server, MIX.path) as again, feeding(again):
                before = len(heard.body)
                await aeventually(lambda: len(heard.body) > before + 8000, within=5)
                # They come back when they are moved, and not by themselves.
                assert await listeners() == 0
                await door.move_listeners(
                    server.station,
                    MIX.standby_path,
                    MIX.path,
                    user="source",
                    password=PASSWORD,
                )
                await aeventually(listeners, within=5)
                assert not heard.finished.is_set()


async def test_whoever_listens_to_a_station_with_a_filler_stays_throughout(
    folder: Path, door: IcecastDoor
) -> None:
    async with (
        icecast(SPEC, SECRETS, folder, filler=True) as server,
        contextlib.AsyncExitStack() as station,
    ):
        filler = await station.enter_async_context(source(server, MIX.filler_path))
        await station.enter_async_context(feeding(filler))
        listener = listening(ADDRESS, server.port, MIX.path)
        heard = await station.enter_async_context(listener)

        async def is_heard(path: MountPath) -> bool:
            seen = await door.mount(
                server.station, path, user="source", password=PASSWORD
            )
            return seen is not None and seen.listeners == 1

        await aeventually(lambda: is_heard(MIX.filler_path), within=5)
        await aeventually(lambda: "200" in heard.status, within=5)
        # Nobody has the mount, whatever is heard on it.
        assert await door.mounts(server.station) == ()
        async with source(server, MIX.standby_path) as standby, feeding(standby):
            async with source(server, MIX.path) as primary, feeding(primary):
                assert await is_heard(MIX.filler_path)
                await door.move_listeners(
                    server.station,
                    MIX.filler_path,
                    MIX.path,
                    user="source",
                    password=PASSWORD,
                )
                await aeventually(lambda: is_heard(MIX.path), within=5)
            await aeventually(lambda: is_heard(MIX.standby_path), within=5)
        await aeventually(lambda: is_heard(MIX.filler_path), within=5)
        assert not heard.finished.is_set()


# --- listening ------------------------------------------------------------------


@contextlib.asynccontextmanager
async def watching(server: RealIcecast, door: IcecastDoor) -> AsyncIterator[MountWatch]:
    watch = MountWatch(
        door, server.station, (MIX.path,), clock=Clock(), bell=lambda: None
    )
    watch.watch(closely=True)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(watch.run())
        yield watch
        running.cancel()


async def test_evidence_goes_from_free_to_progressing_to_stalled(
    server: RealIcecast, door: IcecastDoor
) -> None:
    async with watching(server, door) as watch:
        await aeventually(lambda: watch.witnessed().evidence is Evidence.FREE, within=2)
        headers = f"Ice-Description: {LABEL}\r\n"
        async with source(server, MIX.path, headers=headers) as writer:
            async with feeding(writer):
                await aeventually(
                    lambda: watch.witnessed().evidence is Evidence.PROGRESSING,
                    within=4,
                )
                assert watch.witnessed().holder is not None
            await aeventually(
                lambda: watch.witnessed().evidence is Evidence.STALLED, within=4
            )
        await aeventually(lambda: watch.witnessed().evidence is Evidence.FREE, within=2)
        await server.stop()
        await aeventually(
            lambda: watch.witnessed().evidence is Evidence.UNREACHABLE, within=3
        )


async def test_a_verdict_ends_with_its_source(
    server: RealIcecast, door: IcecastDoor
) -> None:
    async with watching(server, door) as watch:
        async with source(server, MIX.path) as writer:
            writer.write(bytes(8000))
            await aeventually(
                lambda: watch.witnessed().evidence is Evidence.STALLED, within=5
            )
        async with source(server, MIX.path) as writer:
            writer.write(bytes(8000))
            await aeventually(
                lambda: watch.witnessed().evidence is Evidence.UNKNOWN, within=2
            )


async def test_a_stall_is_remembered_where_listeners_were_moved_until_it_moves(
    server: RealIcecast, door: IcecastDoor
) -> None:
    async with watching(server, door) as watch, source(server, MIX.path) as writer:
        writer.write(bytes(8000))
        await aeventually(
            lambda: watch.witnessed().evidence is Evidence.STALLED, within=5
        )
        watch.moved(MIX.path)
        with pytest.raises(AssertionError):
            await aeventually(
                lambda: watch.witnessed().evidence is not Evidence.STALLED, within=1
            )
        async with feeding(writer):
            await aeventually(
                lambda: watch.witnessed().evidence is not Evidence.STALLED, within=2
            )


async def test_a_listener_of_an_absent_mount_asks_again(server: RealIcecast) -> None:
    listener = MountListener(server.station, MIX.path, Clock(), lambda: None)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(listener.run())
        await aeventually(
            lambda: listener.listening.state is ListenState.ABSENT, within=2
        )
        async with source(server, MIX.path) as writer:
            writer.write(bytes(8000))
            await aeventually(lambda: listener.listening.bytes_heard, within=3)
            assert listener.listening.state is ListenState.OPEN
        await aeventually(
            lambda: listener.listening.state is not ListenState.OPEN, within=3
        )
        running.cancel()
