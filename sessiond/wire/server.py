"""The one door through which an agent's gRPC server opens."""

import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from errno import EADDRINUSE, EADDRNOTAVAIL
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import grpc
from grpc_reflection.v1alpha import reflection as grpc_reflection

from sessiond.errors import Unavailable
from sessiond.units import Seconds
from sessiond.wire.address import (
    TcpAddress,
    UnixAddress,
    WireAddress,
    parse_address,
)
from sessiond.wire.api import MembershipApi, OwnedApi
from sessiond.wire.channel import LARGEST_MESSAGE
from sessiond.wire.codes import Forbidden
from sessiond.wire.credentials import mutual, one_sided
from sessiond.wire.gate import MOST_CALLS, UNIX, Context, Gate, source_of
from sessiond.wire.guard import Guard, Trust
from sessiond.wire.health_service import health_handlers
from sessiond.wire.identity import Identity
from sessiond.wire.join_api import JoinApi
from sessiond.wire.peer_api import PeerApi
from sessiond.wire.servicing import (
    Handlers,
    OnFault,
    agent_handlers,
    end,
    join_handlers,
    peer_handlers,
)

__all__ = ["OnFault", "Server", "Trust", "open_join_server", "open_server"]

Untyped = Any
"""What gRPC's stubs leave open."""

SERVER_OPTIONS: Final = MappingProxyType(
    {
        # Two agents on one port would share the callers between them, silently.
        "grpc.so_reuseport": 0,
        "grpc.max_send_message_length": LARGEST_MESSAGE,
        "grpc.max_receive_message_length": LARGEST_MESSAGE,
        # Our channels ping every second; gRPC's default is to hang up on that.
        "grpc.http2.min_ping_interval_without_data_ms": 500,
        "grpc.keepalive_permit_without_calls": 1,
        # A watcher that lost its power is forgotten after half a minute.
        "grpc.keepalive_time_ms": 20_000,
        "grpc.keepalive_timeout_ms": 10_000,
        # A connection that never says a word holds a descriptor for this long only.
        "grpc.server_handshake_timeout_ms": 5000,
        # One that says nothing any more, this long; agents say hello every 15 s.
        "grpc.max_connection_idle_ms": 60_000,
        # An agent has a handful of calls under way to another; further ones wait.
        "grpc.max_concurrent_streams": 64,
    }
)

# At a join port: bytes. Names, a certificate and a proof are below 4 KiB.
LARGEST_FROM_STRANGERS: Final = 64 * 1024

# Connections there, each 20 KiB or so for as long as its caller dawdles.
MOST_STRANGE_CONNECTIONS: Final = 256

# At a join port a caller says a few short things and goes; an answer has room for the
# largest document.
JOIN_OPTIONS: Final = MappingProxyType(
    {
        **SERVER_OPTIONS,
        "grpc.max_receive_message_length": LARGEST_FROM_STRANGERS,
        "grpc.max_connection_idle_ms": 10_000,
        "grpc.max_connection_age_ms": 30_000,
        "grpc.max_connection_age_grace_ms": 5000,
        "grpc.max_concurrent_streams": 4,
        "grpc.max_allowed_incoming_connections": MOST_STRANGE_CONNECTIONS,
    }
)

# Calls under way at a join port, in all and from one address: a whole house behind one
# joins within seconds too.
MOST_STRANGERS: Final = 64
MOST_STRANGERS_FROM_ONE: Final = 8

# Each listener's; an idle one takes 11 KiB and a descriptor. Hundreds of hosts have
# one each, and a thousand strangers still leave room.
MOST_CONNECTIONS: Final = 2048


class _LocalReflection(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]  # open
    """Keeps reflection, which asks no guard, to this host's own sockets."""

    async def intercept_service(
        self, continuation: Callable[[Untyped], Awaitable[Untyped]], details: Untyped
    ) -> Untyped:
        """Return the handler of a call, behind a door where it is reflection's."""
        handler = await continuation(details)
        if handler is None or f"/{grpc_reflection.SERVICE_NAME}/" not in details.method:
            return handler
        answers = handler.stream_stream

        async def local(requests: Untyped, context: Context) -> AsyncIterator[Untyped]:
            if source_of(context.peer()) != UNIX:
                end(context, Forbidden("Reflection is for this host's own sockets."))
                return
            async for answer in answers(requests, context):
                yield answer

        return handler._replace(stream_stream=local)


class Server:
    """A server that listens; made by `open_server`.

    Attributes:
        addresses: As asked for, with the ports that were taken for port 0.
    """

    def __init__(
        self,
        server: grpc.aio.Server,
        addresses: tuple[str, ...],
        wanted: Sequence[WireAddress],
        guard: Guard | None = None,
    ) -> None:
        self.addresses = addresses
        self._server: grpc.aio.Server | None = server
        self._guard = guard
        self._sockets = tuple(
            each.path for each in wanted if isinstance(each, UnixAddress)
        )

    def trust_changed(self) -> None:
        """End the streams of callers who lost the right to them; in the event loop.

        Every other call asks by itself.
        """
        if self._guard is not None:
            self._guard.ask_again()

    async def close(self, grace: Seconds = Seconds(0.5)) -> None:
        """Stop listening at once, end the calls within `grace`, drop our sockets.

        Closing twice is fine.
        """
        # The last channel or server to be forgotten ends gRPC's polling thread.
        server, self._server = self._server, None
        if server is None:
            return
        await server.stop(grace)
        for path in self._sockets:
            path.unlink(missing_ok=True)


async def open_server(
    listen: Sequence[str],
    *,
    identity: Identity,
    trust: Trust,
    agent: OwnedApi | None = None,
    membership: MembershipApi | None = None,
    peer: PeerApi | None = None,
    on_fault: OnFault,
    reflection: bool = False,
    most_connections: int = MOST_CONNECTIONS,
) -> Server:
    """Serve on every address of `listen`: ``HOST:PORT`` or ``unix:PATH``.

    Over TCP a caller must show a certificate that `trust` has at that moment, and is
    shown ours. Who has the right to open a Unix socket is this host's owner.

    Args:
        listen: All of them, or none is listened on.
        identity: This host's.
        trust: Whom this host trusts; say so with `Server.trust_changed`.
        agent: Answers people; None leaves AgentService out.
        membership: Answers people about who belongs; None leaves that part out.
        peer: Answers agents; None leaves PeerService out.
        on_fault: Told of every bug that a call runs into.
        reflection: Lets this host's owner, over a socket, list the methods.
        most_connections: To each address; further ones are hung up on at once.

    Raises:
        Refused: An address has neither form.
        Unavailable: A port is busy or not ours to take; it is named.
    """
    wanted = [parse_address(text) for text in listen]
    gate, guard = Gate(), Guard(trust)
    served = []
    if agent is not None:
        served.append(agent_handlers(agent, membership, on_fault, gate, guard))
    if peer is not None:
        served.append(peer_handlers(peer, on_fault, gate, guard))
    services = [handlers.service for handlers in served]
    served.append(health_handlers(services, gate, guard))
    options = {
        **SERVER_OPTIONS,
        "grpc.max_allowed_incoming_connections": most_connections,
    }
    server = grpc.aio.server(
        options=tuple(options.items()),
        maximum_concurrent_rpcs=MOST_CALLS,
        interceptors=(_LocalReflection(),) if reflection else (),
    )
    _add_services(server, served, reflection=reflection)
    # One for each port: what a fetcher has said last is kept by port.
    addresses = await _start(server, wanted, lambda: mutual(identity, trust))
    return Server(server, addresses, wanted, guard)


async def open_join_server(
    listen: Sequence[str], *, join: JoinApi, identity: Identity, on_fault: OnFault
) -> Server:
    """Serve strangers on every address of `listen`, ``HOST:PORT``, and nothing else.

    They are shown our certificate and asked for none. What they may send is small,
    and so is their number.

    Raises:
        Refused: An address has not that form.
        Unavailable: A port is busy or not ours to take; it is named.
    """
    wanted = [parse_address(text) for text in listen]
    gate = Gate(most=MOST_STRANGERS_FROM_ONE)
    server = grpc.aio.server(
        options=tuple(JOIN_OPTIONS.items()), maximum_concurrent_rpcs=MOST_STRANGERS
    )
    _add_services(server, [join_handlers(join, on_fault, gate)], reflection=False)
    addresses = await _start(server, wanted, lambda: one_sided(identity))
    return Server(server, addresses, wanted)


async def _start(
    server: grpc.aio.Server,
    wanted: Sequence[WireAddress],
    credentials: Callable[[], grpc.ServerCredentials],
) -> tuple[str, ...]:
    try:
        addresses = tuple(_bind(server, address, credentials) for address in wanted)
    except Unavailable:
        await server.stop(None)
        raise
    await server.start()
    return addresses


def _add_services(
    server: grpc.aio.Server, served: Sequence[Handlers], *, reflection: bool
) -> None:
    server.add_generic_rpc_handlers(tuple(handlers.generic() for handlers in served))
    if reflection:
        names = (handlers.service for handlers in served)
        listed = (*names, grpc_reflection.SERVICE_NAME)
        grpc_reflection.enable_server_reflection(listed, server)


# ── listening ───────────────────────────────────────────────────────────────────────


def _bind(
    server: grpc.aio.Server,
    address: WireAddress,
    credentials: Callable[[], grpc.ServerCredentials],
) -> str:
    match address:
        case TcpAddress():
            return _bind_tcp(server, address, credentials())
        case UnixAddress():
            return _bind_unix(server, address)


def _bind_tcp(
    server: grpc.aio.Server, address: TcpAddress, credentials: grpc.ServerCredentials
) -> str:
    try:
        port = server.add_secure_port(str(address), credentials)
    except RuntimeError as e:
        raise _why_not(address) from e
    return str(TcpAddress(address.host, port))


def _why_not(address: TcpAddress) -> Unavailable:
    """Return what the system says to this address; gRPC says only that it failed."""
    try:
        with socket.create_server((address.host, address.port)):
            pass
    except socket.gaierror:
        return Unavailable(
            f"{address.host} has no address to listen on.", "Check `listen`."
        )
    except OSError as e:
        return _unavailable(address, e)
    return Unavailable(f"{address} was busy for a moment.", "Try again.")


def _unavailable(address: TcpAddress, e: OSError) -> Unavailable:
    if e.errno == EADDRINUSE:
        return Unavailable(
            f"Port {address.port} is busy: something listens on {address} already.",
            "Is another sessiond-agent running? `ss -ltnp` names the process.",
        )
    if e.errno == EADDRNOTAVAIL:
        return Unavailable(
            f"{address.host} is no address of this host.", "Check `listen`."
        )
    return Unavailable(f"Can't listen on {address}: {os.strerror(e.errno or 0)}.")


def _bind_unix(server: grpc.aio.Server, address: UnixAddress) -> str:
    path = address.path
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _clear(path)
        # The socket is made with this mask, so nobody else can ever connect.
        before = os.umask(0o177)
        try:
            server.add_insecure_port(str(address))
        finally:
            os.umask(before)
        path.chmod(0o600)
    except (OSError, RuntimeError) as e:
        raise Unavailable(
            f"Can't listen on {address}.",
            "Is its folder there, and may this user write in it?",
        ) from e
    return str(address)


def _clear(path: Path) -> None:
    """Take away the socket of an agent that is gone."""
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX) as knock:
        try:
            knock.connect(str(path))
        except OSError:
            path.unlink()
            return
    raise Unavailable(
        f"Another agent listens on unix:{path} already.",
        "Stop it first, or give this one a state_dir of its own.",
    )
