"""A relay before an Icecast that refuses some paths: somebody else's server.

As a program (``python -m tests.support.relay --listen PORT --to PORT REFUSED…``) it
passes every connection on to a port of its own host; a request for a path that begins
with a refused one gets 403. A side that ends, ends the other.
"""

import argparse
import asyncio
import contextlib
import sys
from typing import Final

from sessiond.cli.lab import LabHost, Program
from tests.support.eventually import eventually
from tests.support.jam import ICECAST_PORT

_REFUSAL: Final = (
    b"HTTP/1.0 403 Forbidden\r\nContent-Type: text/plain\r\n\r\nNot for you.\r\n"
)


def start_relay(host: LabHost, behind: int, *refused: str) -> Program:
    """Start a relay on Icecast's usual port of a host; it takes calls on return."""
    program = host.spawn(
        (
            *(sys.executable, "-m", "tests.support.relay"),
            *("--listen", str(ICECAST_PORT), "--to", str(behind), *refused),
        ),
        log="relay",
    )
    eventually(lambda: "ready" in program.text, within=10.0)
    return program


class Relay:
    """Passes connections on; see the module."""

    def __init__(self, behind: int, refused: tuple[str, ...]) -> None:
        self._behind = behind
        self._refused = refused

    async def serve(self, port: int) -> None:
        server = await asyncio.start_server(self._meet, "0.0.0.0", port)
        print("ready", flush=True)  # noqa: T201
        await server.serve_forever()

    async def _meet(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split(b" ", 2)[1].decode("latin-1")
            if path.startswith(self._refused):
                writer.write(_REFUSAL)
            else:
                await self._relay(head, reader, writer)
        writer.close()

    async def _relay(
        self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._behind)
        back.write(head)
        ways = (_carry(reader, back), _carry(there, writer))
        tasks = [asyncio.ensure_future(way) for way in ways]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            back.close()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--listen", type=int, required=True)
    parser.add_argument("--to", type=int, required=True)
    parser.add_argument("refused", nargs="+")
    asked = parser.parse_args()
    asyncio.run(Relay(asked.to, tuple(asked.refused)).serve(asked.listen))


if __name__ == "__main__":
    main()
