"""Many listeners in one process: raw connections that note how long nothing came."""

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from tests.support.eventually import aeventually, every
from tests.support.icecast import ADDRESS

# One after the other: Icecast 2.4 has five waiting at its door; a sixth is dropped by
# the kernel, and asks again after 1, 3, 7, 15 … seconds.
_BETWEEN: Final = 0.003

_BUFFER: Final = memoryview(bytearray(256 * 1024))

# No answer's head is longer.
_HEAD: Final = 2048


class Listener(asyncio.BufferedProtocol):
    """One connection.

    Attributes:
        received: How many bytes have come, the answer's head included.
        longest_gap: The longest time between two of its bytes, seconds, since the
            last `forget`.
        ended: The server has closed it.
        kept: What has come, if it is kept.
    """

    def __init__(self, path: str, *, keep: bool) -> None:
        self.path = path
        self.received = 0
        self.longest_gap = 0.0
        self.ended = False
        self.kept = bytearray()
        self._keep = keep
        self._last: float | None = None
        self.transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the mount."""
        assert isinstance(transport, asyncio.WriteTransport)
        self.transport = transport
        transport.write(f"GET {self.path} HTTP/1.0\r\nHost: x\r\n\r\n".encode())

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where its bytes go: they are looked at before the next one's come."""
        return _BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        """Note when they came."""
        now = time.monotonic()
        if self._last is not None:
            self.longest_gap = max(self.longest_gap, now - self._last)
        self._last = now
        self.received += nbytes
        if self._keep:
            self.kept += _BUFFER[:nbytes]

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that it is over."""
        self.ended = True

    @property
    def gap(self) -> float:
        """The longest gap, one that goes on at this moment included, seconds."""
        now = time.monotonic()
        return max(self.longest_gap, now - (self._last or now))

    def forget(self) -> None:
        """Count gaps from here on."""
        self.longest_gap = 0.0

    @property
    def body(self) -> bytes:
        """What has come after the answer's head."""
        return bytes(self.kept).partition(b"\r\n\r\n")[2]


@dataclass(slots=True)
class Crowd:
    """All listeners; `arrived_in` is how long it took them to come in, seconds."""

    listeners: list[Listener]
    arrived_in: float = 0.0

    def has_all_begun(self) -> bool:
        """Say whether everybody has heard something; an answer's head is nothing."""
        began = sum(one.received > _HEAD for one in self.listeners)
        assert began == len(self.listeners), f"{began} of {len(self.listeners)}"
        return True

    @property
    def ended(self) -> int:
        return sum(listener.ended for listener in self.listeners)

    @property
    def received(self) -> int:
        return sum(listener.received for listener in self.listeners)

    def forget(self) -> None:
        for listener in self.listeners:
            listener.forget()

    def gaps(self) -> list[float]:
        return sorted(listener.gap for listener in self.listeners)


@contextlib.asynccontextmanager
async def crowd(
    port: int,
    paths: Sequence[str],
    count: int,
    *,
    tls: ssl.SSLContext | None = None,
    keep: bool = False,
) -> AsyncIterator[Crowd]:
    """Have so many listen, each to the next one of the mounts, until the block ends.

    Yields once the stream has begun for every one of them.
    """
    here = Crowd([Listener(paths[n % len(paths)], keep=keep) for n in range(count)])
    loop = asyncio.get_running_loop()

    async def come(listener: Listener) -> None:
        await loop.create_connection(
            lambda: listener,
            ADDRESS,
            port,
            ssl=tls,
            server_hostname=ADDRESS if tls else None,
        )

    began = time.monotonic()
    try:
        async with asyncio.TaskGroup() as tasks:
            async for number in every(_BETWEEN):
                if number == count:
                    break
                tasks.create_task(come(here.listeners[number]))
        await aeventually(here.has_all_begun, within=60)
        here.arrived_in = time.monotonic() - began
        yield here
    finally:
        for listener in here.listeners:
            if listener.transport is not None:
                assert isinstance(listener.transport, asyncio.WriteTransport)
                listener.transport.abort()
        await aeventually(lambda: here.ended == _open(here), within=20)


def _open(here: Crowd) -> int:
    return sum(listener.transport is not None for listener in here.listeners)
