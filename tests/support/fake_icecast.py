"""A fake Icecast and the fake of the door to it; both pass the real one's contract.

Tests steer it by what the world would do: a source takes a mount or ends, somebody
listens, the station goes away. It knows no bytes: a listener hears whichever source
Icecast has attached it to.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from agent.adapters.icecast import IcecastDoor
from sessiond.core.onair import MountSeen
from sessiond.core.stamped import Station
from sessiond.errors import Broken, Refused, Unavailable
from sessiond.units import MountPath


@dataclass(slots=True, eq=False)
class FakeListener:
    """Somebody who listens; `path` is the mount it is on, None once dropped."""

    path: MountPath | None


@dataclass(slots=True, kw_only=True)
class _Source:
    """A source on a mount; what was set at run time ends with it."""

    seen: MountSeen
    fallback: MountPath | None


# How a mount's hidden standby mount is named (interfaces, "Names").
_STANDBY: Final = "-standby."
# Likewise what plays there while nobody does.
_FILLER: Final = "-filler."


class FakeIcecast:
    """A station; it survives agents.

    Args:
        foreign: Its configuration knows nothing of our mounts. Ours makes a mount and
            its hidden standby mount each other's fallback, neither with override.

    Attributes:
        up: Whether anybody answers.
        wrong: Passwords that it denies.
        rights: Whether the source's password suffices for the admin calls.
    """

    def __init__(self, *, foreign: bool = False) -> None:
        self.up = True
        self.wrong: set[str] = set()
        self.rights = True
        self._foreign = foreign
        self._sources: dict[MountPath, _Source] = {}
        self._listeners: list[FakeListener] = []
        self._started = 0

    @property
    def mounts(self) -> Mapping[MountPath, MountSeen]:
        """Every mount that has a source, hidden ones too."""
        return {path: self._counted(path) for path in self._sources}

    def hidden(self, path: MountPath) -> bool:
        """Whether the status leaves this mount out."""
        return (_STANDBY in path or _FILLER in path) and not self._foreign

    def put(self, path: MountPath, description: str = "") -> bool:
        """Let a source ask for a mount; False when another has it."""
        if path in self._sources:
            return False
        self._started += 1
        seen = MountSeen(
            path=path, description=description, stream_start=str(self._started)
        )
        self._sources[path] = _Source(seen=seen, fallback=self._configured(path))
        return True

    def drop(self, path: MountPath) -> None:
        """Let a source end, however; without one, do nothing."""
        source = self._sources.pop(path, None)
        if source is not None:
            self._move(path, self._found(source.fallback))

    def listen(self, path: MountPath) -> FakeListener:
        """Let somebody listen; on its fallback while the mount has no source."""
        listener = FakeListener(self._found(path))
        self._listeners.append(listener)
        return listener

    def leave(self, listener: FakeListener) -> None:
        """Let a listener go."""
        listener.path = None

    def move(self, path: MountPath, to: MountPath) -> None:
        """Move listeners as ``/admin/moveclients`` does; raises Unavailable."""
        found = self._found(to)
        if path not in self._sources:
            raise Unavailable(f"{path} has no source.")
        if found is None or found == path:
            raise Unavailable(f"{to} has no source.")
        self._move(path, found)

    def set_fallback(self, path: MountPath, fallback: MountPath) -> None:
        """Set it as ``/admin/fallbacks`` does; raises Unavailable."""
        if path not in self._sources:
            raise Unavailable(f"{path} has no source.")
        self._sources[path].fallback = fallback

    def _counted(self, path: MountPath) -> MountSeen:
        count = sum(listener.path == path for listener in self._listeners)
        return replace(self._sources[path].seen, listeners=count)

    def _configured(self, path: MountPath) -> MountPath | None:
        if self._foreign:
            return None
        if _STANDBY in path:
            return MountPath(path.replace(_STANDBY, "."))
        return MountPath(_STANDBY.join(path.rsplit(".", 1)))

    def _found(self, path: MountPath | None) -> MountPath | None:
        """Return the mount with a source that answers for `path`."""
        if path in self._sources:
            return path
        fallback = None if path is None else self._configured(path)
        return fallback if fallback in self._sources else None

    def _move(self, path: MountPath, to: MountPath | None) -> None:
        for listener in self._listeners:
            if listener.path == path:
                listener.path = to


class FakeIcecastDoor(IcecastDoor):
    """An agent's door to a `FakeIcecast`."""

    def __init__(self, icecast: FakeIcecast) -> None:
        self._icecast = icecast

    async def close(self) -> None:
        pass

    async def mounts(self, station: Station) -> tuple[MountSeen, ...]:
        self._reach(station)
        seen = sorted(self._icecast.mounts.items())
        return tuple(mount for path, mount in seen if not self._icecast.hidden(path))

    async def check_source_password(
        self, station: Station, path: MountPath, *, user: str, password: str
    ) -> None:
        self._reach(station)
        if password in self._icecast.wrong:
            raise Broken(f"Icecast denies {path} to the user {user}.", "Look it up.")

    async def check_admin_password(
        self, station: Station, *, user: str, password: str
    ) -> None:
        self._reach(station)
        if password in self._icecast.wrong:
            raise Broken(f"Icecast does not know {user}.", "Look it up.")

    async def mount(
        self, station: Station, path: MountPath, *, user: str, password: str
    ) -> MountSeen | None:
        self._allow(station, user, password, "see", path)
        return self._icecast.mounts.get(path)

    async def kill_source(
        self,
        station: Station,
        path: MountPath,
        *,
        user: str,
        password: str,
        stream_start: str,
    ) -> None:
        self._allow(station, user, password, "end the source of", path)
        seen = self._icecast.mounts.get(path)
        if seen is not None and seen.stream_start != stream_start:
            raise Refused(f"Another source has {path} now.")
        self._icecast.drop(path)

    async def move_listeners(
        self,
        station: Station,
        path: MountPath,
        to: MountPath,
        *,
        user: str,
        password: str,
    ) -> None:
        self._allow(station, user, password, "move the listeners of", path)
        self._icecast.move(path, to)

    async def set_fallback(
        self,
        station: Station,
        path: MountPath,
        fallback: MountPath,
        *,
        user: str,
        password: str,
    ) -> None:
        self._allow(station, user, password, "set the fallback of", path)
        self._icecast.set_fallback(path, fallback)

    def _reach(self, station: Station) -> None:
        if not self._icecast.up:
            raise Unavailable(f"Icecast at {station.address} did not answer.")

    def _allow(
        self, station: Station, user: str, password: str, what: str, path: MountPath
    ) -> None:
        self._reach(station)
        if password in self._icecast.wrong or not self._icecast.rights:
            raise Broken(
                f"Icecast does not let the source's user {user} {what} {path}."
            )
