"""What the demo asks for is a session like any other, and it refuses by name."""

import socket
from pathlib import Path

import numpy as np
import pytest

from sessiond.cli.demo import MUSICIANS, DemoOptions, demo_spec, run_demo
from sessiond.cli.lab import music
from sessiond.cli.lab.relay import claim_port
from sessiond.core.specfile import parse_spec
from sessiond.core.specwriter import format_spec
from sessiond.errors import Refused, Unavailable
from sessiond.units import Hertz, HostName

RATE = Hertz(48000)


@pytest.mark.parametrize("hosts", [1, 3, len(MUSICIANS)])
def test_the_demos_session_could_stand_in_a_file(hosts: int) -> None:
    spec = demo_spec(hosts)
    assert parse_spec(format_spec(spec)).spec == spec


def test_everybody_is_on_the_first_mount_and_has_one_alone() -> None:
    spec = demo_spec(3)
    assert [m.path for m in spec.mounts] == [
        "/mix.ogg", "/dj1.ogg", "/dj2.opus", "/dj3.mp3",
    ]  # fmt: skip
    assert [spec.heard_on(m) for m in spec.mounts] == [
        ("alice", "bob", "carol"), ("alice",), ("bob",), ("carol",),
    ]  # fmt: skip


@pytest.mark.parametrize("hosts", [0, len(MUSICIANS) + 1])
async def test_too_few_or_too_many_hosts_are_refused(hosts: int) -> None:
    with pytest.raises(Refused, match="1 to 12 hosts"):
        await run_demo(DemoOptions(hosts=hosts))


async def test_a_file_for_nobody_is_refused(tmp_path: Path) -> None:
    options = DemoOptions(hosts=1, inputs={HostName("bob"): tmp_path})
    with pytest.raises(Refused, match="no host bob"):
        await run_demo(options)


async def test_an_absent_file_is_refused(tmp_path: Path) -> None:
    options = DemoOptions(inputs={HostName("bob"): tmp_path / "absent.wav"})
    with pytest.raises(Refused, match="no file"):
        await run_demo(options)


@pytest.mark.real
async def test_a_busy_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Unavailable, match=f"Port {port} .* is busy") as caught:
            await run_demo(DemoOptions(port=port))
    assert "--port" in caught.value.hint


def test_a_port_is_free_again_at_once() -> None:
    with claim_port(0) as first:
        port = first.getsockname()[1]
    with claim_port(port) as second:
        assert second.getsockname()[1] == port


@pytest.mark.parametrize("name", music.VOICES)
def test_a_voice_is_one_loop_of_sound_below_full_scale(name: str) -> None:
    samples = music.voice(name, RATE)
    assert samples.shape == (20 * RATE, 2)
    assert samples.dtype == np.float32
    assert 0.05 < np.abs(samples).max() < 0.6


@pytest.mark.parametrize("name", music.VOICES)
def test_a_voice_loops_without_a_click(name: str) -> None:
    samples = music.voice(name, RATE)
    steps = np.abs(np.diff(samples, axis=0)).max()
    seam = np.abs(samples[0] - samples[-1]).max()
    assert seam <= steps


def test_the_whole_band_does_not_clip() -> None:
    together = sum(music.voice(name, RATE) for name in music.VOICES)
    assert np.abs(together).max() < 0.9


def test_a_sine_loops_without_a_seam() -> None:
    wave = music.sine(440, RATE, -6.0)
    assert np.abs(wave).max() == pytest.approx(0.501, abs=0.001)
    twice = np.concatenate((wave, wave))
    assert np.abs(np.diff(twice, 2, axis=0)).max() < 0.002
