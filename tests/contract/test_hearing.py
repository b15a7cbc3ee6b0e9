"""Listening to mounts against real Icecast and FFmpeg."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sessiond.core.hearing import MountSound, SilenceRule
from sessiond.core.spec import Codec, MountSpec
from sessiond.core.stamped import Secrets
from sessiond.errors import Broken
from sessiond.hearing.mount_ear import MountEar
from sessiond.units import MountPath, Seconds
from tests.support.broadcast import LOUD, SILENCE, SINE, broadcast
from tests.support.eventually import aeventually
from tests.support.icecast import ADDRESS, RealIcecast, icecast
from tests.support.sources import MOUNTS, SPEC

pytestmark = pytest.mark.real

# Quicker than a mount's own rule, so that tests are short.
RULE = SilenceRule(after=Seconds(1.5))

FLAC = MOUNTS[3]


@pytest.fixture
async def station(tmp_path: Path) -> AsyncIterator[RealIcecast]:
    async with icecast(SPEC, Secrets(source="hackme", admin="boss"), tmp_path) as made:
        yield made


@asynccontextmanager
async def ear(station: RealIcecast, path: MountPath) -> AsyncIterator[MountEar]:
    made = MountEar(
        f"http://{ADDRESS}:{station.port}{path}",
        path,
        rule=RULE,
        now=lambda: Seconds(time.monotonic()),
    )
    async with asyncio.TaskGroup() as group:
        task = group.create_task(made.run())
        yield made
        task.cancel()


def is_a_quiet_sine(sound: MountSound, title: str) -> bool:
    assert (sound.listening, sound.progressing) == (True, True)
    assert sound.level_db == pytest.approx(-32, abs=1)
    assert sound.true_peak_db == pytest.approx(-29, abs=1)
    # BS.1770 adds the powers of both channels.
    assert sound.momentary_lufs == pytest.approx(-29.8, abs=1)
    assert sound.integrated_lufs == pytest.approx(-29.8, abs=1)
    assert sound.title == title
    return True


async def test_a_sine_is_heard_in_every_codec_with_its_title(
    station: RealIcecast,
) -> None:
    async with asyncio.TaskGroup() as group:
        for mount in MOUNTS:
            group.create_task(hear_a_sine(station, mount))


async def hear_a_sine(station: RealIcecast, mount: MountSpec) -> None:
    title = f"Jürgen {mount.codec.value}"
    async with (
        broadcast(station, mount, SINE, title=title) as played,
        ear(station, mount.path) as listener,
    ):
        await aeventually(lambda: listener.sound().listening, within=15)
        if mount.codec is Codec.MP3:
            await played.call(title)
        await aeventually(lambda: is_a_quiet_sine(listener.sound(), title), within=15)
        sound = listener.sound()
        assert (sound.silent, sound.clipping, sound.gaps) == (False, False, 0)


async def test_silence_is_told_and_ends(station: RealIcecast) -> None:
    async with ear(station, FLAC.path) as listener:
        async with broadcast(station, FLAC, SILENCE):
            await aeventually(lambda: listener.sound().silent, within=15)
            assert listener.sound().progressing
        async with broadcast(station, FLAC, LOUD):
            await aeventually(lambda: listener.sound().clipping, within=15)
            sound = listener.sound()
            assert not sound.silent
            assert sound.true_peak_db is not None
            assert sound.true_peak_db > 0


async def test_a_source_that_hangs_is_a_gap(station: RealIcecast) -> None:
    async with (
        broadcast(station, FLAC, SINE) as played,
        ear(station, FLAC.path) as listener,
    ):
        await aeventually(lambda: listener.sound().progressing, within=15)
        played.pause()
        await aeventually(lambda: not listener.sound().progressing, within=10)
        await aeventually(lambda: listener.sound().gaps == 1, within=10)
        played.resume()
        await aeventually(lambda: listener.sound().progressing, within=10)
        sound = listener.sound()
        assert sound.gaps == 1
        assert sound.gap_s > 0


async def test_without_ffmpeg_a_person_is_told(
    station: RealIcecast, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with broadcast(station, FLAC, SINE):
        monkeypatch.setenv("PATH", "/nowhere")
        listener = MountEar(
            f"http://{ADDRESS}:{station.port}{FLAC.path}",
            FLAC.path,
            rule=RULE,
            now=lambda: Seconds(time.monotonic()),
        )
        with pytest.raises(Broken, match="missing"):
            async with asyncio.timeout(15):
                await listener.run()
