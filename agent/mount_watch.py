"""Watching mounts: listeners of our own and Icecast's status, together."""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from agent.adapters.icecast import IcecastDoor
from agent.adapters.mount_listener import MountListener
from agent.doors import Bell, Clock
from sessiond.core.election import Evidence, MountWitnessed
from sessiond.core.onair import STALL_SECONDS, ListenState, MountSeen, witness
from sessiond.core.stamped import Station
from sessiond.core.titles import TitleHeard, heard_title
from sessiond.errors import Unavailable
from sessiond.units import MountPath, Seconds

# election.md, "Evidence": while the leader is suspect.
WATCHING_SECONDS: Final = Seconds(0.25)
# Otherwise, as long as nothing is heard of the mount.
RESTING_SECONDS: Final = Seconds(2.0)
# While bytes come, which says that Icecast is there: the status only tells when the
# mount has got another source. Each reading takes 3 ms of processor time.
HEARING_SECONDS: Final = Seconds(4.0)
# A burst comes in one go; on a slow line, where it does not, a verdict is formed anew.
FIRST_BYTES_SECONDS: Final = Seconds(0.25)


class MountWatch:
    """Witnesses a session's mounts for as long as `run` runs.

    The primary mount is always listened to; the others only by who may have to take
    them over, since a stall shows only on a connection that was open before.

    Args:
        door: Shared with the rest of the agent.
        station: Where Icecast answers.
        paths: The mounts, the primary first.
        clock: This host's monotonic clock.
        bell: Rung when the primary's evidence or source may have changed.

    Attributes:
        mounts: Icecast's status at its last reading; None when it did not answer.
    """

    def __init__(
        self,
        door: IcecastDoor,
        station: Station,
        paths: tuple[MountPath, ...],
        *,
        clock: Clock,
        bell: Bell,
    ) -> None:
        self._door = door
        self._station = station
        self._primary, *self._others = paths
        self._clock = clock
        self._bell = bell
        self._hurry = asyncio.Event()
        self._watching = False
        self._group: asyncio.TaskGroup | None = None
        self._tasks: dict[MountPath, asyncio.Task[None]] = {}
        self._listeners = {self._primary: self._listener(self._primary)}
        self._stream_starts: dict[MountPath, str] = {}
        self._stalled: dict[MountPath, str | None] = {}
        self._titles: dict[MountPath, TitleHeard] = {}
        self._read_at = self._answering_since = clock.now()
        self.mounts: tuple[MountSeen, ...] | None = None

    def watch(self, *, closely: bool, everywhere: bool = False) -> None:
        """Read the status every 0.25 s or no longer; listen to the others or not."""
        if closely and not self._watching:
            self._hurry.set()
        self._watching = closely
        wanted = self._others if everywhere else ()
        for path in self._listeners.keys() - {self._primary, *wanted}:
            del self._listeners[path]
            if (task := self._tasks.pop(path, None)) is not None:
                task.cancel()
        for path in wanted:
            if path not in self._listeners:
                self._listeners[path] = self._listener(path)
        self._start()

    def witnessed(self, path: MountPath | None = None) -> MountWitnessed:
        """Return the evidence of a mount, by default the primary, as of now."""
        path = path or self._primary
        listener = self._listeners.get(path)
        seen = witness(
            listener.listening if listener else None,
            self.mounts,
            path=path,
            now=self._clock.now(),
            answering_since=self._answering_since,
        )
        return self._remembered(path, seen)

    def titles(self, wanted: Mapping[MountPath, str]) -> Mapping[MountPath, TitleHeard]:
        """Return the titles that our listeners see now.

        Args:
            wanted: Those that were asked for, by mount.
        """
        now, before, self._titles = self._clock.now(), self._titles, {}
        ours = {seen.path for seen in self.mounts or () if seen.holder is not None}
        for path, listener in self._listeners.items():
            heard = heard_title(
                before.get(path),
                listener.listening,
                wanted.get(path, ""),
                now,
                ours=path in ours,
            )
            if heard is not None:
                self._titles[path] = heard
        return dict(self._titles)

    def verdict_due(self) -> Seconds:
        """Return in how long the primary will have stalled if no byte comes.

        The rank of who stands is worth 0.15 s: a look every 0.25 s would blur it.
        """
        heard = self._listeners[self._primary].listening
        if heard.state is not ListenState.OPEN or heard.moved_at is None:
            return RESTING_SECONDS
        left = heard.moved_at + STALL_SECONDS - self._clock.now()
        return Seconds(left) if left > 0 else RESTING_SECONDS

    def moved(self, path: MountPath) -> None:
        """Ask a mount again whose listeners were moved away, ours among them."""
        if (listener := self._listeners.get(path)) is not None:
            listener.ask_again()

    def _remembered(self, path: MountPath, seen: MountWitnessed) -> MountWitnessed:
        """Keep a stalled source's verdict while a new listener can't tell yet."""
        if seen.evidence is Evidence.STALLED:
            self._stalled[path] = seen.stream_start
        elif seen.evidence is not Evidence.UNKNOWN or self._moves(path):
            self._stalled.pop(path, None)
        elif path in self._stalled and self._stalled[path] == seen.stream_start:
            return replace(seen, evidence=Evidence.STALLED)
        return seen

    def _moves(self, path: MountPath) -> bool:
        """Tell whether a new listener got more than what a stalled mount hands out."""
        heard = self._listeners[path].listening if path in self._listeners else None
        if heard is None or heard.first_at is None or heard.moved_at is None:
            return False
        return heard.moved_at - heard.first_at > FIRST_BYTES_SECONDS

    async def run(self) -> None:
        """Listen and read the status for ever."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            self._start()
            group.create_task(self._read())

    def _listener(self, path: MountPath) -> MountListener:
        return MountListener(self._station, path, self._clock, self._listener_changed)

    def _start(self) -> None:
        """Start the listeners that do not run yet."""
        if self._group is None:
            return
        for path in self._listeners.keys() - self._tasks.keys():
            listening = self._listeners[path].run()
            self._tasks[path] = self._group.create_task(listening)

    async def _read(self) -> None:
        rung_for = self.witnessed()
        while True:
            asked_at = self._clock.now()
            answered = self.mounts is not None
            self.mounts = await self._look()
            if not answered:
                self._answering_since = self._clock.now()
            self._follow_sources(self._read_at)
            self._read_at = asked_at
            if (witnessed := self.witnessed()) != rung_for:
                rung_for = witnessed
                self._bell()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pause(witnessed)):
                    await self._hurry.wait()
            self._hurry.clear()

    def _pause(self, witnessed: MountWitnessed) -> Seconds:
        if self._watching:
            return WATCHING_SECONDS
        hears = witnessed.evidence is Evidence.PROGRESSING
        return HEARING_SECONDS if hears else RESTING_SECONDS

    def _listener_changed(self) -> None:
        """Read the status at once when a stream has ended."""
        states = {each.listening.state for each in self._listeners.values()}
        if ListenState.CLOSED in states:
            self._hurry.set()
        self._bell()

    async def _look(self) -> tuple[MountSeen, ...] | None:
        try:
            return await self._door.mounts(self._station)
        except Unavailable:
            return None

    def _follow_sources(self, known_until: Seconds) -> None:
        """Listen anew where another source has the mount: a verdict belongs to one.

        A listener that opened after the last reading came to the new source itself.
        """
        seen = {mount.path: mount.stream_start for mount in self.mounts or ()}
        for path, listener in self._listeners.items():
            start = seen.get(path, "")
            if not start or start == self._stream_starts.get(path):
                continue
            self._stream_starts[path] = start
            heard = listener.listening
            if heard.state is not ListenState.OPEN or heard.since < known_until:
                listener.ask_again()
