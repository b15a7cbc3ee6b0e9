"""Asks an agent's server whether it answers at all."""

import grpc

from sessiond.units import Seconds
from sessiond.wire.address import parse_address
from sessiond.wire.channel import open_channel

_CHECK = "/grpc.health.v1.Health/Check"


class HealthLine:
    """A line to the standard health service of one server.

    Args:
        where: ``HOST:PORT`` or ``unix:PATH``.

    Raises:
        Refused: `where` is neither.
    """

    def __init__(self, where: str) -> None:
        self._channel = open_channel(parse_address(where))

    async def answers(self, within: Seconds) -> bool:
        """Tell whether the server, as a whole, says in time that it serves."""
        # An empty request asks for the server as a whole.
        call = self._channel.unary_unary(_CHECK, bytes, bytes)
        try:
            await call(b"", timeout=within)
        except grpc.aio.AioRpcError:
            return False
        return True

    async def close(self) -> None:
        """Drop the line."""
        await self._channel.close(None)
