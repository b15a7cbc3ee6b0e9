"""A hostile computer on the network: everything it tries at one agent.

    python -m tests.faults.stranger HOST:PORT ATTACK [SECONDS]

The port is where members are answered, and where nobody gets through the handshake
whom the agent does not know; strangers are heard out at the join port, one above.

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
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Final

import grpc

from sessiond.core.election import DocumentOffer, Hello, Presence
from sessiond.core.joining import join_address
from sessiond.core.spec import SessionSpec
from sessiond.core.stamped import Secrets, Stamp
from sessiond.errors import SessiondError, Unavailable
from sessiond.units import (
    Address,
    Certificate,
    HostId,
    HostName,
    Seconds,
    SessionName,
    Term,
)
from sessiond.wire import join_methods
from sessiond.wire.address import parse_address
from sessiond.wire.channel import open_channel
from sessiond.wire.client import AgentClient
from sessiond.wire.convert import encode, to_wire
from sessiond.wire.identity import make_identity
from sessiond.wire.join_client import JoinClient
from sessiond.wire.join_messages import AcquaintRequest, GreetRequest
from sessiond.wire.messages import CreateRequest
from sessiond.wire.peer_client import PeerClient
from sessiond.wire.peer_messages import PeerEnvelope
from sessiond.wire.server import MOST_STRANGERS_FROM_ONE
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
    dial_secure,
    frame,
    is_open,
    literal,
    message,
)

GREET: Final = join_methods.GREET.path
UNPROVEN: Final = (join_methods.ACQUAINT.path, join_methods.JOIN.path)
CREATE: Final = "/sessiond.v1.AgentService/Create"

CONNECTIONS: Final = 1000
FLOODING: Final = 100
HELLOS: Final = 10_000
ABREAST: Final = 64
GUESSES: Final = 40

WITHIN: Final = Seconds(5.0)
MALLORY: Final = HostName("mallory")
HER_ID: Final = HostId("e" * 32)
HERSELF: Final = make_identity(MALLORY)
NONCE: Final = bytes(16)
JAM: Final = SessionName("jam")

Report = Mapping[str, int]
Dial = Callable[[str, bytes], socket.socket]

# --- by hand ----------------------------------------------------------------------


def door(where: str) -> Address:
    """Return the join port of an agent."""
    return join_address(Address(where))


def as_mallory(where: str, first: bytes = b"") -> socket.socket:
    """Open a connection that is encrypted, as somebody whom nobody knows."""
    return dial_secure(where, HERSELF, first)


@contextmanager
def lines(
    where: str, number: int, first: bytes = b"", opens: Dial = dial
) -> Iterator[list[socket.socket]]:
    """Open many connections that all say the same; those refused are left out."""
    with ExitStack() as stack:
        opened = []
        for _ in range(number):
            with suppress(OSError):
                opened.append(stack.enter_context(opens(where, first)))
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
    """Say what is no TLS at all, in many ways, at both ports."""
    chance = random.Random(22)  # noqa: S311  no secret
    words = [chance.randbytes(chance.randint(1, 20_000)) for _ in range(100)]
    words += [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00"]
    words += [PREFACE + chance.randbytes(5000) for _ in range(50)]
    words += [GREETING + chance.randbytes(5000) for _ in range(50)]
    first, second = many(where, words), many(door(where), words)
    return {key: first[key] + second[key] for key in first}


def frames(where: str) -> Report:
    """Say what is HTTP/2, and what nobody would say, where strangers are heard."""
    endless = b"".join(literal("x-header", "v" * 100) for _ in range(150))
    block = literal(":path", GREET)
    resets = b"".join(
        call(GREET, n) + frame(RESET, n, struct.pack(">I", 8))
        for n in range(1, 6000, 2)
    )
    words = [
        GREETING + b"\xff\xff\xff\x00\x00\x00\x00\x00\x01" + b"x" * 65536,
        GREETING + frame(SETTINGS, 0, b"\x00\x03" + b"\xff" * 4) * 1000,
        GREETING + frame(SETTINGS, 0, b"odd"),
        GREETING + frame(PING, 0, b"12345678") * 20_000,
        GREETING + frame(HEADERS, 1, block) + frame(CONTINUATION, 1, endless) * 500,
        GREETING + frame(HEADERS, 0, block, flags=4),
        GREETING + resets,
        GREETING + call(GREET, 1) + message(b"\xff" * 1000, 1),
        GREETING + call(GREET, 1) + message(b"x" * (2 << 20), 1),
        GREETING + call("/sessiond.v1.JoinService/Nothing", 1) + message(b"", 1),
        GREETING + call("/" + "x" * 120, 1) + message(b"", 1),
    ]
    return many(door(where), words, as_mallory)


def unlisted(where: str) -> Report:
    """Say what a member would, in the name of somebody who is none."""
    words = [GREETING + call(path, 1) + message(b"", 1) for path in (CREATE, GREET)]
    return many(where, words * 20, as_mallory)


def many(where: str, words: Sequence[bytes], opens: Dial = dial) -> Report:
    """Say each of these on a connection of its own."""
    heard = 0
    for each in words:
        with suppress(OSError), opens(where, b"") as line:
            heard += say(line, each)
    return {"tried": len(words), "heard": heard}


def idle(
    where: str,
    first: bytes = b"",
    during: float = 7.0,
    number: int = CONNECTIONS,
    opens: Dial = dial,
) -> Report:
    """Open a thousand connections and say no more."""
    with lines(where, number, first, opens) as opened:
        until = time.monotonic() + during
        eventually(lambda: time.monotonic() >= until, within=during + 5.0)
        kept = sum(map(is_open, opened))
        return {"tried": number, "opened": len(opened), "kept": kept}


def flood(where: str, during: float) -> Report:
    """Say things on a hundred connections at once, and begin each anew at its end.

    Half of them at the port of members, as somebody whom nobody knows, and half where
    strangers are heard: garbage, or calls as fast as they are taken.
    """
    ends = time.monotonic() + during
    calls = GREETING + b"".join(call(GREET, n) for n in range(1, 256, 2))
    noise = random.Random(19).randbytes(20_000)  # noqa: S311  no secret
    said = [
        (partial(opens, place), words)
        for place in (where, door(where))
        for opens, words in ((dial, noise), (as_mallory, calls))
    ]

    dialling: set[int] = set()
    at_once = 0

    def one(number: int) -> tuple[int, int]:
        nonlocal at_once
        opens, words = said[number % len(said)]
        tried = heard = 0
        while time.monotonic() < ends:
            tried += 1
            dialling.add(number)
            at_once = max(at_once, len(dialling))
            with suppress(OSError), opens(b"") as line:
                heard += say(line, words)
            dialling.discard(number)
        return tried, heard

    with ThreadPoolExecutor(FLOODING) as lines:
        tried, heard = map(sum, zip(*lines.map(one, range(FLOODING)), strict=True))
    return {"tried": tried, "heard": heard, "at_once": at_once}


def half_open(where: str) -> Report:
    """Begin greetings on many connections and never say what they are about."""
    calls = b"".join(call(GREET, n) for n in range(1, 128, 2))
    words, number = GREETING + calls, CONNECTIONS // 5
    return idle(door(where), words, during=2.0, number=number, opens=as_mallory)


def polite(where: str) -> Report:
    """Open a thousand good connections to the join port, and ask for nothing."""
    return idle(door(where), POLITE, during=2.0, opens=as_mallory)


# --- in the protocol's own words ----------------------------------------------------


async def counted(
    calls: Sequence[Callable[[], Awaitable[object]]], abreast: int = ABREAST
) -> Counter[str]:
    """Make calls, some abreast, and count how they end."""
    ends: Counter[str] = Counter()
    places = asyncio.Semaphore(abreast)

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
    """Greet as thousands of agents that are nowhere."""

    def greeting(number: int) -> GreetRequest:
        address = f"10.{66 + number // 65536}.{number // 256 % 256}.{number % 256}:7700"
        return GreetRequest(nonce=number.to_bytes(16, "big"), address=Address(address))

    async with await JoinClient.open(door(where), None, within=WITHIN) as line:
        greetings = [
            partial(line.greet, greeting(n), within=WITHIN) for n in range(HELLOS)
        ]
        return await counted(greetings, MOST_STRANGERS_FROM_ONE)


async def guesses(where: str) -> Report:
    """Say to be of the agent's studio, with proofs that are none."""
    async with await JoinClient.open(door(where), None, within=WITHIN) as line:

        async def guess(number: int) -> None:
            greeted = await line.greet(GreetRequest(nonce=NONCE), within=WITHIN)
            proof = number.to_bytes(32, "big")
            request = AcquaintRequest(
                certificate=HERSELF.certificate, nonce=greeted.nonce, proof=proof
            )
            await line.acquaint(request, within=WITHIN)

        return await counted([partial(guess, n) for n in range(GUESSES)], 1)


async def shown_at(where: str) -> Certificate:
    """Return what an agent shows to everybody."""
    async with await JoinClient.open(door(where), None, within=WITHIN) as line:
        return line.certificate


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
    pinned = await shown_at(where)
    async with open_channel(parse_address(door(where)), pinned=pinned) as channel:
        calls: list[Callable[[], Awaitable[object]]] = [
            partial(_raw, channel, path, content)
            for path in UNPROVEN
            for content in contents
        ]
        return await counted(calls)


async def _raw(channel: grpc.aio.Channel, path: str, content: bytes) -> None:
    await channel.unary_unary(path, bytes, bytes)(content, timeout=WITHIN)


async def requests(where: str) -> Report:
    """Ask for what only a member, or nobody, may have."""
    pinned = await shown_at(where)
    line = PeerClient(where, pinned=pinned, identity=HERSELF)
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
    async with AgentClient(
        where, within=WITHIN, pinned=pinned, identity=HERSELF
    ) as agent:
        people: list[Callable[[], Awaitable[object]]] = [
            partial(agent.stop, JAM),
            partial(agent.spec, JAM),
            partial(agent.status, JAM),
            partial(agent.handover, JAM, MALLORY),
            partial(agent.leave),
            partial(agent.create, endless.spec, Secrets()),
            partial(agent.create, impossible.spec, Secrets()),
            partial(_create_raw, where, pinned, impossible.spec),
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


async def _create_raw(where: str, pinned: Certificate, spec: SessionSpec) -> None:
    content = encode(CreateRequest(spec=spec, secrets=Secrets()))
    address = parse_address(where)
    async with open_channel(address, pinned=pinned, identity=HERSELF) as channel:
        create = channel.unary_unary(CREATE, bytes, bytes)
        try:
            await create(content.replace(b"jam", b"j\x1bm"), timeout=WITHIN)
        except grpc.aio.AioRpcError as e:
            raise Unavailable(e.code().name) from e


BY_HAND: Final[Mapping[str, Callable[[str], Report]]] = MappingProxyType(
    {
        "garbage": garbage,
        "frames": frames,
        "idle": idle,
        "polite": polite,
        "half-open": half_open,
        "unlisted": unlisted,
    }
)

LASTING: Final[Mapping[str, Callable[..., Report]]] = MappingProxyType(
    {"idle": idle, "flood": flood}
)

IN_WORDS: Final[Mapping[str, Callable[[str], Awaitable[Report]]]] = MappingProxyType(
    {"hellos": hellos, "lists": lists, "requests": requests, "guesses": guesses}
)

ATTACKS: Final = (*BY_HAND, *IN_WORDS)


async def _in_words(where: str, attack: str) -> Report:
    return await IN_WORDS[attack](where)


def main() -> None:
    """Attack, and tell how it went."""
    where, attack, *seconds = sys.argv[1:]
    if seconds:
        report = LASTING[attack](where, during=float(seconds[0]))
    elif attack in BY_HAND:
        report = BY_HAND[attack](where)
    else:
        report = asyncio.run(_in_words(where, attack))
    sys.stdout.write(json.dumps(dict(report)) + "\n")


if __name__ == "__main__":
    main()
