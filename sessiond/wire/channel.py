"""The one door through which gRPC channels open, and calls over them as values."""

import asyncio
from collections.abc import AsyncGenerator
from types import MappingProxyType
from typing import Final, TypeVar

import grpc

from sessiond.units import Seconds
from sessiond.wire.address import WireAddress, parse_address
from sessiond.wire.codes import Attempt, broken_off, error_of
from sessiond.wire.convert import decode, encode
from sessiond.wire.methods import Method

Q = TypeVar("Q")
A = TypeVar("A")

# A status of hundreds of hosts takes about 200 KiB; more is nobody's honest message.
LARGEST_MESSAGE: Final = 1 << 20

CHANNEL_OPTIONS: Final = MappingProxyType(
    {
        "grpc.max_send_message_length": LARGEST_MESSAGE,
        "grpc.max_receive_message_length": LARGEST_MESSAGE,
        # A peer that restarts is back within a second or two; gRPC's own back-off
        # (1 s growing to 2 min, 20 s to connect) would outlast any election.
        "grpc.initial_reconnect_backoff_ms": 100,
        "grpc.min_reconnect_backoff_ms": 1000,
        "grpc.max_reconnect_backoff_ms": 1000,
        # A dead path is dropped after 1 + 2 s: by ping in a quiet call, and by
        # TCP_USER_TIMEOUT, which gRPC sets to the same 2 s, under heartbeats.
        "grpc.keepalive_time_ms": 1000,
        "grpc.keepalive_timeout_ms": 2000,
        "grpc.http2.max_pings_without_data": 0,
        # Each channel has its own connection, so that a new channel is a new path.
        "grpc.use_local_subchannel_pool": 1,
        # Agents are neighbours; a proxy for the web is not on the way to them.
        "grpc.enable_http_proxy": 0,
        # Our caller decides what is tried again.
        "grpc.enable_retries": 0,
    }
)


def open_channel(where: WireAddress) -> grpc.aio.Channel:
    """Open a channel; it connects at its first call. Close it when done."""
    return grpc.aio.insecure_channel(str(where), tuple(CHANNEL_OPTIONS.items()))


class Line:
    """A channel to one address, and calls over it as plain values.

    Args:
        where: ``HOST:PORT`` or ``unix:PATH``.

    Raises:
        Refused: `where` is neither.
    """

    def __init__(self, where: str) -> None:
        self._address = parse_address(where)
        self._channel: grpc.aio.Channel | None = open_channel(self._address)

    async def ask(
        self, method: Method[Q, A], request: Q, *, within: Seconds | None
    ) -> A:
        """Call a method and return its answer.

        Raises:
            SessiondError: What the agent answered with.
            Unavailable: It did not answer `within`, or can't be reached.
        """
        attempt = self._attempt(method, within)
        call = self._open.unary_unary(method.path, bytes, bytes)
        try:
            content = await call(encode(request), timeout=within)
        except grpc.aio.AioRpcError as e:
            raise error_of(e, attempt) from e
        except asyncio.CancelledError as e:
            if _is_cancelled():
                raise
            raise broken_off(attempt) from e
        return decode(method.reply, content)

    async def follow(self, method: Method[Q, A], request: Q) -> AsyncGenerator[A, None]:
        """Call a method that answers again and again, and yield its answers.

        Raises:
            SessiondError: As in `ask`; at any step.
        """
        attempt = self._attempt(method, None)
        call = self._open.unary_stream(method.path, bytes, bytes)(encode(request))
        try:
            async for content in call:
                yield decode(method.reply, content)
        except grpc.aio.AioRpcError as e:
            raise error_of(e, attempt) from e
        except asyncio.CancelledError as e:
            if _is_cancelled():
                raise
            raise broken_off(attempt) from e
        finally:
            call.cancel()

    async def renew(self) -> None:
        """Drop the channel and open another; calls under way become Unavailable."""
        old, self._channel = self._open, open_channel(self._address)
        await old.close(None)

    async def close(self) -> None:
        """Drop the channel for good; closing twice is fine."""
        # The last channel or server to be forgotten ends gRPC's polling thread.
        old, self._channel = self._channel, None
        if old:
            await old.close(None)

    @property
    def _open(self) -> grpc.aio.Channel:
        if self._channel is None:
            raise TypeError("this line is closed")
        return self._channel

    def _attempt(self, method: Method[Q, A], within: Seconds | None) -> Attempt:
        return Attempt(where=str(self._address), doing=method.doing, within=within)


def _is_cancelled() -> bool:
    """Tell whether it is this task that someone cancelled, not only the call.

    A closed channel cancels its calls, and each looks like a cancelled task.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
