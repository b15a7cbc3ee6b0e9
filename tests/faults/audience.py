"""Who listens and looks on while a fault happens, on a thread of their own.

One listener a mount, from before the fault to the end; beside them a look-out that asks
Icecast ten times a second which sources it has, hidden mounts too. On their own
thread, because the story that a row tells waits for commands, and a listener whose
bytes are noted late would hear silence where there was none.
"""

import asyncio
import base64
import http.client
import threading
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack, closing, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self
from xml.etree import ElementTree as ET

from sessiond.cli.lab import LabHost
from sessiond.core.holder import HolderLabel, parse_label
from sessiond.units import Seconds
from tests.support.ear import Heard, listening
from tests.support.eventually import eventually, every
from tests.support.jam import ADMIN_PASSWORD, ICECAST_PORT

# How exactly a row can tell when a mount changed hands; a look costs Icecast 1 ms.
_LOOK_EVERY: Final = Seconds(0.1)

# A mount of Vorbis gives its first byte after 2.4 s.
_FIRST_BYTE_WITHIN: Final = Seconds(15.0)
_LOOK_WITHIN: Final = Seconds(2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """A source that Icecast has accepted; two with the same fields are the same one."""

    host: str
    term: int
    started: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What Icecast said at one moment; `mounts` is None where it said nothing."""

    at: Seconds
    mounts: Mapping[str, Holding] | None


def sources_on(station: LabHost, port: int = ICECAST_PORT) -> dict[str, Holding]:
    """Return each mount's source, hidden ones too; raises OSError."""
    line = http.client.HTTPConnection(station.address, port, timeout=_LOOK_WITHIN)
    line.sock = station.connect(station.address, port, _LOOK_WITHIN)
    line.sock.settimeout(_LOOK_WITHIN)
    word = base64.b64encode(f"admin:{ADMIN_PASSWORD}".encode()).decode()
    with closing(line):
        line.request("GET", "/admin/stats", headers={"Authorization": f"Basic {word}"})
        page = line.getresponse().read()
    return {
        source.get("mount", ""): _holding(source)
        for source in ET.fromstring(page).iter("source")  # noqa: S314  our Icecast's
        # A mount without a source is listed while its fallback has one.
        if source.findtext("stream_start_iso8601")
    }


def _holding(source: ET.Element) -> Holding:
    label = parse_label(source.findtext("server_description", ""))
    host, term = _host_and_term(label)
    started = source.findtext("stream_start_iso8601", "")
    return Holding(host=host, term=term, started=started)


def _host_and_term(label: HolderLabel | None) -> tuple[str, int]:
    return (label.host, int(label.term)) if label else ("", 0)


class Audience:
    """Listeners and look-out of one station, from `__enter__` to `__exit__`.

    Args:
        station: Where Icecast is; they sit on that very host, so that no cable of a
            musician's host is theirs.
        paths: The mounts to listen to.
        port: Icecast's own.

    Attributes:
        ears: What each listener has got so far, by path.
        looks: What the look-out has seen so far.
    """

    def __init__(
        self, station: LabHost, paths: tuple[str, ...], port: int = ICECAST_PORT
    ) -> None:
        self._station = station
        self._port = port
        self._paths = paths
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="audience")
        self.ears: dict[str, Heard] = {}
        self.looks: list[Look] = []

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            eventually(self._all_hear, within=_FIRST_BYTE_WITHIN)
        except AssertionError:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()

    def _end(self) -> None:
        self._over.set()
        self._thread.join()

    def _all_hear(self) -> bool:
        assert self._thread.is_alive(), "the audience has left"
        heard = [self.ears.get(path) for path in self._paths]
        return bool(self.looks) and all(ear and ear.chunks for ear in heard)

    def _run(self) -> None:
        asyncio.run(self._attend())

    async def _attend(self) -> None:
        async with AsyncExitStack() as stack:
            for path in self._paths:
                self.ears[path] = await stack.enter_async_context(
                    listening(
                        self._station.address,
                        self._port,
                        path,
                        connect=self._station.connect,
                    )
                )
            async for _ in every(_LOOK_EVERY):
                self.looks.append(await asyncio.to_thread(self._look))
                if self._over.is_set():
                    return

    def _look(self) -> Look:
        mounts: Mapping[str, Holding] | None = None
        with suppress(OSError, http.client.HTTPException, ET.ParseError):
            mounts = sources_on(self._station, self._port)
        return Look(at=Seconds(time.monotonic()), mounts=mounts)
