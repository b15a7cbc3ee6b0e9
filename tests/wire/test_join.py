"""The join port: strangers come in, and nobody speaks to a stranger by mistake."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from subprocess import run
from typing import Final

import grpc
import pytest

from sessiond.core.stamped import Member
from sessiond.errors import Broken, Refused, SessiondError, Unavailable
from sessiond.units import (
    Address,
    Certificate,
    HostId,
    HostName,
    Seconds,
    TokenId,
)
from sessiond.wire import join_methods, methods
from sessiond.wire.address import parse_address
from sessiond.wire.channel import Line, open_channel
from sessiond.wire.identity import Identity, make_identity
from sessiond.wire.join_client import JoinClient
from sessiond.wire.join_messages import (
    AcquaintReply,
    AcquaintRequest,
    GreetReply,
    GreetRequest,
    JoinReply,
    JoinRequest,
)
from sessiond.wire.messages import StopRequest
from sessiond.wire.server import (
    LARGEST_FROM_STRANGERS,
    MOST_STRANGE_CONNECTIONS,
    MOST_STRANGERS_FROM_ONE,
    Server,
    open_join_server,
)
from sessiond.wire.servicing import ANSWER_WITHIN
from tests.support.eventually import aeventually
from tests.support.frames import GREETING, dial, is_open
from tests.support.identities import identity_of
from tests.wire.answerers import ALICE, FACTS, HERE, JAM, SERVER, SIGHTING, STAMPED

WITHIN: Final = Seconds(5.0)
LONG: Final = Seconds(4 * ANSWER_WITHIN)
NONCE: Final = bytes(range(16))
PROOF: Final = bytes(range(32))
BOB: Final = identity_of("bob")
GREET: Final = GreetRequest(nonce=NONCE, address=HERE)
ACQUAINT: Final = AcquaintRequest(certificate=BOB.certificate, nonce=NONCE, proof=PROOF)
JOIN: Final = JoinRequest(
    session=JAM,
    token_id=TokenId("h" + "0123456789abcdef" + "01234567"),
    certificate=BOB.certificate,
    name="bob",
    nonce=NONCE,
    proof=PROOF,
    signature=2 * PROOF,
)
GREETED: Final = GreetReply(name=ALICE, version="0.1.0", nonce=NONCE, proof=PROOF)
JOINED: Final = JoinReply(stamped=STAMPED)
ACQUAINTED: Final = AcquaintReply(sighting=SIGHTING, facts=FACTS)


@dataclass(slots=True)
class Porter:
    """Answers strangers.

    Attributes:
        asked: Every request and where it came from.
        raises: What the next calls end with.
        stuck: While it is not set, nothing is answered.
    """

    asked: list[tuple[object, str]] = field(default_factory=list)
    raises: Exception | None = None
    stuck: asyncio.Event = field(default_factory=asyncio.Event)
    joined: JoinReply = JOINED

    def __post_init__(self) -> None:
        self.stuck.set()

    async def _note(self, request: object, source: str) -> None:
        self.asked.append((request, source))
        if self.raises:
            raise self.raises
        await self.stuck.wait()

    async def greet(self, request: GreetRequest, source: str) -> GreetReply:
        await self._note(request, source)
        return GREETED

    async def acquaint(self, request: AcquaintRequest, source: str) -> AcquaintReply:
        await self._note(request, source)
        return ACQUAINTED

    async def join(self, request: JoinRequest, source: str) -> JoinReply:
        await self._note(request, source)
        return self.joined


@asynccontextmanager
async def a_port(
    porter: Porter, *listen: str, identity: Identity = SERVER
) -> AsyncIterator[Server]:
    server = await open_join_server(
        listen or ("127.0.0.1:0",),
        join=porter,
        identity=identity,
        on_fault=lambda *_: None,
    )
    try:
        yield server
    finally:
        porter.raises = None
        await server.close()


@pytest.fixture
def porter() -> Porter:
    return Porter()


@pytest.fixture
async def where(porter: Porter) -> AsyncIterator[str]:
    async with a_port(porter) as server:
        yield server.addresses[0]


Call = Callable[[JoinClient], Awaitable[object]]


@pytest.mark.parametrize(
    ("call", "asked", "answer"),
    [
        (lambda c: c.greet(GREET, within=WITHIN), GREET, GREETED),
        (lambda c: c.acquaint(ACQUAINT, within=WITHIN), ACQUAINT, ACQUAINTED),
        (
            lambda c: c.join(JOIN, within=WITHIN),
            JOIN,
            JOINED,
        ),
    ],
)
@pytest.mark.parametrize("expected", [SERVER.id, None], ids=["pinned", "unknown"])
async def test_what_strangers_say_arrives_with_where_they_are(
    porter: Porter,
    where: str,
    call: Call,
    asked: object,
    answer: object,
    expected: HostId | None,
) -> None:
    async with await JoinClient.open(where, expected, within=WITHIN) as client:
        assert (client.id, client.certificate) == (SERVER.id, SERVER.certificate)
        assert await call(client) == answer
    assert porter.asked == [(asked, "127.0.0.1")]


async def test_over_ipv6_too(porter: Porter) -> None:
    async with a_port(porter, "[::1]:0") as server:
        client = await JoinClient.open(server.addresses[0], SERVER.id, within=WITHIN)
        await client.greet(GREET, within=WITHIN)
        await client.close()
        await client.close()
    assert porter.asked == [(GREET, "::1")]


async def test_a_session_of_two_hundred_is_told_whole(
    porter: Porter, where: str
) -> None:
    members = tuple(
        Member(
            name=HostName(f"host-{n}"),
            id=BOB.id,
            address=Address(f"10.0.0.{n}:7700"),
            certificate=BOB.certificate,
        )
        for n in range(200)
    )
    porter.joined = JoinReply(stamped=replace(STAMPED, members=members))
    async with await JoinClient.open(where, SERVER.id, within=WITHIN) as client:
        assert await client.join(JOIN, within=WITHIN) == porter.joined


@pytest.mark.parametrize("branch", [Refused, Unavailable, Broken])
async def test_an_answer_of_no_arrives_as_it_is(
    porter: Porter, where: str, branch: type[SessiondError]
) -> None:
    porter.raises = branch("This invitation is spent.", "Ask for a new one.")
    async with await JoinClient.open(where, SERVER.id, within=WITHIN) as client:
        with pytest.raises(branch, match=r"This invitation is spent\."):
            await client.join(JOIN, within=WITHIN)


async def test_a_bug_says_nothing_of_itself(porter: Porter, where: str) -> None:
    porter.raises = KeyError("hackme")
    async with await JoinClient.open(where, SERVER.id, within=WITHIN) as client:
        with pytest.raises(Broken, match="bug of its own") as caught:
            await client.join(JOIN, within=WITHIN)
    assert "hackme" not in f"{caught.value}{caught.value.hint}"


def test_no_proof_and_no_link_shows_in_a_repr() -> None:
    for each in (ACQUAINT, JOIN, GREETED):
        assert "proof" not in repr(each)
        assert "signature" not in repr(each)


# ── whom one speaks to ──────────────────────────────────────────────────────────────


async def test_another_certificate_than_the_links_and_nothing_is_sent() -> None:
    mallory = Porter()
    async with a_port(mallory, identity=make_identity("server")) as server:
        where = server.addresses[0]
        with pytest.raises(Refused, match="Another computer answers") as caught:
            await JoinClient.open(where, SERVER.id, within=WITHIN)
    assert "new link" in caught.value.hint
    assert not mallory.asked


async def test_a_certificate_swapped_after_the_look_is_not_spoken_to(
    porter: Porter,
) -> None:
    mallory = Porter()
    async with a_port(porter) as server:
        where = server.addresses[0]
        client = await JoinClient.open(where, SERVER.id, within=WITHIN)
    async with a_port(mallory, where, identity=make_identity("server")):
        with pytest.raises(Unavailable, match="shows another certificate"):
            await client.join(JOIN, within=WITHIN)
        await client.close()
    assert not mallory.asked
    assert not porter.asked


async def test_who_shows_a_certificate_without_its_key_is_not_spoken_to(
    tmp_path: Path,
) -> None:
    # Python's own server refuses such a pair, and gRPC's hangs up at each handshake.
    other = make_identity("mallory")
    stolen = replace(SERVER, key=other.key)
    mallory = Porter()
    with pytest.raises((Unavailable, Refused)):
        async with a_port(mallory, identity=stolen) as server:
            await JoinClient.open(server.addresses[0], SERVER.id, within=WITHIN)
    assert not mallory.asked


@pytest.mark.parametrize(
    "options",
    [("-newkey", "rsa:2048"), ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")],
)
async def test_somebody_elses_tls_server_is_told_apart(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    files = (f"{tmp_path}/key", f"{tmp_path}/crt")
    make = ("openssl", "req", "-x509", "-nodes", "-subj", "/CN=sessiond", *options)
    make = (*make, "-keyout", files[0], "-out", files[1])
    await asyncio.to_thread(run, make, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files[1], files[0])
    with pytest.raises(Unavailable, match="is no sessiond-agent"):
        await look_at(hang_up, ssl=context)


async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 radio ESMTP\r\n" * 100)
    await writer.drain()
    writer.close()


async def say_nothing(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    await reader.read()
    writer.close()


async def look_at(
    answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    within: Seconds = WITHIN,
    ssl: ssl.SSLContext | None = None,
) -> None:
    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=ssl) as other:
        host, port = other.sockets[0].getsockname()
        await JoinClient.open(f"{host}:{port}", None, within=within)


async def test_what_is_no_agent_is_told_apart() -> None:
    with pytest.raises(Unavailable, match="is no sessiond-agent"):
        await look_at(talk)
    with pytest.raises(Unavailable, match=r"Nothing answers|is no sessiond-agent"):
        await look_at(hang_up)


async def test_who_says_nothing_is_not_waited_for() -> None:
    with pytest.raises(Unavailable, match=r"showed a certificate within 0\.2 s"):
        await look_at(say_nothing, Seconds(0.2))


async def test_nobody_there_is_said_so() -> None:
    with pytest.raises(Unavailable, match=r"Nothing answers at 127\.0\.0\.1:1"):
        await JoinClient.open("127.0.0.1:1", None, within=WITHIN)


@pytest.mark.parametrize("where", ["", "radio", "unix:/run/agent.sock"])
async def test_what_is_no_join_port_is_refused(where: str) -> None:
    with pytest.raises(Refused):
        await JoinClient.open(where, None, within=WITHIN)


# ── what strangers can't do ─────────────────────────────────────────────────────────


async def test_nothing_else_is_served_there(porter: Porter, where: str) -> None:
    line = Line(where, pinned=SERVER.certificate)
    with pytest.raises(Broken, match="does not know how to stop the session"):
        await line.ask(methods.STOP, StopRequest(name=JAM), within=WITHIN)
    await line.close()
    channel = open_channel(parse_address(where), pinned=SERVER.certificate)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await channel.unary_unary("/grpc.health.v1.Health/Check", bytes, bytes)(b"")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    await channel.close(None)


async def test_a_large_message_is_turned_away(porter: Porter, where: str) -> None:
    channel = open_channel(parse_address(where), pinned=SERVER.certificate)
    call = channel.unary_unary(join_methods.GREET.path, bytes, bytes)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(b"x" * (LARGEST_FROM_STRANGERS + 1), timeout=5)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    await channel.close(None)
    assert not porter.asked


@pytest.mark.parametrize(
    ("request_", "what"),
    [
        (
            replace(JOIN, certificate=Certificate("nothing")),
            "JoinRequest.certificate is not",
        ),
        (replace(JOIN, token_id=TokenId("x")), "JoinRequest.token_id is not"),
        (replace(JOIN, proof=b"x" * 65), "JoinRequest.proof is longer"),
        (replace(JOIN, name="x" * 5000), "JoinRequest.name is longer"),
        (replace(JOIN, address=Address("nowhere")), "JoinRequest.address is not"),
    ],
)
async def test_what_is_no_request_never_arrives(
    porter: Porter, where: str, request_: JoinRequest, what: str
) -> None:
    async with await JoinClient.open(where, SERVER.id, within=WITHIN) as client:
        with pytest.raises(Refused, match=what):
            await client.join(request_, within=WITHIN)
    assert not porter.asked


async def test_one_address_has_few_places_and_nobody_holds_one_for_long(
    porter: Porter, where: str
) -> None:
    porter.stuck.clear()
    clients = [
        await JoinClient.open(where, SERVER.id, within=WITHIN)
        for _ in range(MOST_STRANGERS_FROM_ONE // 4 + 1)
    ]
    async with asyncio.TaskGroup() as group:
        held = [
            group.create_task(error_of(clients[n // 4].greet(GREET, within=LONG)))
            for n in range(MOST_STRANGERS_FROM_ONE)
        ]
        await aeventually(
            lambda: len(porter.asked) == MOST_STRANGERS_FROM_ONE, within=5
        )
        with pytest.raises(Unavailable, match="under way already"):
            await clients[-1].greet(GREET, within=WITHIN)
    sentences = {str(each.result()) for each in held}
    assert sentences == {f"This took longer than {ANSWER_WITHIN:g} s."}
    porter.stuck.set()
    assert await clients[-1].greet(GREET, within=WITHIN) == GREETED
    for client in clients:
        await client.close()


async def error_of(call: Awaitable[object]) -> Exception | None:
    try:
        await call
    except SessiondError as e:
        return e
    return None


async def test_connections_beyond_the_bound_are_hung_up_on(where: str) -> None:
    with ExitStack() as stack:
        lines = [
            stack.enter_context(dial(where))
            for _ in range(MOST_STRANGE_CONNECTIONS + 20)
        ]
        await aeventually(
            lambda: sum(map(is_open, lines)) <= MOST_STRANGE_CONNECTIONS, within=5
        )


@pytest.mark.parametrize("first", [b"GET / HTTP/1.1\r\n\r\n", GREETING])
async def test_who_speaks_no_tls_is_hung_up_on(where: str, first: bytes) -> None:
    with dial(where, first) as line:
        await aeventually(lambda: not is_open(line), within=4)
