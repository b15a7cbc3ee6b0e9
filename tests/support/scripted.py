"""A server that gives one answer to everybody: for what no real station says."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from tests.support.icecast import ADDRESS


class Scripted:
    """A server that gives one answer to everybody."""

    def __init__(self, answer: bytes, *, hang_up: bool) -> None:
        self.answer = answer
        self.hang_up = hang_up
        self.reads = True
        self.received = bytearray()
        self.port = 0
        self.ended = asyncio.Event()
        self.ends = 0
        self.cut = False
        self._release = asyncio.Event()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Scripted"]:
        server = await asyncio.start_server(self._serve, ADDRESS, 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            self._release.set()
            server.close()
            await server.wait_closed()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.received += head
        writer.write(self.answer)
        if head.startswith(b"GET /admin/"):
            # Told something, no PUT and no listener.
            writer.close()
            return
        if not self.reads:
            await self._release.wait()
        try:
            while not self.hang_up and (chunk := await reader.read(65536)):
                self.received += chunk
        except ConnectionError:
            self.cut = True
        self.ended.set()
        self.ends += 1
        writer.close()


def scripted(answer: bytes, *, hang_up: bool = True) -> Scripted:
    return Scripted(answer, hang_up=hang_up)
