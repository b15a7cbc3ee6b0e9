"""A station with sources and listeners of a test's own, real and fake alike."""

import asyncio
import base64
import contextlib
import dataclasses
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final, Protocol

from agent.adapters.icecast import IcecastDoor
from sessiond.core.spec import Codec, HostRef, MountSpec, SessionSpec
from sessiond.core.stamped import Secrets, Station
from sessiond.units import HostName, Kbps, MountPath, SessionName
from tests.support.beat import every
from tests.support.ear import listening
from tests.support.eventually import aeventually
from tests.support.fake_icecast import FakeIcecast, FakeIcecastDoor
from tests.support.icecast import (
    ADDRESS,
    RealIcecast,
    Rewrite,
    as_rendered,
    icecast,
    without_mounts,
)

MIX = MountSpec(path=MountPath("/mix.mp3"), codec=Codec.MP3, bitrate_kbps=Kbps(64))
OWN = dataclasses.replace(MIX, path=MountPath("/own.mp3"), source_user="d j")
SPEC = SessionSpec(
    name=SessionName("friday-jam"),
    hosts=(HostRef(name=HostName("alice")),),
    mounts=(MIX, OWN),
)
PRIMARY: Final = MIX.path
HIDDEN: Final = MIX.standby_path
SECRETS = Secrets(source="hack", admin="boss", mounts={OWN.path: "own"})
LABEL: Final = "[session=friday-jam term=7 host=alice role=standby]"


class Air(Protocol):
    """A station with sources and listeners of the test's own."""

    door: IcecastDoor
    station: Station

    async def put(self, path: MountPath) -> None:
        """Let a source take a mount and feed it."""
        ...

    async def drop(self, path: MountPath) -> None:
        """Let the mount's source end."""
        ...

    async def listen(self, path: MountPath) -> Callable[[], MountPath | None]:
        """Listen, and return what says whose sound was heard last."""
        ...

    async def deny(self) -> None:
        """Have the source's password changed."""
        ...

    async def away(self) -> None:
        """Let the station answer nobody any more."""
        ...


# --- the fake -------------------------------------------------------------------


class FakeAir:
    def __init__(self, *, foreign: bool) -> None:
        self.icecast = FakeIcecast(foreign=foreign)
        self.door: IcecastDoor = FakeIcecastDoor(self.icecast)
        self.station = Station(address=ADDRESS, port=8000)

    async def put(self, path: MountPath) -> None:
        assert self.icecast.put(path, LABEL)

    async def drop(self, path: MountPath) -> None:
        self.icecast.drop(path)

    async def listen(self, path: MountPath) -> Callable[[], MountPath | None]:
        listener = self.icecast.listen(path)
        return lambda: listener.path

    async def deny(self) -> None:
        self.icecast.wrong.add("hack")

    async def away(self) -> None:
        self.icecast.up = False


# --- the real one ---------------------------------------------------------------


@contextlib.asynccontextmanager
async def feeding(server: RealIcecast, path: MountPath) -> AsyncIterator[None]:
    """Feed a mount with 64 kbit/s of its path; Icecast takes any bytes for MP3."""
    reader, writer = await asyncio.open_connection(ADDRESS, server.port)
    token = base64.b64encode(b"source:hack").decode()
    head = (
        f"PUT {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {token}\r\n"
        f"Content-Type: audio/mpeg\r\nIce-Description: {LABEL}\r\n\r\n"
    )

    async def feed() -> None:
        with contextlib.suppress(ConnectionError):
            writer.write(f"<{path}>".encode() * 120)
            await writer.drain()

    try:
        writer.write(head.encode())
        answer = await reader.readline()
        assert b"200" in answer, answer
        async with every(0.2, feed):
            yield
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


class RealAir:
    def __init__(
        self, server: RealIcecast, door: IcecastDoor, stack: contextlib.AsyncExitStack
    ) -> None:
        self.server = server
        self.door = door
        self.station = server.station
        self._stack = stack
        self._sources: dict[MountPath, contextlib.AsyncExitStack] = {}

    async def put(self, path: MountPath) -> None:
        own = contextlib.AsyncExitStack()

        async def taken() -> bool:
            # A mount is free a moment after its source has gone.
            await own.enter_async_context(feeding(self.server, path))
            return True

        await aeventually(taken, within=3)
        await self._stack.enter_async_context(own)
        self._sources[path] = own

    async def drop(self, path: MountPath) -> None:
        await self._sources.pop(path).aclose()

    async def listen(self, path: MountPath) -> Callable[[], MountPath | None]:
        heard = await self._stack.enter_async_context(
            listening(ADDRESS, self.server.port, path)
        )

        def last() -> MountPath | None:
            if heard.finished.is_set():
                return None
            return MountPath(
                heard.body.rpartition(b">")[0].rpartition(b"<")[2].decode()
            )

        await aeventually(last, within=5)
        return last

    async def deny(self) -> None:
        secrets = dataclasses.replace(SECRETS, source="changed")
        self.server.configure(SPEC, secrets)
        self.server.hang_up()

    async def away(self) -> None:
        assert self.server.child is not None
        self.server.child.send_signal(signal.SIGSTOP)


@contextlib.asynccontextmanager
async def real_air(folder: Path, rewrite: Rewrite) -> AsyncIterator[RealAir]:
    async with (
        icecast(SPEC, SECRETS, folder, rewrite=rewrite) as server,
        IcecastDoor() as door,
        contextlib.AsyncExitStack() as stack,
    ):
        yield RealAir(server, door, stack)


@contextlib.asynccontextmanager
async def some_air(kind: str, folder: Path, *, foreign: bool) -> AsyncIterator[Air]:
    if kind == "fake":
        yield FakeAir(foreign=foreign)
        return
    async with real_air(folder, without_mounts if foreign else as_rendered) as made:
        yield made
