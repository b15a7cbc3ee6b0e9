"""A stranger's client of an agent's join port; plain values in and out."""

import asyncio
import ssl
from typing import Final, Self

from sessiond.errors import Refused, Unavailable
from sessiond.units import Certificate, HostId, Seconds
from sessiond.wire import join_methods
from sessiond.wire.address import TcpAddress, parse_address
from sessiond.wire.channel import TLS_NAME, Line
from sessiond.wire.identity import id_of, pem_of
from sessiond.wire.join_messages import (
    AcquaintReply,
    AcquaintRequest,
    GreetReply,
    GreetRequest,
    JoinReply,
    JoinRequest,
)

# What gRPC speaks inside of TLS; a server of gRPC's hears nobody out who can't.
_HTTP2: Final = "h2"


class JoinClient:
    """A line to one agent's join port, made by `open`.

    Each call raises Unavailable when the agent does not answer `within`, and else
    whatever SessiondError it answers with.

    Attributes:
        certificate: What answers there shows it, and has its key: proofs are over it.
        id: Whose it is.
    """

    def __init__(self, where: str, certificate: Certificate) -> None:
        self.where = where
        self.certificate = certificate
        self.id = id_of(certificate)
        self._line = Line(where, pinned=certificate)

    @classmethod
    async def open(
        cls, where: str, expected: HostId | None, *, within: Seconds
    ) -> Self:
        """Look whose certificate is shown there, and open a line to its owner only.

        Args:
            where: ``HOST:PORT`` of a join port.
            expected: Whose it must be; None: anybody's.
            within: For the certificate to come.

        Raises:
            Refused: `where` is no such address, or another one answers than expected;
                nothing was sent to it.
            Unavailable: Nothing answers there in time, or nothing of ours.
        """
        address = parse_address(where)
        if not isinstance(address, TcpAddress):
            raise Refused(f"{where} is no join port.", "Write HOST:PORT.")
        shown = await _shown_at(address, within)
        try:
            found, certificate = id_of(shown), pem_of(shown)
        except Refused as e:
            raise Unavailable(
                f"What answers at {where} is no sessiond-agent.",
                "Is the address right?",
            ) from e
        if expected not in (None, found):
            raise Refused(
                f"Another computer answers at {where} than the link names:"
                f" {found[:8]}, not {(expected or '')[:8]}. Nothing was sent to it.",
                "Ask for a new link; if this goes on, somebody may be in between.",
            )
        return cls(where, certificate)

    async def __aenter__(self) -> Self:
        """Return itself, open already."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """As `close`."""
        await self.close()

    async def close(self) -> None:
        """Drop the line; closing twice is fine."""
        await self._line.close()

    async def greet(self, request: GreetRequest, *, within: Seconds) -> GreetReply:
        """As `JoinApi.greet`."""
        return await self._line.ask(join_methods.GREET, request, within=within)

    async def acquaint(
        self, request: AcquaintRequest, *, within: Seconds
    ) -> AcquaintReply:
        """As `JoinApi.acquaint`."""
        return await self._line.ask(join_methods.ACQUAINT, request, within=within)

    async def join(self, request: JoinRequest, *, within: Seconds) -> JoinReply:
        """As `JoinApi.join`."""
        return await self._line.ask(join_methods.JOIN, request, within=within)


async def _shown_at(address: TcpAddress, within: Seconds) -> bytes:
    """Return the certificate that a server shows and has the key of, unjudged."""
    try:
        async with asyncio.timeout(within):
            _, writer = await asyncio.open_connection(
                address.host, address.port, ssl=_unjudging(), server_hostname=TLS_NAME
            )
    except TimeoutError as e:
        raise Unavailable(
            f"Nothing at {address} showed a certificate within {within:g} s.",
            "Is that host on, and this computer in its network?",
        ) from e
    except ssl.SSLError as e:
        raise Unavailable(
            f"What answers at {address} is no sessiond-agent.", "Is the address right?"
        ) from e
    except OSError as e:
        raise Unavailable(
            f"Nothing answers at {address}.",
            "Is sessiond-agent running there, and in a session?",
        ) from e
    try:
        shown: bytes | None = writer.get_extra_info("ssl_object").getpeercert(
            binary_form=True
        )
    finally:
        # Politely it would wait for the other side.
        writer.transport.abort()
    return shown or b""


def _unjudging() -> ssl.SSLContext:
    """Return what takes any certificate: whose it is, the caller looks at."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols([_HTTP2])
    return context
