"""The contract of the door `Ntp`, on the fake, on chronyd and on servers that lie."""

import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.adapters.monotonic import MonotonicClock, SystemWallClock
from agent.adapters.ntp import NtpDoor
from agent.doors import Ntp
from sessiond.errors import Unavailable
from sessiond.units import Seconds
from tests.contract.conftest import descriptors, threads
from tests.support.eventually import aeventually, eventually
from tests.support.fakes import FakeClock, FakeNtp

WITHIN = Seconds(0.5)
# Seconds from 1900, where NTP begins, to 1970.
NTP_BEGIN = 2_208_988_800
PACKET = struct.Struct("!BBbb11I")


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def chronyd(tmp_path: Path) -> Iterator[str]:
    port = free_port()
    configuration = tmp_path / "chrony.conf"
    configuration.write_text(
        f"port {port}\nbindaddress 127.0.0.1\nallow 127.0.0.1\nlocal stratum 8\n"
        f"cmdport 0\nbindcmdaddress /\npidfile {tmp_path}/chronyd.pid\n"
    )
    with (tmp_path / "chronyd.log").open("wb") as log:
        server = subprocess.Popen(
            ["chronyd", "-x", "-d", "-u", "root", "-f", str(configuration)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    yield f"127.0.0.1:{port}"
    server.terminate()
    server.wait(5)


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.real)])
def ntp(request: pytest.FixtureRequest) -> tuple[Ntp, str]:
    """The door, and a server that answers."""
    if request.param == "fake":
        fake = FakeNtp(FakeClock(time.monotonic()))
        fake.answers["127.0.0.1:123"] = (0.0, 0.001)
        return fake, "127.0.0.1:123"
    return NtpDoor(MonotonicClock()), request.getfixturevalue("chronyd")


async def test_a_server_with_our_clock_is_within_its_bound(
    ntp: tuple[Ntp, str],
) -> None:
    door, server = ntp

    async def ask() -> bool:
        try:
            sample = await door.ask(server, WITHIN)
        except Unavailable:
            return False  # chronyd is still starting
        assert sample.server == server
        assert abs(sample.offset) <= sample.bound < 0.05
        assert abs(sample.taken - time.monotonic()) < 1
        return True

    look: Callable[[], object] = ask
    await aeventually(look, within=5)


async def test_a_silent_server_is_unavailable_in_time(ntp: tuple[Ntp, str]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        server = f"127.0.0.1:{silent.getsockname()[1]}"
        begun = time.monotonic()
        with pytest.raises(Unavailable, match=f"{server} did not answer"):
            await ntp[0].ask(server, Seconds(0.2))
        assert time.monotonic() - begun < 1


# What only packets show.


class OddServer:
    """Answers every question with the packet that the test makes of it."""

    def __init__(self, make: Callable[[tuple[int, ...]], bytes]) -> None:
        self._make = make
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, name="odd-server")
        self._thread.start()

    def _serve(self) -> None:
        question, sender = self._socket.recvfrom(256)
        if question:
            self._socket.sendto(self._make(PACKET.unpack(question)), sender)

    def close(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.sendto(b"", self._socket.getsockname())
        self._thread.join(5)
        self._socket.close()


def answer(
    *,
    leap: int = 0,
    mode: int = 4,
    stratum: int = 2,
    ref_id: bytes = b"GPS\0",
    ahead: float = 0.0,
    dispersion: float = 0.001,
    asked_ago: float = 0.0,
) -> Callable[[tuple[int, ...]], bytes]:
    """Return how to answer like a server whose clock is `ahead` of ours."""

    def make(question: tuple[int, ...]) -> bytes:
        now = SystemWallClock().now() + ahead
        stamp = (int(now) + NTP_BEGIN, int(now % 1 * 2**32))
        originate = (question[13] - int(asked_ago), question[14])
        first = leap << 6 | 4 << 3 | mode
        root = (0, int(dispersion * 2**16), int.from_bytes(ref_id, "big"))
        return PACKET.pack(
            first, stratum, 6, -20, *root, *stamp, *originate, *stamp, *stamp
        )

    return make


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[tuple[int, ...]], bytes]], str]]:
    servers: list[OddServer] = []

    def start(make: Callable[[tuple[int, ...]], bytes]) -> str:
        servers.append(OddServer(make))
        return servers[-1].address

    yield start
    for server in servers:
        server.close()


Serve = Callable[[Callable[[tuple[int, ...]], bytes]], str]


async def test_a_server_ahead_of_us_has_a_positive_offset(serve: Serve) -> None:
    server = serve(answer(ahead=2.0, dispersion=0.25))
    sample = await NtpDoor(MonotonicClock()).ask(server, WITHIN)
    assert abs(sample.offset - 2.0) < 0.1
    assert 0.25 <= sample.bound < 0.35


@pytest.mark.parametrize(
    ("make", "flaw"),
    [
        (answer(stratum=0, ref_id=b"RATE"), r"told us to go away \(RATE\)"),
        (answer(stratum=0, ref_id=b"\0\0\0\0"), r"go away \(no reason given\)"),
        (answer(stratum=16), "is not synchronised itself"),
        (answer(leap=3), "is not synchronised itself"),
        (answer(dispersion=7.5), r"may itself be 7\.5 s off"),
        (answer(mode=3), "answers no question of ours"),
        (answer(asked_ago=5), "answers no question of ours"),
        (answer(asked_ago=-5), "answers no question of ours"),
        (lambda _: b"hello", "did not answer"),
    ],
)
async def test_an_answer_of_no_use_is_unavailable_with_the_reason(
    serve: Serve, make: Callable[[tuple[int, ...]], bytes], flaw: str
) -> None:
    with pytest.raises(Unavailable, match=flaw):
        await NtpDoor(MonotonicClock()).ask(serve(make), WITHIN)


@pytest.mark.parametrize(
    "server",
    ["127.0.0.1:9", "[::1]:9", "::1", "no-such-host.invalid", "a..b", "x" * 300],
)
async def test_a_server_that_is_not_there_is_unavailable(server: str) -> None:
    with pytest.raises(Unavailable):
        await NtpDoor(MonotonicClock()).ask(server, WITHIN)


async def test_nothing_is_left_after_a_question(serve: Serve) -> None:
    server = serve(answer())
    before = descriptors()
    await NtpDoor(MonotonicClock()).ask(server, WITHIN)
    assert descriptors() <= before
    eventually(lambda: "ntp" not in threads(), within=2)
