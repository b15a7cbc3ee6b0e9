"""One encoder, two mounts: what the listeners of a promotion hear."""

import dataclasses
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sessiond.core.sourcing import Seat, SourceState
from sessiond.core.spec import MountSpec
from tests.support.ear import Heard, decode, listen, listening, silences, tones
from tests.support.eventually import aeventually
from tests.support.icecast import ADDRESS, RealIcecast, icecast
from tests.support.sources import MOUNTS, PITCH, SECRETS, SPEC, order, sound, source
from tests.support.studio import Studio, studio

pytestmark = pytest.mark.real

# How long a promoted host goes on feeding the hidden mount.
BOTH_SECONDS = 3.0


@pytest.fixture
async def jack() -> AsyncIterator[Studio]:
    async with studio(PITCH) as made:
        yield made


@pytest.fixture
async def station(tmp_path: Path) -> AsyncIterator[RealIcecast]:
    folder = tmp_path / "icecast"
    folder.mkdir()
    async with icecast(SPEC, SECRETS, folder) as server:
        yield server


async def test_one_source_feeds_the_mount_and_the_hidden_mount(
    jack: Studio, station: RealIcecast, tmp_path: Path
) -> None:
    wanted = dataclasses.replace(order(MOUNTS[1], station), public=True)
    async with source(wanted, jack, tmp_path, seats=tuple(Seat)) as made:
        await jack.play(wanted.jack_client)
        for seat in Seat:
            await made.become(SourceState.LIVE, seat=seat)
        for seat, role, public in (
            (Seat.PRIMARY, "leader", "1"),
            (Seat.HIDDEN, "standby", "0"),
        ):
            path = wanted.mount(seat)
            heard = await listen(ADDRESS, station.port, path, seconds=1.5)
            assert f" role={role}]" in heard.headers["icy-description"]
            assert heard.headers["icy-pub"] == public
            assert tones(decode(heard.body)) == {PITCH}
        assert made.report.encoder_restarts == 0


@pytest.mark.parametrize("mount", MOUNTS, ids=lambda mount: mount.codec.value)
async def test_nobody_hears_a_promotion(
    mount: MountSpec, jack: Studio, station: RealIcecast, tmp_path: Path
) -> None:
    first = order(mount, station, "alice")
    second = dataclasses.replace(order(mount, station, "bob"), jack_client="air-bob")
    async with (
        source(first, jack, tmp_path) as alice,
        source(second, jack, tmp_path, seats=(Seat.HIDDEN,)) as bob,
    ):
        await jack.play(first.jack_client)
        await jack.play(second.jack_client)
        await alice.become(SourceState.LIVE)
        pid = (await bob.become(SourceState.LIVE, seat=Seat.HIDDEN)).encoder_pid
        async with listening(ADDRESS, station.port, mount.path) as heard:
            await go_on(heard, 1)
            before = sound(heard.body)
            alice.child.kill()
            await go_on(heard, 0.5)
            bob.grants[Seat.PRIMARY] = 1
            await bob.become(SourceState.LIVE, within=5)
            await go_on(heard, BOTH_SECONDS)
            await bob.revoke(Seat.HIDDEN)
            await bob.become(SourceState.WAITING, seat=Seat.HIDDEN)
            await go_on(heard, 0.5)
            assert not heard.finished.is_set()
        pcm = decode(heard.body)
        assert pcm.duration > before + BOTH_SECONDS
        assert silences(pcm.part(before - 0.5, pcm.duration)) == ()
        assert (bob.report.encoder_pid, bob.report.encoder_restarts) == (pid, 0)
        bob.is_(SourceState.LIVE)()


async def go_on(heard: Heard, seconds: float) -> None:
    """Wait until this much time has passed, and new sound has come after it."""
    ends = time.monotonic() + seconds
    await aeventually(lambda: time.monotonic() > ends, within=seconds + 5)
    there = len(heard.body)
    await aeventually(lambda: len(heard.body) > there, within=10)
