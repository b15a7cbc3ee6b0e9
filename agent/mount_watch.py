"""Watching the primary mount: a listener of our own and Icecast's status, together."""

import asyncio
import contextlib
from typing import Final

from agent.adapters.icecast import IcecastDoor
from agent.adapters.mount_listener import MountListener
from agent.doors import Bell, Clock
from sessiond.core.election import Evidence, MountWitnessed
from sessiond.core.onair import ListenState, MountSeen, witness
from sessiond.core.stamped import Station
from sessiond.errors import Unavailable
from sessiond.units import MountPath, Seconds

# election.md, "Evidence": while the leader is suspect.
WATCHING_SECONDS: Final = Seconds(0.25)
# Otherwise, as long as nothing is heard of the mount.
RESTING_SECONDS: Final = Seconds(2.0)
# While bytes come, which says that Icecast is there: the status only tells when the
# mount has got another source. Each reading takes 3 ms of processor time.
HEARING_SECONDS: Final = Seconds(4.0)


class MountWatch:
    """Witnesses one mount for as long as `run` runs.

    Args:
        door: Shared with the rest of the agent.
        station: Where Icecast answers.
        path: The primary mount.
        clock: This host's monotonic clock.
        bell: Rung when the evidence or the source may have changed.

    Attributes:
        mounts: Icecast's status at its last reading; None when it did not answer.
    """

    def __init__(
        self,
        door: IcecastDoor,
        station: Station,
        path: MountPath,
        *,
        clock: Clock,
        bell: Bell,
    ) -> None:
        self._door = door
        self._station = station
        self._path = path
        self._clock = clock
        self._bell = bell
        self._hurry = asyncio.Event()
        self._watching = False
        self._listener = MountListener(station, path, clock, self._listener_changed)
        self._stream_start = ""
        self._read_at = clock.now()
        self.mounts: tuple[MountSeen, ...] | None = None

    def watch(self, *, closely: bool) -> None:
        """Read the status every 0.25 s, or no longer."""
        if closely and not self._watching:
            self._hurry.set()
        self._watching = closely

    def witnessed(self) -> MountWitnessed:
        """Return the evidence as of now."""
        return witness(
            self._listener.listening,
            self.mounts,
            path=self._path,
            now=self._clock.now(),
        )

    async def run(self) -> None:
        """Listen and read the status for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listener.run())
            group.create_task(self._read())

    async def _read(self) -> None:
        rung_for = self.witnessed()
        while True:
            asked_at = self._clock.now()
            self.mounts = await self._look()
            self._follow_source(self._read_at)
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
        """Read the status at once when the stream has ended."""
        if self._listener.listening.state is ListenState.CLOSED:
            self._hurry.set()
        self._bell()

    async def _look(self) -> tuple[MountSeen, ...] | None:
        try:
            return await self._door.mounts(self._station)
        except Unavailable:
            return None

    def _follow_source(self, known_until: Seconds) -> None:
        """Listen anew when another source has the mount: a verdict belongs to one.

        A listener that opened after the last reading came to the new source itself.
        """
        seen = {mount.path: mount.stream_start for mount in self.mounts or ()}
        start = seen.get(self._path, "")
        if not start or start == self._stream_start:
            return
        self._stream_start = start
        heard = self._listener.listening
        if heard.state is not ListenState.OPEN or heard.since < known_until:
            self._listener.ask_again()
