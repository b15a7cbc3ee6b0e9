"""This host's own listener on a mount: whether bytes move, since when, and the title.

It decodes nothing and keeps nothing: bytes are counted and dropped.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from typing import Final

from agent.doors import Clock
from sessiond.core.onair import Listening, ListenState
from sessiond.core.stamped import Station
from sessiond.core.streamtitles import TitleReader, title_reader
from sessiond.units import MountPath, Seconds

# A station answers a listener at once or with its next page, seldom after a second.
_OPEN_SECONDS: Final = Seconds(2.0)

# Between tries. A mount without source is asked for again this often, by every voter.
RETRY_SECONDS: Final = Seconds(0.5)

_CHUNK_BYTES: Final = 65536


class MountListener:
    """Listens to one mount for as long as `run` runs.

    Args:
        station: Where Icecast answers.
        path: The mount.
        clock: This host's monotonic clock.
        changed: Called when the listener's state or title changed, not for bytes.
    """

    def __init__(
        self,
        station: Station,
        path: MountPath,
        clock: Clock,
        changed: Callable[[], None],
    ) -> None:
        self._station = station
        self._clock = clock
        self._changed = changed
        self._again = asyncio.Event()
        self._writer: asyncio.StreamWriter | None = None
        self._path = path
        self._state = ListenState.CONNECTING
        self._since = clock.now()
        self._first_at: Seconds | None = None
        self._moved_at: Seconds | None = None
        self._bytes = 0
        self._titles: TitleReader | None = None

    @property
    def listening(self) -> Listening:
        """What is known at this moment."""
        return Listening(
            path=self._path,
            state=self._state,
            since=self._since,
            first_at=self._first_at,
            moved_at=self._moved_at,
            bytes_heard=self._bytes,
            title=self._titles.title if self._titles else "",
        )

    def ask_again(self) -> None:
        """Connect anew: the mount has another source, or Icecast moved us away."""
        self._again.set()
        if self._writer is not None:
            self._writer.transport.abort()

    async def run(self) -> None:
        """Listen, and come back politely when there is nothing to hear."""
        while True:
            self._again.clear()
            self._become(ListenState.CONNECTING)
            self._become(await self._listen())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RETRY_SECONDS):
                    await self._again.wait()

    async def _listen(self) -> ListenState:
        """Listen to the connection's end; returns what became of it."""
        self._first_at = self._moved_at = None
        self._bytes, self._titles = 0, None
        try:
            async with asyncio.timeout(_OPEN_SECONDS):
                reader, self._writer = await self._connect()
        except (OSError, TimeoutError):
            return ListenState.UNREACHABLE
        try:
            return await self._hear(reader)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            return ListenState.CLOSED
        except asyncio.LimitOverrunError:
            return ListenState.ABSENT
        finally:
            self._writer.transport.abort()
            self._writer = None

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        station = self._station
        reader, writer = await asyncio.open_connection(
            station.address,
            station.port,
            ssl=ssl.create_default_context() if station.tls else None,
        )
        request = (
            f"GET {self._path} HTTP/1.0\r\nHost: {station.address}:{station.port}\r\n"
            "User-Agent: sessiond\r\nIcy-MetaData: 1\r\n\r\n"
        )
        writer.write(request.encode())
        return reader, writer

    async def _hear(self, reader: asyncio.StreamReader) -> ListenState:
        # The head of an accepted listener may come only with the first page.
        head = await reader.readuntil(b"\r\n\r\n")
        if head.split(maxsplit=2)[1:2] != [b"200"]:
            return ListenState.ABSENT
        self._titles = title_reader(_headers(head))
        self._become(ListenState.OPEN)
        while chunk := await reader.read(_CHUNK_BYTES):
            self._moved_at = self._clock.now()
            self._first_at = self._first_at or self._moved_at
            self._bytes += len(chunk)
            before = self._titles.title
            self._titles.feed(chunk)
            if self._titles.title != before:
                self._changed()
        return ListenState.CLOSED

    def _become(self, state: ListenState) -> None:
        if state is not self._state:
            self._state, self._since = state, self._clock.now()
            self._changed()


def _headers(head: bytes) -> dict[str, str]:
    """Return an answer's headers, names in lower case."""
    lines = head.decode("latin-1").split("\r\n")[1:]
    pairs = (line.partition(":") for line in lines)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}
