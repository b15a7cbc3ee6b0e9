"""The one door through which gRPC channels open, and calls over them as values.

Over TCP a line is encrypted and pinned: whoever answers must show the one certificate
that the caller expects, and is shown the caller's. A Unix socket needs neither; its
file's permissions say who may connect.
"""

import asyncio
from collections.abc import AsyncGenerator
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeVar

import grpc

from sessiond.errors import Refused
from sessiond.units import Certificate, Seconds
from sessiond.wire.address import TcpAddress, WireAddress, parse_address
from sessiond.wire.codes import Attempt, broken_off, error_of
from sessiond.wire.convert import decode, encode
from sessiond.wire.methods import Method

if TYPE_CHECKING:
    # By name only: it loads `cryptography`, which a line to a socket never needs.
    from sessiond.wire.identity import Identity

Q = TypeVar("Q")
A = TypeVar("A")

# Every certificate of ours is made for this name; whose it is, the pinning says.
TLS_NAME: Final = "sessiond"

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


def open_channel(
    where: WireAddress,
    *,
    pinned: Certificate | None = None,
    identity: "Identity | None" = None,
) -> grpc.aio.Channel:
    """Open a channel; it connects at its first call. Close it when done.

    Args:
        where: Over a Unix socket neither certificate is used.
        pinned: What whoever answers must show.
        identity: Who calls; None shows nobody, which only a join port takes.

    Raises:
        Refused: Over TCP nothing is pinned.
    """
    options = tuple(CHANNEL_OPTIONS.items())
    if not isinstance(where, TcpAddress):
        return grpc.aio.insecure_channel(str(where), options)
    if pinned is None:
        raise Refused(
            f"Nothing is known of who should answer at {where}.",
            "Join the session first, or ask an agent on its own host.",
        )
    key = identity.key.encode() if identity else None
    shown = identity.certificate.encode() if identity else None
    credentials = grpc.ssl_channel_credentials(pinned.encode(), key, shown)
    named = (*options, ("grpc.ssl_target_name_override", TLS_NAME))
    return grpc.aio.secure_channel(str(where), credentials, named)


class Line:
    """A channel to one address, and calls over it as plain values.

    Args:
        where: ``HOST:PORT`` or ``unix:PATH``.
        pinned: Over TCP, the certificate that whoever answers there must show.
        identity: Over TCP, who calls.

    Raises:
        Refused: `where` is neither, or nothing is pinned over TCP.
    """

    def __init__(
        self,
        where: str,
        *,
        pinned: Certificate | None = None,
        identity: "Identity | None" = None,
    ) -> None:
        self._address = parse_address(where)
        self._pinned = pinned
        self._identity = identity
        self._channel: grpc.aio.Channel | None = self._connect()

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
        old, self._channel = self._open, self._connect()
        await old.close(None)

    async def close(self) -> None:
        """Drop the channel for good; closing twice is fine."""
        # The last channel or server to be forgotten ends gRPC's polling thread.
        old, self._channel = self._channel, None
        if old:
            await old.close(None)

    def _connect(self) -> grpc.aio.Channel:
        return open_channel(self._address, pinned=self._pinned, identity=self._identity)

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
