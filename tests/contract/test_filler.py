"""Liquidsoap with our script, at a real Icecast: what is played, and when not."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil
import pytest

from agent.filler import filler_user, write_for
from sessiond.core.radio_liq import passwords_text, radio_liq
from sessiond.core.stamped import Secrets
from sessiond.core.stationfile import StationConfig
from sessiond.core.stationorder import StationOrder
from sessiond.units import Seconds
from tests.support.ear import Heard, decode, listening, tones
from tests.support.eventually import aeventually
from tests.support.icecast import ADDRESS, RealIcecast, icecast
from tests.support.jam import command_line
from tests.support.sources import MOUNTS, SECRETS, SPEC
from tests.support.tracks import public_folder, write_track

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

NAMED, EMERGENCY, LATER = 360, 300, 450
# Seconds, and no other program's.
HANGING = "600.25"
# Whatever an operator calls a mount, it is no part of the script.
NAME = r'#{shutdown()} "Wild" \x41'
MIX = replace(MOUNTS[0], name=NAME)


@dataclass(slots=True, kw_only=True)
class Radio:
    """A station's folder, its Icecast and its Liquidsoap."""

    place: Path
    station: RealIcecast
    child: asyncio.subprocess.Process | None = field(default=None)

    @property
    def order(self) -> StationOrder:
        return StationOrder(spec=self.station.spec, station=self.station.station)

    def write_passwords(self, secrets: Secrets) -> None:
        text = passwords_text(self.order, secrets)
        write_for(filler_user(), self.place / "passwords", text)

    async def start(self, config: StationConfig) -> None:
        passwords = str(self.place / "passwords")
        script = self.place / "radio.liq"
        user = filler_user()
        as_root = os.geteuid() == 0 and not user
        text = radio_liq(self.order, config, passwords, as_root=as_root)
        write_for(user, script, text)
        with (self.place / "log").open("ab") as log:
            self.child = await asyncio.create_subprocess_exec(
                *("liquidsoap", str(script)),
                stdout=log,
                stderr=log,
                user=user or None,
                group=user or None,
                extra_groups=[] if user else None,
            )

    async def answers(self) -> bool:
        assert self.child is not None
        assert self.child.returncode is None, (self.place / "log").read_text()[-3000:]
        async with listening(ADDRESS, self.station.port, MIX.path) as heard:
            await aeventually(lambda: heard.status, within=5)
        return " 200 " in heard.status


@contextlib.asynccontextmanager
async def radio(place: Path, folder: Path) -> AsyncIterator[Radio]:
    spec = replace(SPEC, mounts=(MIX,))
    async with icecast(spec, SECRETS, folder, filler=True) as station:
        made = Radio(place=place, station=station)
        made.write_passwords(SECRETS)
        try:
            yield made
        finally:
            if made.child is not None:
                with contextlib.suppress(ProcessLookupError):
                    made.child.terminate()
                await made.child.wait()


def title(pitch: int) -> bytes:
    """Return what the stream says of a track that `write_track` made."""
    return f"title=Tone {pitch}".encode()


def hears(heard: Heard, pitch: int) -> Callable[[], object]:
    async def newest() -> bool:
        pcm = await asyncio.to_thread(decode, heard.body)
        last = tones(pcm.part(max(0.0, pcm.duration - 0.6), pcm.duration))
        assert last == {pitch}, sorted(last)
        return True

    return newest


def nothing_hangs() -> bool:
    """Tell whether nothing is left of a next-track program that did not answer."""
    return not any(f"sleep {HANGING}" in command_line(pid) for pid in psutil.pids())


async def test_a_filler_plays_what_is_named_then_its_folder_and_never_stops(
    tmp_path: Path,
) -> None:
    with public_folder() as place:
        music = place / "music"
        music.mkdir(mode=0o755)
        old = write_track(music / "old.flac", EMERGENCY, Seconds(2))
        named = write_track(place / "named.flac", NAMED, Seconds(2))
        program = place / "next-track"
        program.write_text(f"#!/bin/sh\necho {named}\n")
        program.chmod(0o755)
        config = StationConfig(
            music=str(music),
            next_track=str(program),
            crossfade=Seconds(0),
        )
        async with radio(place, tmp_path) as made:
            await made.start(config)
            await aeventually(made.answers, within=40)
            async with listening(ADDRESS, made.station.port, MIX.path) as heard:
                await aeventually(hears(heard, NAMED), within=10)
                assert heard.headers["icy-name"] == NAME
                assert title(NAMED) in heard.body

                program.write_text(f"#!/bin/sh\nsleep {HANGING}\n")
                await aeventually(hears(heard, EMERGENCY), within=15)
                assert title(EMERGENCY) in heard.body

                # By turns it fails, and names a file that is no music.
                notes = place / "notes.flac"
                notes.write_text("Bring the long cables.\n")
                fails = "[ $(($(date +%s) % 2)) = 0 ] && exit 1"
                program.write_text(f"#!/bin/sh\n{fails}\necho {notes}\n")
                write_track(music / "later.flac", LATER, Seconds(2))
                old.unlink()
                await aeventually(hears(heard, LATER), within=15)
                await aeventually(nothing_hangs, within=10)

                program.write_text(f"#!/bin/sh\necho {named}\n")
                await aeventually(hears(heard, NAMED), within=20)
                assert not heard.finished.is_set()
            assert made.child is not None
            assert SECRETS.source not in command_line(made.child.pid)

            # Other passwords are none of its business while it is connected.
            other = Secrets(source="other", admin="boss")
            made.write_passwords(other)
            made.station.configure(made.station.spec, other)
            made.station.hang_up()
            assert await made.answers()
            await made.station.stop()
            await made.station.start()
            async with asyncio.timeout(20):
                await made.child.wait()
