"""Keeping the listener page of an own station up to date: `LIVE` beside it.

The page could ask Icecast alone; but that counts our own listeners and tells no titles
of Opus and FLAC, and a file costs it much less than its status page does.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

from agent.bell import TurnBell
from agent.host import Host
from agent.station import web_folder
from sessiond.core.page import LIVE, live_document
from sessiond.core.status import MountStatus, SessionStatus
from sessiond.errors import SessiondError
from sessiond.page import write_anew
from sessiond.units import Seconds

# A new title is to be seen within 3 s, and a page looks every second.
WRITE_EVERY: Final = Seconds(0.75)

_log = structlog.get_logger()


class PageFeed:
    """Writes what the page reads, as long as this host runs a station.

    Args:
        host: This host.
        status: Returns the picture of its session; raises Refused without one.
    """

    def __init__(
        self, *, host: Host, status: Callable[[], Awaitable[SessionStatus]]
    ) -> None:
        self._host = host
        self._status = status
        self._beat = 0
        self._complained = False

    async def run(self) -> None:
        """Write for ever."""
        pause = TurnBell(asyncio.get_running_loop())
        while True:
            await pause.wait(WRITE_EVERY)
            await self.write()

    async def write(self) -> None:
        """Write how the station's mounts are now; does nothing without a station."""
        order = self._host.plan.station
        if order is None:
            return
        mounts: tuple[MountStatus, ...] = ()
        # Between sessions there is the filler at most.
        with suppress(SessiondError):
            mounts = (await self._status()).mounts
        self._beat += 1
        radio = bool(self._host.plan.radio)
        doc = self._host.document
        titles = doc.titles if doc is not None else {}
        text = live_document(order.spec, mounts, titles, beat=self._beat, filler=radio)
        self._store(web_folder(self._host) / LIVE, text)

    def _store(self, file: Path, text: str) -> None:
        # Not before the page itself: a station that ended has taken both away.
        if not file.parent.is_dir():
            return
        try:
            write_anew(file, text.encode())
        except OSError as e:
            if not self._complained:
                _log.warning("page.stale", why=e.strerror)
            self._complained = True
        else:
            self._complained = False
