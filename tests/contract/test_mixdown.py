"""The mix-down process against a real JACK server: who is on which bus, and how."""

import asyncio
import ctypes.util
import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from agent.mixdown.messages import (
    FORGET,
    REPORT,
    fade_in_request,
    order_request,
    report_from_json,
)
from agent.steering import Json, ask
from sessiond.core.mixmatrix import SILENCE, MixOrder, MixReport
from sessiond.errors import Refused, Unavailable
from sessiond.units import Decibels, HostName, Seconds
from tests.support.eventually import eventually

pytestmark = pytest.mark.real

SERVER: Final = "mixtest"

# Python with NumPy starts in half a second; two busy cores may make it several.
STARTS: Final = 10.0


@dataclass(slots=True, kw_only=True)
class Room:
    """A mount namespace with a /dev/shm and a JACK server of its own."""

    folder: Path
    jackd: subprocess.Popen[str]
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def socket(self) -> Path:
        return self.folder / "mixdown.sock"

    def spawn(self, *argv: str, **extra: str) -> subprocess.Popen[str]:
        target = ("--target", str(self.jackd.pid), f"--wd={Path.cwd()}")
        inside = ("nsenter", "--mount", *target)
        proc = subprocess.Popen(
            (*inside, *argv),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"JACK_DEFAULT_SERVER": SERVER} | extra,
        )
        self.started.append(proc)
        return proc

    def run(self, *argv: str) -> str:
        proc = self.spawn(*argv)
        return proc.communicate(timeout=STARTS)[0]

    def ports(self) -> set[str]:
        return set(self.run("jack_lsp").split())

    def mixdown(self, *, socket: Path | None = None) -> subprocess.Popen[str]:
        path = str(socket or self.socket)
        return self.spawn(
            *(sys.executable, "-m", "agent.mixdown", "--server", SERVER),
            *("--name", "mixdown", "--socket", path),
        )

    def play(self, *tones: str) -> subprocess.Popen[str]:
        name = f"player{len(self.started)}"
        player = self._tones("play", name, *tones)
        assert _line(player) == "playing"
        return player

    def hear(self, seconds: float, *ports: str) -> subprocess.Popen[str]:
        name = f"ear{len(self.started)}"
        ear = self._tones("hear", name, str(seconds), *ports)
        assert _line(ear) == "hearing"
        return ear

    def _tones(self, *arguments: str) -> subprocess.Popen[str]:
        verb, *rest = arguments
        return self.spawn(
            sys.executable, "-m", "tests.support.tones", SERVER, verb, *rest
        )

    def end(self) -> None:
        for proc in reversed(self.started):
            end(proc)
        self.started.clear()


def _line(proc: subprocess.Popen[str]) -> str:
    assert proc.stdout is not None
    return proc.stdout.readline().strip() or str(proc.communicate())


def said(ear: subprocess.Popen[str]) -> list[dict[str, Any]]:
    heard: list[dict[str, Any]] = json.loads(_line(ear))
    return heard


def end(proc: subprocess.Popen[str]) -> None:
    if proc.poll() is None:
        proc.terminate()
        with suppress(subprocess.TimeoutExpired):
            proc.wait(5)
    if proc.poll() is None:
        proc.kill()
    proc.wait()
    for pipe in (proc.stdout, proc.stderr):
        if pipe is not None:
            pipe.close()


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    script = (
        "mount -t tmpfs tmpfs /dev/shm && "
        f"exec jackd --name {SERVER} --no-realtime -S -d dummy -r 48000 -p 256"
    )
    jackd = subprocess.Popen(
        ("unshare", "--mount", "--propagation", "private", "sh", "-c", script),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"JACK_NO_AUDIO_RESERVATION": "1"},
    )
    room = Room(folder=tmp_path, jackd=jackd)
    try:
        eventually(lambda: "system:playback_1" in room.ports(), within=STARTS)
        yield room
    finally:
        room.end()
        end(jackd)


@pytest.fixture
def mixdown(room: Room) -> subprocess.Popen[str]:
    proc = room.mixdown()
    eventually(room.socket.exists, within=STARTS)
    return proc


def tell(room: Room, request: Mapping[str, Json]) -> dict[str, Json]:
    return asyncio.run(ask(room.socket, request, within=Seconds(5.0)))


def report(room: Room) -> MixReport:
    return report_from_json(tell(room, REPORT))


def order(strips: str, **buses: tuple[float | None, ...]) -> MixOrder:
    """Return an order; a bus is written mix_ogg for mix.ogg."""
    return MixOrder(
        strips=tuple(HostName(name) for name in strips.split()),
        buses=tuple(name.replace("_", ".") for name in buses),
        gains_db=tuple(
            tuple(None if g is None else Decibels(g) for g in row)
            for row in buses.values()
        ),
    )


def settle(room: Room, wanted: MixOrder) -> MixReport:
    tell(room, order_request(wanted))
    return eventually(
        lambda: (now := report(room)).settled and now.order == wanted and now,
        within=2.0,
    ) or report(room)


def tones(heard: dict[str, Any]) -> dict[int, float]:
    return {round(hertz): level for hertz, level in heard["tones"]}


def near(expected: dict[int, float]) -> object:
    return pytest.approx(expected, abs=0.2)


@pytest.mark.usefixtures("mixdown")
def test_each_bus_carries_its_strips_at_their_gains_and_nothing_else(
    room: Room,
) -> None:
    settle(
        room,
        order(
            "alice bob carol",
            mix_ogg=(0.0, -6.0, -20.0),
            dj1_ogg=(0.0, None, None),
            dj2_opus=(None, 3.0, None),
        ),
    )
    room.play(
        *("440:-20:mixdown:alice_1", "460:-20:mixdown:alice_2"),
        *("640:-20:mixdown:bob_1", "660:-20:mixdown:bob_2"),
        *("840:-20:mixdown:carol_1", "860:-20:mixdown:carol_2"),
    )
    buses = ("mix.ogg", "dj1.ogg", "dj2.opus")
    ports = [f"mixdown:{bus}_{side}" for bus in buses for side in (1, 2)]
    heard = [tones(each) for each in said(room.hear(1.0, *ports))]
    assert heard[0] == near({440: -20.0, 640: -26.0, 840: -40.0})
    assert heard[1] == near({460: -20.0, 660: -26.0, 860: -40.0})
    assert heard[2] == near({440: -20.0})
    assert heard[3] == near({460: -20.0})
    assert heard[4] == near({640: -17.0})
    assert heard[5] == near({660: -17.0})


@pytest.mark.usefixtures("mixdown")
def test_a_gain_changes_without_a_click(room: Room) -> None:
    settle(room, order("alice", mix_ogg=(0.0,)))
    # A constant level has no steps of its own: what is heard is the fader alone.
    room.play("0:-6:mixdown:alice_1")
    ear = room.hear(1.0, "mixdown:mix.ogg_1")
    tell(room, order_request(order("alice", mix_ogg=(-40.0,))))
    (heard,) = said(ear)
    # A hard switch steps by 0.5; 15 ms of ramp are 720 steps of 0.0007.
    assert heard["peak"] == pytest.approx(0.501, abs=0.001)
    assert heard["last"] == pytest.approx(0.00501, abs=0.0001)
    assert 0.0 < heard["step"] < 0.001


@pytest.mark.usefixtures("mixdown")
def test_a_bus_fades_in_and_the_others_play_on(room: Room) -> None:
    wanted = order("alice", mix_ogg=(0.0,), dj1_ogg=(0.0,))
    settle(room, wanted)
    room.play("0:-6:mixdown:alice_1")
    ear = room.hear(1.0, "mixdown:mix.ogg_1")
    tell(room, fade_in_request("mix.ogg"))

    def levels() -> tuple[float, float]:
        now = report(room)
        rising, other = now.bus("mix.ogg"), now.bus("dj1.ogg")
        assert rising is not None
        assert other is not None
        return rising.peak_db, other.peak_db

    def is_faint() -> bool:
        rising, other = levels()
        assert other == pytest.approx(-6.0, abs=0.1)
        return rising < -14

    eventually(is_faint, within=1.5)
    (heard,) = said(ear)
    assert 0.0 < heard["step"] < 0.001
    eventually(lambda: levels()[0] == pytest.approx(-6.0, abs=0.1), within=5)
    eventually(lambda: report(room).settled and report(room).order == wanted, within=5)


@pytest.mark.usefixtures("mixdown")
def test_a_strip_leaves_and_comes_back_without_a_click(room: Room) -> None:
    both = order("alice bob", mix_ogg=(0.0, 0.0))
    settle(room, both)
    room.play("0:-6:mixdown:alice_1", "0:-12:mixdown:bob_1")
    ear = room.hear(1.5, "mixdown:mix.ogg_1")
    settle(room, order("alice", mix_ogg=(0.0,)))
    eventually(
        lambda: not room.ports() & {"mixdown:bob_1", "mixdown:bob_2"}, within=2.0
    )
    (heard,) = said(ear)
    assert heard["peak"] == pytest.approx(0.752, abs=0.001)
    assert heard["last"] == pytest.approx(0.501, abs=0.001)
    assert 0.0 < heard["step"] < 0.001

    tell(room, order_request(both))
    assert {"mixdown:bob_1", "mixdown:bob_2"} <= room.ports()


@pytest.mark.usefixtures("mixdown")
def test_mounts_come_and_go_while_another_plays_on_untouched(room: Room) -> None:
    settle(room, order("alice", mix_ogg=(0.0,)))
    room.play("200:-6:mixdown:alice_1")
    ear = room.hear(2.0, "mixdown:mix.ogg_1")
    for _ in range(3):
        settle(room, order("alice bob", dj1_ogg=(0.0, 0.0), mix_ogg=(0.0, None)))
        settle(room, order("alice", mix_ogg=(0.0,)))
    (heard,) = said(ear)
    by_itself = 10 ** (-6 / 20) * 2 * math.pi * 200 / 48000
    assert heard["step"] == pytest.approx(by_itself, rel=0.02)
    assert tones(heard) == near({200: -6.0})
    names = {port for port in room.ports() if port.startswith("mixdown:")}
    assert names == {f"mixdown:{n}_{s}" for n in ("alice", "mix.ogg") for s in (1, 2)}


@pytest.mark.usefixtures("mixdown")
def test_levels_are_those_that_sound(room: Room) -> None:
    wanted = order("alice bob", mix_ogg=(-6.0, 0.0), dj1_ogg=(None, 0.0))
    settle(room, wanted)
    room.play("440:-12:mixdown:alice_1", "440:-12:mixdown:alice_2")

    def steady() -> MixReport:
        now = report(room)
        alice, mix = now.strip(HostName("alice")), now.bus("mix.ogg")
        assert alice is not None
        assert mix is not None
        assert alice.peak_db == pytest.approx(-12.0, abs=0.1)
        assert alice.rms_db == pytest.approx(-15.0, abs=0.2)
        assert mix.peak_db == pytest.approx(-18.0, abs=0.1)
        assert mix.rms_db == pytest.approx(-21.0, abs=0.2)
        return now

    now = eventually(steady, within=3.0)
    silent = now.strip(HostName("bob"))
    assert silent is not None
    assert silent.peak_db == silent.rms_db == SILENCE
    assert now.bus("dj1.ogg") == silent
    assert (now.rate_hz, now.period_frames) == (48000, 256)
    assert 0 < now.callback_p50_us <= now.callback_p99_us
    assert now.callback_p99_us <= now.callback_max_us


@pytest.mark.usefixtures("mixdown")
def test_a_strip_that_is_no_number_harms_nobody_else(room: Room) -> None:
    settle(room, order("alice bob", mix_ogg=(0.0, 0.0), dj2_ogg=(None, 0.0)))
    room.play("440:nan:mixdown:alice_1", "660:-20:mixdown:bob_1")
    ports = ("mixdown:mix.ogg_1", "mixdown:dj2.ogg_1")
    for heard in said(room.hear(0.5, *ports)):
        assert tones(heard) == near({660: -20.0})


@pytest.mark.usefixtures("mixdown")
def test_a_change_of_the_period_is_followed(room: Room) -> None:
    settle(room, order("alice", mix_ogg=(0.0,)))
    room.play("440:-20:mixdown:alice_1")
    for frames in (1024, 64, 256):
        room.run("jack_bufsize", str(frames))
        eventually(
            lambda f=frames: (r := report(room)).settled and r.period_frames == f,  # type: ignore[misc]
            within=3.0,
        )
    (heard,) = said(room.hear(0.5, "mixdown:mix.ogg_1"))
    assert tones(heard) == near({440: -20.0})


@pytest.mark.usefixtures("mixdown")
@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({"order": {"strips": ["a:b"], "buses": [], "gains_db": []}}, "no name"),
        ({"report": True, "order": {}}, "a request is"),
    ],
)
def test_a_bad_request_is_refused_and_changes_nothing(
    room: Room, request_: dict[str, Any], reason: str
) -> None:
    before = settle(room, order("alice", mix_ogg=(0.0,)))
    with pytest.raises(Refused, match=reason):
        tell(room, request_)
    assert report(room).order == before.order
    assert report(room).settled


@pytest.mark.usefixtures("mixdown")
def test_counts_can_be_started_anew(room: Room) -> None:
    eventually(lambda: report(room).callbacks > 100, within=3.0)
    tell(room, FORGET)
    assert report(room).callbacks < 100


def test_a_second_client_of_the_name_is_refused(
    room: Room, mixdown: subprocess.Popen[str]
) -> None:
    second = room.mixdown(socket=room.folder / "second.sock")
    _, words = second.communicate(timeout=STARTS)
    assert second.returncode == 3
    assert words == f"JACK server '{SERVER}' already has a client named mixdown\n"
    assert mixdown.poll() is None


def test_an_absent_server_is_said_in_one_sentence(room: Room) -> None:
    proc = room.spawn(
        *(sys.executable, "-m", "agent.mixdown", "--server", "nowhere"),
        *("--socket", str(room.socket)),
    )
    _, words = proc.communicate(timeout=STARTS)
    assert (proc.returncode, words) == (3, "JACK server 'nowhere' does not answer\n")
    assert not room.socket.exists()


def test_a_missing_libjack_is_said_in_one_sentence(room: Room) -> None:
    library = ctypes.util.find_library("jack")
    assert library is not None
    hide = (
        "for f in $(ldconfig -p | sed -n 's/.*libjack\\.so.* => //p'); "
        "do mount --bind /dev/null $f; done; "
        f"exec {sys.executable} -m agent.mixdown --socket {room.socket}"
    )
    proc = room.spawn("unshare", "--mount", "sh", "-c", hide)
    _, words = proc.communicate(timeout=STARTS)
    assert proc.returncode == 4
    assert words.startswith("JACK's library is missing: ")
    assert len(words.splitlines()) == 1


def test_a_killed_server_ends_it_with_one_sentence(
    room: Room, mixdown: subprocess.Popen[str]
) -> None:
    settle(room, order("alice", mix_ogg=(0.0,)))
    # The room's namespace lasts as long as someone is in it: the mix-down is.
    room.jackd.send_signal(signal.SIGKILL)
    _, words = mixdown.communicate(timeout=5.0)
    assert mixdown.returncode == 3
    assert words.splitlines()[-1].startswith("JACK has ended: ")
    assert len(words.splitlines()) == 2
    assert not room.socket.exists()


def test_a_term_signal_ends_it_in_peace(
    room: Room, mixdown: subprocess.Popen[str]
) -> None:
    settle(room, order("alice", mix_ogg=(0.0,)))
    mixdown.terminate()
    _, words = mixdown.communicate(timeout=5.0)
    assert (mixdown.returncode, words) == (0, "mixing at 48000 Hz\n")
    assert not room.socket.exists()
    assert not {port for port in room.ports() if port.startswith("mixdown")}
    with pytest.raises(Unavailable):
        tell(room, REPORT)
