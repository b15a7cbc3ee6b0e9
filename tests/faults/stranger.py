"""A hostile computer on the network: everything it tries at one agent.

    python -m tests.faults.stranger HOST:PORT ATTACK [SECONDS]

One JSON line on stdout tells how the attack was met: how many connections or calls, and
how many of them were taken for good ones. The asker looks at what it did to the agent.
"""

import asyncio
import json
import random
import socket
import struct
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Final

import grpc

from sessiond.core.election import DocumentOffer, Hello, Presence
from sessiond.core.spec import SessionSpec
from sessiond.core.stamped import Secrets, Stamp
from sessiond.core.status import HostSighting
from sessiond.errors import SessiondError, Unavailable
from sessiond.units import Address, HostId, HostName, Seconds, SessionName, Term
from sessiond.wire.client import AgentClient
from sessiond.wire.convert import encode, to_wire
from sessiond.wire.messages import CreateRequest
from sessiond.wire.peer_client import PeerClient
from sessiond.wire.peer_messages import HelloRequest, PeerEnvelope
from tests.sim.documents import document
from tests.support.eventually import eventually
from tests.support.frames import (
    CONTINUATION,
    GREETING,
    HEADERS,
    PING,
    POLITE,
    PREFACE,
    RESET,
    SETTINGS,
    call,
    dial,
    frame,
    is_open,
    literal,
    message,
)

HELLO: Final = "/sessiond.v1.PeerService/Hello"
TELL: Final = "/sessiond.v1.PeerService/Tell"

CONNECTIONS: Final = 1000
HELLOS: Final = 10_000
ABREAST: Final = 64

WITHIN: Final = Seconds(5.0)
MALLORY: Final = HostName("mallory")
HER_ID: Final = HostId("e" * 32)
JAM: Final = SessionName("jam")

Report = Mapping[str, int]

# --- by hand ----------------------------------------------------------------------


@contextmanager
def lines(where: str, number: int, first: bytes = b"") -> Iterator[list[socket.socket]]:
    """Open many connections that all say the same; those refused are left out."""
    with ExitStack() as stack:
        opened = []
        for _ in range(number):
            with suppress(OSError):
                opened.append(stack.enter_context(dial(where, first)))
        yield opened


def say(line: socket.socket, words: bytes) -> bool:
    """Send all of this; False once the other side has hung up."""
    try:
        line.setblocking(True)
        line.sendall(words)
    except OSError:
        return False
    return True


def garbage(where: str) -> Report:
    """Say what is no HTTP/2 at all, in many ways."""
    chance = random.Random(22)  # noqa: S311  no secret
    words = [chance.randbytes(chance.randint(1, 20_000)) for _ in range(100)]
    words += [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00"]
    words += [PREFACE + chance.randbytes(5000) for _ in range(50)]
    words += [GREETING + chance.randbytes(5000) for _ in range(50)]
    return many(where, words)


def frames(where: str) -> Report:
    """Say what is HTTP/2, and what nobody would say."""
    endless = b"".join(literal("x-header", "v" * 100) for _ in range(150))
    block = literal(":path", TELL)
    resets = b"".join(
        call(TELL, n) + frame(RESET, n, struct.pack(">I", 8)) for n in range(1, 6000, 2)
    )
    words = [
        GREETING + b"\xff\xff\xff\x00\x00\x00\x00\x00\x01" + b"x" * 65536,
        GREETING + frame(SETTINGS, 0, b"\x00\x03" + b"\xff" * 4) * 1000,
        GREETING + frame(SETTINGS, 0, b"odd"),
        GREETING + frame(PING, 0, b"12345678") * 20_000,
        GREETING + frame(HEADERS, 1, block) + frame(CONTINUATION, 1, endless) * 500,
        GREETING + frame(HEADERS, 0, block, flags=4),
        GREETING + resets,
        GREETING + call(TELL, 1) + message(b"\xff" * 1000, 1),
        GREETING + call(TELL, 1) + message(b"x" * (2 << 20), 1),
        GREETING + call("/sessiond.v1.PeerService/Nothing", 1) + message(b"", 1),
        GREETING + call("/" + "x" * 120, 1) + message(b"", 1),
    ]
    return many(where, words)


def many(where: str, words: Sequence[bytes]) -> Report:
    """Say each of these on a connection of its own."""
    heard = 0
    for each in words:
        with suppress(OSError), dial(where) as line:
            heard += say(line, each)
    return {"tried": len(words), "heard": heard}


def idle(
    where: str, first: bytes = b"", during: float = 7.0, number: int = CONNECTIONS
) -> Report:
    """Open a thousand connections and say no more."""
    with lines(where, number, first) as opened:
        until = time.monotonic() + during
        eventually(lambda: time.monotonic() >= until, within=during + 5.0)
        kept = sum(map(is_open, opened))
        return {"tried": number, "opened": len(opened), "kept": kept}


def half_open(where: str) -> Report:
    """Begin calls on many connections and never say what they are about."""
    calls = b"".join(call(TELL, n) for n in range(1, 128, 2))
    return idle(where, GREETING + calls, during=2.0, number=CONNECTIONS // 5)


# --- in the protocol's own words ----------------------------------------------------


async def counted(calls: Sequence[Callable[[], Awaitable[object]]]) -> Counter[str]:
    """Make calls, some abreast, and count how they end."""
    ends: Counter[str] = Counter()
    places = asyncio.Semaphore(ABREAST)

    async def one(made: Callable[[], Awaitable[object]]) -> None:
        async with places:
            try:
                await made()
            except SessiondError as e:
                ends[type(e).__name__] += 1
            except grpc.aio.AioRpcError as e:
                ends[e.code().name] += 1
            else:
                ends["answered"] += 1

    await asyncio.gather(*map(one, calls))
    return ends


async def hellos(where: str) -> Report:
    """Say hello as thousands of agents that are nowhere."""
    line = PeerClient(where)

    def sender(number: int) -> HelloRequest:
        address = f"10.{66 + number // 65536}.{number // 256 % 256}.{number % 256}:7700"
        sighting = HostSighting(
            name=HostName(f"h{number}"),
            id=HostId(f"{number:032x}"),
            address=Address(address),
        )
        return HelloRequest(sender=sighting)

    try:
        return await counted(
            [partial(line.hello, sender(n), within=WITHIN) for n in range(HELLOS)]
        )
    finally:
        await line.close()


async def lists(where: str) -> Report:
    """Send messages that are longer, deeper or otherwise than any true one."""
    hello = Hello(term=Term(1), presence=Presence(stamp=Stamp(Term(1), 1)))
    envelope = PeerEnvelope(sender_name=MALLORY, sender_id=HER_ID, session=JAM)
    whole = to_wire(replace(envelope, messages=(hello,)))
    torn = encode(replace(envelope, messages=(hello,)))
    for _ in range(15):
        whole.MergeFrom(whole)
    contents = [
        whole.SerializeToString()[: 1 << 20],
        torn[:-3],
        torn.replace(MALLORY.encode(), b"mal\nory"),
        torn.replace(MALLORY.encode(), b"mal\xff\xfey"),
        b"\x0a\xff\xff\xff\xff\x0f",
        b"\x0b" * 100_000,
    ]
    async with grpc.aio.insecure_channel(where) as channel:
        calls: list[Callable[[], Awaitable[object]]] = [
            partial(_raw, channel, path, content)
            for path in (TELL, HELLO)
            for content in contents
        ]
        return await counted(calls[:-1])


async def _raw(channel: grpc.aio.Channel, path: str, content: bytes) -> None:
    await channel.unary_unary(path, bytes, bytes)(content, timeout=WITHIN)


async def requests(where: str) -> Report:
    """Ask for what only a member, or nobody, may have."""
    line = PeerClient(where)
    offered = document((MALLORY, HostName("bob")), mounts=False)
    endless = document(tuple(HostName(f"h{n}") for n in range(3000)), mounts=False)
    alice = HostName("alice")
    impossible = document((alice, MALLORY))
    (mount,) = impossible.spec.mounts
    torn = replace(mount, name="a\r\nice-public: 1", genre="\x00")
    impossible = replace(impossible, spec=replace(impossible.spec, mounts=(torn,)))
    envelope = PeerEnvelope(sender_name=MALLORY, sender_id=HER_ID, session=JAM)

    def offer(made: object) -> PeerEnvelope:
        presence = Presence(stamp=Stamp(Term(9), 9))
        told = DocumentOffer(term=Term(9), presence=presence, document=made)  # type: ignore[arg-type]
        return replace(envelope, messages=(told,))

    tellings = [envelope, offer(offered), offer(endless), offer(impossible)]
    async with AgentClient(where, within=WITHIN) as agent:
        people: list[Callable[[], Awaitable[object]]] = [
            partial(agent.stop, JAM),
            partial(agent.spec, JAM),
            partial(agent.status, JAM),
            partial(agent.handover, JAM, MALLORY),
            partial(agent.leave),
            partial(agent.create, endless.spec, Secrets()),
            partial(agent.create, impossible.spec, Secrets()),
            partial(_create_raw, where, impossible.spec),
        ]
        peers: list[Callable[[], Awaitable[object]]] = [
            *(partial(line.tell, each, within=WITHIN) for each in tellings),
            partial(line.give_secrets, JAM, Secrets(source="x"), within=WITHIN),
            partial(line.report, JAM, within=WITHIN),
            partial(line.mute, JAM, muted=True, within=WITHIN),
        ]
        try:
            return await counted([*people, *peers])
        finally:
            await line.close()


async def _create_raw(where: str, spec: SessionSpec) -> None:
    content = encode(CreateRequest(spec=spec, secrets=Secrets()))
    async with grpc.aio.insecure_channel(where) as channel:
        create = channel.unary_unary("/sessiond.v1.AgentService/Create", bytes, bytes)
        try:
            await create(content.replace(b"jam", b"j\x1bm"), timeout=WITHIN)
        except grpc.aio.AioRpcError as e:
            raise Unavailable(e.code().name) from e


BY_HAND: Final[Mapping[str, Callable[[str], Report]]] = MappingProxyType(
    {
        "garbage": garbage,
        "frames": frames,
        "idle": idle,
        "polite": partial(idle, first=POLITE, during=2.0),
        "half-open": half_open,
    }
)

IN_WORDS: Final[Mapping[str, Callable[[str], Awaitable[Report]]]] = MappingProxyType(
    {"hellos": hellos, "lists": lists, "requests": requests}
)

ATTACKS: Final = (*BY_HAND, *IN_WORDS)


async def _in_words(where: str, attack: str) -> Report:
    return await IN_WORDS[attack](where)


def main() -> None:
    """Attack, and tell how it went."""
    where, attack, *seconds = sys.argv[1:]
    if seconds:
        report = idle(where, POLITE, during=float(seconds[0]))
    elif attack in BY_HAND:
        report = BY_HAND[attack](where)
    else:
        report = asyncio.run(_in_words(where, attack))
    sys.stdout.write(json.dumps(dict(report)) + "\n")


if __name__ == "__main__":
    main()
