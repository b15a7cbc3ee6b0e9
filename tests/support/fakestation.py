"""A web server that looks like a station to the listener page, and can be broken."""

import asyncio
import json
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from tests.support.eventually import every
from tests.support.icecast import ADDRESS

# What a listener is handed at once, as by Icecast.
_BURST: Final = 5.0
_BEAT: Final = 0.1
_LENGTH: Final = 60.0

_ENCODERS: Final[Mapping[str, tuple[str, ...]]] = {
    "ogg": ("-c:a", "libvorbis", "-f", "ogg", "-page_duration", "200000"),
    "opus": ("-c:a", "libopus", "-f", "ogg", "-page_duration", "200000"),
    "flac": ("-c:a", "flac", "-f", "ogg", "-page_duration", "200000"),
    "mp3": ("-b:a", "128k", "-f", "mp3"),
}

_TYPES: Final = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".mp3": "audio/mpeg",
}


@cache
def _sine(ending: str, pitch: int) -> bytes:
    """Return a minute of a stereo sine over pink noise, which keeps its bitrate up."""
    sound = f"sine={pitch}:r=48000,volume=4dB[s];anoisesrc=a=0.02:c=pink:r=48000[n]"
    mixed = f"{sound};[s][n]amix=normalize=0,aformat=channel_layouts=stereo"
    argv = (
        "ffmpeg", "-nostdin", "-loglevel", "error", "-f", "lavfi", "-t", f"{_LENGTH:g}",
        "-i", mixed, *_ENCODERS[ending], "pipe:1",
    )  # fmt: skip
    return subprocess.run(argv, check=True, capture_output=True).stdout


@dataclass(slots=True, kw_only=True)
class FakeStation:
    """Serves a folder with the page, its mounts and a status page.

    Attributes:
        mounts: What is on the air: path → the sine's pitch; may change.
        status: The text of the status page.
        asked: How often each path was asked for.
    """

    folder: Path
    mounts: dict[str, int]
    status: str = '{"icestats": {}}'
    asked: Counter[str] = field(default_factory=Counter)
    address: str = ""
    _streams: set[asyncio.StreamWriter] = field(default_factory=set)

    def tell(self, **sources: Mapping[str, Any]) -> None:
        """Have the status page list mounts: NAME=members of its source."""
        listed = [
            {"listenurl": f"http://x/{name.replace('_', '.')}", **members}
            for name, members in sources.items()
        ]
        self.status = json.dumps({"icestats": {"source": listed}})

    def hang_up(self) -> None:
        """End every stream, as a source that ends does."""
        for writer in tuple(self._streams):
            writer.close()

    async def serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split()[1].decode().partition("?")[0]
            self.asked[path] += 1
            await self._answer(path, writer)
        writer.close()

    async def _answer(self, path: str, writer: asyncio.StreamWriter) -> None:
        if path in self.mounts:
            await self._stream(path, writer)
            return
        file = self.folder / (path.removeprefix("/") or "index.html")
        if path == "/status-json.xsl":
            body, kind = self.status.encode(), "application/json"
        elif file.is_file():
            body, kind = file.read_bytes(), _TYPES.get(file.suffix, "text/plain")
        else:
            writer.write(b"HTTP/1.0 404 Not Found\r\n\r\n")
            return
        writer.write(f"HTTP/1.0 200 OK\r\nContent-Type: {kind}\r\n\r\n".encode() + body)
        await writer.drain()

    async def _stream(self, path: str, writer: asyncio.StreamWriter) -> None:
        ending = path.rpartition(".")[2]
        body = await asyncio.to_thread(_sine, ending, self.mounts[path])
        kind = _TYPES.get(f".{ending}", "application/ogg")
        writer.write(f"HTTP/1.0 200 OK\r\nContent-Type: {kind}\r\n\r\n".encode())
        self._streams.add(writer)
        rate, sent, due = len(body) / _LENGTH, 0, _BURST
        try:
            async for _ in every(_BEAT):
                upto = min(len(body), int(rate * due))
                writer.write(body[sent:upto])
                await writer.drain()
                if writer.is_closing() or upto == len(body):
                    return
                sent, due = upto, due + _BEAT
        finally:
            self._streams.discard(writer)


@asynccontextmanager
async def fake_station(
    folder: Path, mounts: dict[str, int]
) -> AsyncIterator[FakeStation]:
    """Run such a server; `folder` holds the page."""
    station = FakeStation(folder=folder, mounts=mounts)
    server = await asyncio.start_server(station.serve, ADDRESS, 0)
    station.address = f"http://{ADDRESS}:{server.sockets[0].getsockname()[1]}"
    try:
        yield station
    finally:
        server.close()
        station.hang_up()
