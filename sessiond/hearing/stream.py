"""The door to a mount as a listener meets it: one HTTP request, bytes, and a title."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import SplitResult, urlsplit

from sessiond.core.streamtitles import title_reader
from sessiond.errors import Refused, Unavailable
from sessiond.units import Seconds
from sessiond.version import VERSION

# A station answers with its next page at the latest, and a cold Vorbis mount has its
# first one after 2.4 s.
OPEN_WITHIN: Final = Seconds(6.0)

# A silent Vorbis stream has a page every 0.65 s; a mount whose source hangs has none.
QUIET_LIMIT: Final = Seconds(10.0)

_CHUNK_BYTES: Final = 65536
_PORTS: Final[Mapping[str, int]] = {"http": 80, "https": 443}


class TunedIn:
    """A connection on which a mount plays.

    Attributes:
        headers: The answer's, names in lower case.
    """

    def __init__(self, reader: asyncio.StreamReader, headers: dict[str, str]) -> None:
        self._reader = reader
        self._titles = title_reader(headers)
        self.headers = headers

    @property
    def title(self) -> str:
        """What the stream itself says is playing; empty where it says nothing."""
        return self._titles.title

    async def sound(self) -> bytes:
        """Return what came next, without titles in between; empty at the end.

        May be empty of sound only at the end.

        Raises:
            Unavailable: Nothing came for `QUIET_LIMIT`, or the connection broke.
        """
        sound = b""
        while not sound:
            try:
                async with asyncio.timeout(QUIET_LIMIT):
                    chunk = await self._reader.read(_CHUNK_BYTES)
            except TimeoutError as e:
                raise Unavailable(f"no byte came for {QUIET_LIMIT:g} s") from e
            except OSError as e:
                raise Unavailable(f"the connection broke: {e.strerror or e}") from e
            if not chunk:
                return b""
            sound = self._titles.feed(chunk)
        return sound


@asynccontextmanager
async def tuned_in(url: str) -> AsyncGenerator[TunedIn, None]:
    """Listen to a mount until the block ends.

    Raises:
        Refused: `url` is no address of a stream.
        Unavailable: Nobody answers there within `OPEN_WITHIN`, or has no such mount.
    """
    where = split(url)
    writer: asyncio.StreamWriter | None = None
    try:
        try:
            async with asyncio.timeout(OPEN_WITHIN):
                reader, writer = await _connect(where)
                writer.write(_request(where))
                head = await reader.readuntil(b"\r\n\r\n")
        except TimeoutError as e:
            raise Unavailable(f"{url} did not answer in {OPEN_WITHIN:g} s") from e
        except (OSError, asyncio.IncompleteReadError) as e:
            raise Unavailable(f"{url} can't be reached: {_why(e)}") from e
        except asyncio.LimitOverrunError as e:
            raise Unavailable(f"what answers at {url} is no stream") from e
        yield TunedIn(reader, _headers(url, head))
    finally:
        if writer is not None:
            writer.transport.abort()


def split(url: str) -> SplitResult:
    """Return the parts of a stream's address.

    Raises:
        Refused: It is none.
    """
    try:
        where = urlsplit(url)
        _ = where.port
    except ValueError as e:
        raise Refused(f"{url!r} is no address of a stream: {e}.") from e
    if where.scheme not in _PORTS or not where.hostname or not _is_plain(url):
        raise Refused(
            f"{url!r} is no address of a stream.", "Write http://HOST:PORT/MOUNT."
        )
    return where


def _is_plain(url: str) -> bool:
    return url.isascii() and url.isprintable() and " " not in url


async def _connect(
    where: SplitResult,
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(
        where.hostname,
        where.port or _PORTS[where.scheme],
        ssl=ssl.create_default_context() if where.scheme == "https" else None,
    )


def _request(where: SplitResult) -> bytes:
    path = where.path or "/"
    asked = f"{path}?{where.query}" if where.query else path
    host = where.netloc.rpartition("@")[2]
    return (
        f"GET {asked} HTTP/1.0\r\nHost: {host}\r\n"
        f"User-Agent: sessiond/{VERSION}\r\nIcy-MetaData: 1\r\n\r\n"
    ).encode()


def _headers(url: str, head: bytes) -> dict[str, str]:
    """Return the answer's headers.

    Raises:
        Unavailable: It is not the answer of a mount that plays.
    """
    status, *lines = head.decode("latin-1").strip().split("\r\n")
    code = (status.split(maxsplit=2)[1:2] or ["nothing"])[0]
    if code == "404":
        raise Unavailable(f"nothing plays at {url}")
    if code != "200":
        raise Unavailable(f"{url} answers {code}")
    pairs = (line.partition(":") for line in lines)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _why(error: OSError | asyncio.IncompleteReadError) -> str:
    if isinstance(error, asyncio.IncompleteReadError):
        return "it closed the connection"
    return error.strerror or str(error)
