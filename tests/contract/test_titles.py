"""Titles on a real Icecast: what one listener is shown, and hears, on each codec."""

import dataclasses
import os
import shutil
from collections.abc import AsyncIterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

from agent.source import steer
from sessiond.core.sourcing import Seat, SourceOrder, SourceState
from sessiond.core.spec import Codec, MountSpec
from sessiond.units import HostName
from tests.support.ear import decode, silences
from tests.support.eventually import aeventually
from tests.support.icecast import ADDRESS, RealIcecast, icecast
from tests.support.sources import (
    MOUNTS,
    PASSWORD,
    PITCH,
    SECRETS,
    SPEC,
    order,
    source,
)
from tests.support.titled import Titled, phases, titled

pytestmark = [pytest.mark.real, pytest.mark.timeout(60)]

CODECS = pytest.mark.parametrize("mount", MOUNTS, ids=lambda mount: mount.codec.value)

ODD = "Björk & Ölaf - It's #1';! 100 % <ü> – 日本"
# Icecast writes it into its status without quotes.
NUMBER = "007"

SHOW: Final[dict[str, object]] = {
    "name": "Café <Jam>",
    "description": "Every Friday",
    "genre": "jam & blues",
    "public": True,
}

# FFmpeg as it is started, with a sine that misses no sample in JACK's place.
ENCODER = """#!/bin/sh
for word; do
  shift
  case $word in
    jack) set -- "$@" lavfi ;;
    -channels | 2) ;;
    air-*) set -- "$@" "sine={pitch}:r=48000,aformat=channel_layouts=stereo" ;;
    *) set -- "$@" "$word" ;;
  esac
done
exec {ffmpeg} -re "$@"
"""


@pytest.fixture
async def station(tmp_path: Path) -> AsyncIterator[RealIcecast]:
    folder = tmp_path / "icecast"
    folder.mkdir()
    async with icecast(SPEC, SECRETS, folder) as server:
        yield server


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Where FFmpeg plays the sine by itself."""
    program = tmp_path / "bin" / "ffmpeg"
    program.parent.mkdir()
    program.write_text(ENCODER.format(pitch=PITCH, ffmpeg=shutil.which("ffmpeg")))
    program.chmod(0o700)
    return f"{program.parent}:{os.environ['PATH']}"


def lost(listener: Titled) -> list[int]:
    """Return the steps in the sine's phase, in samples; whole periods don't show."""
    # Where a listener joins, MP3 and Opus need some frames to find their way.
    at = phases(decode(bytes(listener.sound)), PITCH)[3:]
    return [round(b - a) for a, b in pairwise(at) if round(b - a)]


def expected(asked: SourceOrder) -> dict[str, str]:
    """Return what a listener's player is told of a mount; FLAC has no bitrate."""
    bitrate = {"icy-br": f"{asked.bitrate_kbps}"} if asked.bitrate_kbps else {}
    return {
        "icy-name": asked.name,
        "icy-description": f"{asked.description} [session=friday-jam term=3 "
        "host=alice role=leader]",
        "icy-genre": asked.genre,
        "icy-pub": "1",
        **bitrate,
    }


def described(listener: Titled) -> dict[str, str]:
    words = ("icy-name", "icy-description", "icy-genre", "icy-pub", "icy-br")
    headers = listener.heard.headers
    return {w: headers[w].encode("latin-1").decode() for w in words if w in headers}


@CODECS
async def test_titles_change_on_one_connection_and_the_sound_goes_on(
    mount: MountSpec, station: RealIcecast, path: str, tmp_path: Path
) -> None:
    plain = dataclasses.replace(order(mount, station), **SHOW)  # type: ignore[arg-type]
    async with source(plain, None, tmp_path, path=path, seats=tuple(Seat)) as made:
        for seat in Seat:
            await made.become(SourceState.LIVE, seat=seat)
        pid = made.report.encoder_pid
        async with titled(ADDRESS, station.port, mount.path) as listener:
            await more(listener)
            assert described(listener) == expected(plain)
            for title in (ODD, NUMBER, ""):
                asked = dataclasses.replace(plain, title=title)
                await steer.send_order(made.socket, asked, PASSWORD)
                await aeventually(partial(listener.sees, title), within=3)
                assert made.seat().title_refused == ""
            await more(listener)
        assert [title for title, _ in listener.shown] == [ODD, NUMBER, ""]
        assert made.report.encoder_pid == pid
        assert made.seat().grant == 1
    assert silences(decode(bytes(listener.sound))) == ()
    if mount.codec is not Codec.VORBIS:
        # Icecast itself begins a chain for a Vorbis title, and no decoder gives
        # anything for a chain's first packet.
        assert lost(listener) == []


@CODECS
async def test_a_title_outlives_its_source_on_the_same_connection(
    mount: MountSpec, station: RealIcecast, path: str, tmp_path: Path
) -> None:
    """The standby's hidden seat has it, and a mount that is taken over."""
    first = dataclasses.replace(order(mount, station), title=ODD)
    second = dataclasses.replace(first, host=HostName("bob"), jack_client="air-bob")
    hidden = (Seat.HIDDEN,)
    async with (
        source(first, None, tmp_path, path=path) as alice,
        source(second, None, tmp_path, path=path, seats=hidden) as bob,
    ):
        await alice.become(SourceState.LIVE)
        await bob.become(SourceState.LIVE, seat=Seat.HIDDEN)
        async with titled(ADDRESS, station.port, mount.path) as listener:
            await aeventually(partial(listener.sees, ODD), within=5)
            await more(listener)
            alice.child.kill()
            await more(listener)
            bob.grants[Seat.PRIMARY] = 1
            await bob.become(SourceState.LIVE, within=5)
            await more(listener)
            await bob.revoke(Seat.HIDDEN)
            await more(listener)
            listener.sees(ODD)
        # What came in between, came with no other title.
        assert [title for title, _ in listener.shown] == [ODD]


async def more(listener: Titled) -> None:
    """Wait for new sound: a second of Vorbis, whose sines are short, less of others."""
    there = len(listener.sound)
    await aeventually(lambda: len(listener.sound) > there + 4_000, within=10)
