"""What a station is asked to do with mounts: end a source, move listeners.

Nothing here is needed for the music to go on, so nothing here raises: what Icecast
refuses is kept as a sentence for status, what fails otherwise is logged and, where it
still matters, tried again by the caller's next look.
"""

from collections.abc import Awaitable
from typing import Protocol

import structlog

from agent.host import Host
from sessiond.core.spec import MountSpec
from sessiond.core.stamped import StampedSpec, Station
from sessiond.errors import Broken, SessiondError
from sessiond.units import MountPath

_log = structlog.get_logger()


class StationAdmin(Protocol):
    """The admin calls of `agent.adapters.icecast.IcecastDoor`."""

    async def kill_source(
        self,
        station: Station,
        path: MountPath,
        *,
        user: str,
        password: str,
        stream_start: str,
    ) -> None:
        """End this very source."""
        ...

    async def move_listeners(
        self,
        station: Station,
        path: MountPath,
        to: MountPath,
        *,
        user: str,
        password: str,
    ) -> None:
        """Move all listeners of a mount to another."""
        ...

    async def set_fallback(
        self,
        station: Station,
        path: MountPath,
        fallback: MountPath,
        *,
        user: str,
        password: str,
    ) -> None:
        """Say where a mount's listeners go when its source ends."""
        ...


class MountAdmin:
    """Asks on behalf of a session's document.

    Args:
        door: The station's.
        host: Has the passwords, and is told why Icecast denies what is asked.
    """

    def __init__(self, door: StationAdmin, host: Host) -> None:
        self._door = door
        self._host = host

    async def end_source(
        self, doc: StampedSpec, mount: MountSpec, stream_start: str
    ) -> bool:
        """End the source of a mount that was judged by its ``stream_start``.

        Returns:
            False when it is worth trying again.
        """
        if doc.station is None:
            return False
        user, password = self._credentials(doc, mount)
        call = self._door.kill_source(
            doc.station,
            mount.path,
            user=user,
            password=password,
            stream_start=stream_start,
        )
        ended = await self._asked("source.ended", mount, call)
        if ended:
            _log.warning("source.ended", mount=mount.path, stream_start=stream_start)
        return ended or bool(self._host.station_denied)

    async def join_seats(self, doc: StampedSpec, mount: MountSpec) -> None:
        """Make the hidden mount the fallback of the mount that was just taken.

        Icecast's configuration may say so already; a foreign one does not, and what
        is said here lasts as long as the source.
        """
        if doc.station is None:
            return
        user, password = self._credentials(doc, mount)
        call = self._door.set_fallback(
            doc.station,
            mount.path,
            mount.standby_path,
            user=user,
            password=password,
        )
        await self._asked("fallback.set", mount, call)

    async def bring_back(self, doc: StampedSpec, mount: MountSpec) -> bool:
        """Move the listeners of the hidden mount to the mount itself.

        Returns:
            False when it is worth trying again.
        """
        way = (mount.standby_path, mount.path)
        moved = await self._moved("listeners.back", doc, mount, way)
        return moved or bool(self._host.station_denied)

    async def call_in(self, doc: StampedSpec, mount: MountSpec) -> None:
        """Move the listeners of the filler, which plays in between, to the mount.

        Not every station has one, and what a station without one says matters nothing.
        """
        if doc.station is None:
            return
        user, password = self._credentials(doc, mount)
        try:
            await self._door.move_listeners(
                doc.station,
                mount.filler_path,
                mount.path,
                user=user,
                password=password,
            )
        except SessiondError as e:
            _log.debug("listeners.in.not", mount=mount.path, why=e.sentence)

    async def rescue(self, doc: StampedSpec, mount: MountSpec) -> None:
        """Move the listeners of a mount that has stalled to its hidden mount."""
        way = (mount.path, mount.standby_path)
        if await self._moved("listeners.rescued", doc, mount, way):
            _log.warning("listeners.rescued", mount=mount.path)

    async def _moved(
        self,
        what: str,
        doc: StampedSpec,
        mount: MountSpec,
        way: tuple[MountPath, MountPath],
    ) -> bool:
        if doc.station is None:
            return False
        user, password = self._credentials(doc, mount)
        call = self._door.move_listeners(
            doc.station, *way, user=user, password=password
        )
        return await self._asked(what, mount, call)

    def _credentials(self, doc: StampedSpec, mount: MountSpec) -> tuple[str, str]:
        server = doc.spec.icecast
        user = mount.source_user or (server.source_user if server else "source")
        there = doc.station
        if there is None:
            return user, ""
        word = self._host.password(mount.path, there.address, there.port, tls=there.tls)
        return user, word or ""

    async def _asked(self, what: str, mount: MountSpec, call: Awaitable[None]) -> bool:
        try:
            await call
        except Broken as e:
            self._host.station_denied = e.sentence
            _log.warning(f"{what}.denied", mount=mount.path, why=e.sentence)
            return False
        except SessiondError as e:
            _log.info(f"{what}.not", mount=mount.path, why=e.sentence)
            return False
        self._host.station_denied = ""
        return True
