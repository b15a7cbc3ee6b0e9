"""One PUT to Icecast: opening it, sending on it, knowing when it is over.

Whether it may be opened at all is `feed`'s business. Source: Icecast 2.4.4,
``source_startup`` and ``connection_complete_source``; in 2.5 a mount in use is 409.
"""

import asyncio
import socket
import ssl
import struct
from typing import Final

from sessiond.core.sourcing import Seat, SourceOrder
from sessiond.errors import Broken, SessiondError, Unavailable
from sessiond.units import MountPath, Seconds

# Accepted PUTs took 14–61 ms (field notes); a station that takes longer is tried anew.
OPEN_SECONDS: Final = Seconds(3.0)

# election.md, "Behind": a source whose bytes no longer move must leave the mount.
STALL_SECONDS: Final = Seconds(5.0)

# Of an answer: its head, and of a refusal's page as much as holds the reason.
_ANSWER_BYTES: Final = 8192

# What may wait in the kernel: half a second of FLAC, which also fills a long line; more
# would hide a stall and be sent, late, after a pause.
_KERNEL_BYTES: Final = 65536

# How long a clean end may take to hand over its last bytes.
_CLOSE_SECONDS: Final = Seconds(1.0)


class MountInUse(Unavailable):
    """Icecast refused the source: another holds the mount, or it has no room."""


class PasswordDenied(Broken):
    """Icecast does not accept these credentials for the mount."""


class Put:
    """An accepted PUT; made by `open_put`."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._reader = reader
        self._writer = writer

    async def ended(self) -> str:
        """Return once the connection is over, with the reason as one sentence."""
        try:
            # Whatever else it says (2.5 ends with a 200) is of no use to anybody.
            while await self._reader.read(_ANSWER_BYTES):
                pass
        except TimeoutError:  # the kernel's, from TCP_USER_TIMEOUT
            return f"Icecast acknowledged nothing for {STALL_SECONDS:g} s."
        except OSError as e:
            return f"The connection to Icecast is gone: {e.strerror or e}."
        return "Icecast closed the connection."

    async def send(self, payload: bytes) -> None:
        """Hand bytes to the kernel, all of them.

        Raises:
            Unavailable: The connection is gone, or took nothing for 5 s.
        """
        try:
            async with asyncio.timeout(STALL_SECONDS):
                self._writer.write(payload)
                await self._writer.drain()
        except TimeoutError as e:
            raise Unavailable(f"Icecast took no byte for {STALL_SECONDS:g} s.") from e
        except OSError as e:
            raise Unavailable(f"The connection to Icecast is gone: {e}.") from e

    async def close(self) -> None:
        """End the PUT so that Icecast frees the mount at once."""
        self._writer.close()
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._writer.wait_closed()
        except (TimeoutError, OSError):
            self.cut()

    def cut(self) -> None:
        """End the PUT with a reset: no byte that still waits is sent any more."""
        opened = self._writer.get_extra_info("socket")
        if opened is not None and not self._writer.is_closing():
            linger = struct.pack("ii", 1, 0)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._writer.transport.abort()


async def open_put(order: SourceOrder, seat: Seat, head: bytes) -> Put:
    """Open the mount at the station.

    Args:
        order: Where to.
        seat: Which of the order's two mounts.
        head: From `sessiond.core.put_head.request_head`.

    Raises:
        MountInUse: Another source holds the mount; trying again can help.
        PasswordDenied: The user or the password is wrong.
        Unavailable: The station does not answer, or not as Icecast does.
    """
    try:
        async with asyncio.timeout(OPEN_SECONDS):
            reader, writer = await connect(order)
            try:
                return await _request(order, seat, head, reader, writer)
            except BaseException:
                writer.transport.abort()
                raise
    except TimeoutError as e:
        raise Unavailable(
            f"{_where(order)} did not answer within {OPEN_SECONDS:g} s."
        ) from e
    except ssl.SSLError as e:
        raise Unavailable(
            f"{_where(order)} offers no trusted TLS: {e.reason or e}."
        ) from e
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as e:
        raise Unavailable(f"{_where(order)} can't be reached: {e}.") from e


async def connect(
    order: SourceOrder,
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a connection to the station, on which a send is over when the kernel has it.

    Raises:
        OSError: Also for TLS that is not trusted.
    """
    reader, writer = await asyncio.open_connection(
        order.address,
        order.port,
        ssl=ssl.create_default_context() if order.tls else None,
        limit=_ANSWER_BYTES,
    )
    # A station that is cut off acknowledges nothing: the kernel then ends the
    # connection by itself, long before its buffer is full and a send stalls.
    opened = writer.get_extra_info("socket")
    milliseconds = int(STALL_SECONDS * 1000)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BYTES)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
    # Nothing waits in this process: a send is over when the kernel has it all.
    writer.transport.set_write_buffer_limits(high=0)
    return reader, writer


async def _request(
    order: SourceOrder,
    seat: Seat,
    head: bytes,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> Put:
    writer.write(head)
    await writer.drain()
    answer = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    status = answer.split(maxsplit=2)[1:2]
    # 200 is the answer to a PUT without Expect; 100 would be as good.
    if status in (["200"], ["100"]):
        return Put(reader, writer)
    page = (await reader.read(_ANSWER_BYTES)).decode("latin-1")
    raise _refusal(order, seat, "".join(status), page)


def _refusal(order: SourceOrder, seat: Seat, status: str, page: str) -> SessiondError:
    path = order.mount(seat)
    match status:
        case "401":
            return PasswordDenied(
                f"Icecast denies {path} to the user {order.user}: wrong user "
                "name or password."
            )
        case "403" | "409":
            return MountInUse(_reason(path, page))
        case _:
            return Unavailable(
                f"{_where(order)} answered {status or 'nothing known'} to the source."
            )


def _reason(path: MountPath, page: str) -> str:
    # Icecast 2.4 says all of these with 403, and why only on its page.
    if "too many sources" in page:
        return "Icecast has no room for another source (its limit of sources)."
    if "ontent-type" in page:
        return f"Icecast does not take the format of {path}."
    return f"Another source holds {path}."


def _where(order: SourceOrder) -> str:
    return f"Icecast at {order.address}:{order.port}"
