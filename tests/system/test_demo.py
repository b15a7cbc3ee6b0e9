"""``sessiond demo`` is a whole jam, and leaves nothing."""

import os
import signal
import subprocess
import sys
import time
import wave
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from sessiond.cli.lab import leaks
from sessiond.cli.lab.holder import network_of
from sessiond.cli.lab.music import sine
from sessiond.units import Hertz
from tests.support.ear import decode, listen, silences, tones
from tests.support.eventually import aeventually, eventually
from tests.support.icecast import free_port

pytestmark = [pytest.mark.real, pytest.mark.timeout(150)]

RATE = Hertz(48000)

# The rest of a minute's start: a busy machine.
ON_AIR_WITHIN = 40.0


@pytest.fixture
def tmp_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a short name, for a socket's whole path has 107 bytes."""
    return tmp_path_factory.mktemp("d")


@contextmanager
def demo(
    folder: Path, *arguments: str, way: tuple[str, ...] = ()
) -> Iterator["subprocess.Popen[str]"]:
    """Run a demo whose folders lie in `folder`, and end it if it has not ended."""
    sessiond = str(Path(sys.executable).parent / "sessiond")
    # A shell's background job ignores Ctrl-C, and so would all that it starts.
    argv = (*way, "env", "--default-signal=INT", sessiond, "demo", *arguments)
    env = {**os.environ, "TMPDIR": str(folder), "PYTHONFAULTHANDLER": "1"}
    with subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env
    ) as child:
        try:
            yield child
        except subprocess.TimeoutExpired:
            # It has hung: its stack says where.
            child.send_signal(signal.SIGABRT)
            raise AssertionError(child.communicate(timeout=5)[0]) from None
        finally:
            child.kill()


def lines_until(child: "subprocess.Popen[str]", word: str) -> list[str]:
    """Return what a demo prints up to the line with this word."""
    assert child.stdout is not None
    lines = []
    for line in child.stdout:
        lines.append(line)
        if word in line:
            return lines
    raise AssertionError(f"the demo ended before it said {word!r}: {lines}")


def networks_of(child: "subprocess.Popen[str]") -> frozenset[int]:
    """Return the networks of a demo's hosts, by the processes that hold them."""
    listing = Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text()
    own = network_of(os.getpid())
    found = {network_of(int(pid)) for pid in listing.split()}
    return frozenset(net for net in found if net is not None and net != own)


def folders_left(folder: Path) -> list[Path]:
    return list(folder.glob("sessiond-demo-*"))


def sine_file(folder: Path, pitch: int) -> Path:
    """Return a WAV file, mono and at another rate than JACK's, of one sine."""
    path = folder / f"{pitch} Hz.wav"
    samples = sine(pitch, Hertz(44100), -20.0)[:, 0]
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(44100)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path


async def test_a_demo_plays_files_on_its_mounts_and_cleans_up(tmp_path: Path) -> None:
    port = free_port()
    sines: Mapping[str, int] = {"alice": 440, "bob": 550}
    inputs = [f"--input={h}={sine_file(tmp_path, p)}" for h, p in sines.items()]
    wanted = {"/mix.ogg": {440, 550}, "/dj1.ogg": {440}, "/dj2.opus": {550}}

    with demo(tmp_path, "--hosts=2", f"--port={port}", *inputs) as child:
        said = lines_until(child, "Ctrl-C")
        networks = networks_of(child)
        assert len(networks) == 4
        for path, expected in wanted.items():
            assert any(f"http://127.0.0.1:{port}{path}" in line for line in said)

            async def right(path: str = path, expected: set[int] = expected) -> bool:
                pcm = decode((await listen("127.0.0.1", port, path, seconds=4)).body)
                sines = tones(pcm.part(pcm.duration - 1.0, pcm.duration))
                assert sines == expected, f"{path} carries {sorted(sines)}"
                return True

            await aeventually(right, within=20)
        child.send_signal(signal.SIGINT)
        assert child.wait(20) == 130
    assert leaks(networks) == ()
    assert not folders_left(tmp_path)


async def test_a_demo_ends_by_itself_and_makes_music(tmp_path: Path) -> None:
    port = free_port()
    with demo(tmp_path, f"--port={port}", "--for=8") as child:
        lines_until(child, "Ctrl-C")
        began = time.monotonic()
        networks = networks_of(child)
        heard = await listen("127.0.0.1", port, "/mix.ogg", seconds=6)
        pcm = decode(heard.body)
        assert np.abs(pcm.samples).max() > 0.1
        assert not silences(pcm.part(pcm.duration - 2.0, pcm.duration), at_least=0.5)
        assert child.wait(30) == 0
        assert 7 < time.monotonic() - began < 20
    assert leaks(networks) == ()


def test_a_busy_port_is_told_at_once(tmp_path: Path) -> None:
    port = free_port()
    with demo(tmp_path, "--hosts=1", f"--port={port}") as first:
        lines_until(first, "Starting")
        with demo(tmp_path, f"--port={port}") as second:
            assert second.wait(20) == 3
            assert second.stdout is not None
            assert f"Port {port} of this machine is busy" in second.stdout.read()
        networks = networks_of(first)
    eventually(lambda: leaks(networks) == (), within=10)


async def test_a_user_who_is_not_root_has_a_demo_too(tmp_path: Path) -> None:
    port = free_port()
    someone = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
    with demo(tmp_path, "--hosts=1", f"--port={port}", "--for=3", way=someone) as child:
        lines_until(child, "Ctrl-C")
        heard = await listen("127.0.0.1", port, "/dj1.ogg", seconds=3)
        assert heard.status.endswith("200 OK")
        assert child.wait(30) == 0
