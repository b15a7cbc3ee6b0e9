"""Carries TCP connections from this machine's own network to a host of the lab."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import AsyncIterator, Callable
from typing import Final

from sessiond.errors import Unavailable

_LOOPBACK: Final = "127.0.0.1"
_BLOCK: Final = 65536


def claim_port(port: int) -> socket.socket:
    """Return a listening socket on a port of 127.0.0.1.

    Raises:
        Unavailable: Another program listens there, or this user may not.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # A demo that ended a moment ago must not keep the next one waiting.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((_LOOPBACK, port))
        listener.listen()
    except OSError as e:
        listener.close()
        why = "is busy" if e.errno == errno.EADDRINUSE else f"can't be used: {e}"
        raise Unavailable(
            f"Port {port} of this machine {why}.", "Choose another one with --port."
        ) from e
    return listener


@contextlib.asynccontextmanager
async def relaying(
    listener: socket.socket, connect: Callable[[], socket.socket]
) -> AsyncIterator[None]:
    """Relay whoever connects to `listener` until the block ends.

    Args:
        listener: Closed at the end.
        connect: Opens the other half, in a thread; its OSError ends that connection.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _relay(reader, writer, connect)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, sock=listener)
    # Not `async with`: from Python 3.12.1 on it waits for listeners who never leave.
    try:
        yield
    finally:
        server.close()


async def _relay(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    connect: Callable[[], socket.socket],
) -> None:
    # A listener who leaves in the middle is no news.
    with contextlib.suppress(OSError):
        far = await asyncio.to_thread(connect)
        far.setblocking(False)  # noqa: FBT003  the socket module's own way
        far_reader, far_writer = await asyncio.open_connection(sock=far)
        try:
            await _both_ways((reader, far_writer), (far_reader, writer))
        finally:
            far_writer.close()


Way = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _both_ways(there: Way, back: Way) -> None:
    """Copy until either side ends; HTTP needs no half-closed connections."""
    copies = [asyncio.ensure_future(_copy(*way)) for way in (there, back)]
    try:
        await asyncio.wait(copies, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for copy in copies:
            copy.cancel()
        await asyncio.gather(*copies, return_exceptions=True)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while block := await reader.read(_BLOCK):
        writer.write(block)
        await writer.drain()
