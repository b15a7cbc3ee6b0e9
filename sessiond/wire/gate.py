"""Who may have how many calls under way, and how long a request may take to come.

gRPC counts a call from its first header on, also one whose request never comes: a few
connections of such calls would keep every peer out. So an answerer reads the request
itself, for a while, and one address has a part of the places only.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import unquote

import grpc

from sessiond.errors import Refused, Unavailable
from sessiond.units import Seconds

# Hundreds of hosts' heartbeats are over in milliseconds each; what stays is watchers.
# A call that waits takes some 20 KiB.
MOST_CALLS: Final = 1024

# A leader is asked by each host on an address of its own; one that carries a whole
# band on it has a handful of calls for each.
MOST_FROM_ONE: Final = 128

# A request follows its headers in the same packet, or in the next one.
REQUEST_WITHIN: Final = Seconds(5.0)

UNIX: Final = "unix"
"""Where all calls through a socket of this host are from."""

Context = Any
"""grpc.aio's ServicerContext, of which the stub says less than there is."""


def source_of(peer: str) -> str:
    """Return where a call is from: an IP address without its port, or ``unix``.

    Args:
        peer: As gRPC writes it: ``ipv4:HOST:PORT``, ``ipv6:[HOST]:PORT`` or ``unix:…``.
    """
    # What a socket of this host's is called depends on who connects.
    if peer.startswith("unix:"):
        return UNIX
    host = unquote(peer.rpartition(":")[0].partition(":")[2])
    return host.removeprefix("[").removesuffix("]")


class Gate:
    """Counts the calls under way by address.

    Args:
        most: From one address.
        within: For a request to come, once its call has begun.
    """

    def __init__(
        self, most: int = MOST_FROM_ONE, within: Seconds = REQUEST_WITHIN
    ) -> None:
        self._most = most
        self._within = within
        self._under_way: Counter[str] = Counter()

    @property
    def callers(self) -> int:
        """How many addresses have calls under way."""
        return len(self._under_way)

    @contextmanager
    def entered(self, peer: str) -> Iterator[None]:
        """Take a place for one call.

        Args:
            peer: As `source_of` takes it.

        Raises:
            Unavailable: This address has too many calls under way.
        """
        address = source_of(peer)
        if self._under_way[address] >= self._most:
            raise Unavailable(
                f"{self._most} calls from this address are under way already.",
                "End some of them, and try again.",
            )
        self._under_way[address] += 1
        try:
            yield
        finally:
            self._under_way[address] -= 1
            if not self._under_way[address]:
                del self._under_way[address]

    async def request(self, context: Context) -> bytes:
        """Return the one request of a call.

        Raises:
            Refused: The caller has sent none.
            Unavailable: It has not come in time.
        """
        try:
            async with asyncio.timeout(self._within):
                content = await context.read()
        except TimeoutError as e:
            raise Unavailable(
                f"The request has not come within {self._within:g} s."
            ) from e
        if content is grpc.aio.EOF:  # type: ignore[attr-defined]  # the stub forgets it
            raise Refused("The call came without a request.")
        return bytes(content)
