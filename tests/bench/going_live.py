"""From `sessiond create` to links, mounts and a listener's ear; a script beside it.

The clock starts when the command does. Links are up when packets of audio go on
arriving at both ends; a mount is live when Icecast lists its source; a listener asks
for its mount again and again until bytes come, and what it got is decoded.
"""

import asyncio
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from tests.bench.figures import Row, ratio, spread
from tests.bench.plain import end_plainly, start_plainly
from tests.bench.stage import MOUNTS, await_silence, create, mounts_on, staged, stop
from tests.support.ear import Heard, listening, time_to_first_audio
from tests.support.eventually import aeventually, asteadily, eventually, every
from tests.support.jam import ICECAST_PORT, Jam

HOSTS: Final = ("alice", "bob", "carol")

_LIVE_WITHIN: Final = 30.0
_ASK_EVERY: Final = 0.05

# What a listener needs to hear to know when the first sound came, whatever the format.
_HEAR_FOR: Final = 3.0

_FORMATS: Final = {".opus": "Opus", ".mp3": "MP3", ".ogg": "Vorbis"}
_AUDIO_GOALS: Final = {"Opus": "≤ 2.5 s", "MP3": "≤ 2.5 s", "Vorbis": "≤ 4 s"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """When what happened, seconds from the start.

    Attributes:
        links: The last link had come up.
        mounts: The last mount was listed.
        audio: Format → the first sound at a listener.
    """

    links: float
    mounts: float
    audio: dict[str, float]


async def follow(jam: Jam, start: Callable[[], object]) -> Course:
    """Start a session in a thread and see what comes of it."""
    watches = _watch_packets(jam)
    began = time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        starting = tasks.create_task(asyncio.to_thread(start))
        links = tasks.create_task(_links_up(watches))
        mounts = tasks.create_task(_mounts_live(jam))
        audio = {
            _FORMATS[Path(path).suffix]: tasks.create_task(_first_audio(jam, path))
            for path in MOUNTS
        }
    assert starting.done()
    return Course(
        links=links.result() - began,
        mounts=mounts.result() - began,
        audio={name: heard.result() - began for name, heard in audio.items()},
    )


def _watch_packets(jam: Jam) -> list[Path]:
    """Start looking at every host's network; returns where the answers appear."""
    watches = []
    for name in jam.musicians:
        host = jam.lab.host(name)
        log = host.folder / "packets.log"
        log.unlink(missing_ok=True)
        peers = [jam.lab.host(n).address for n in jam.musicians if n != name]
        host.spawn((sys.executable, "-m", "tests.bench.packets", *peers), log="packets")
        watches.append(log)
    eventually(
        lambda: all(w.exists() and "ready" in w.read_text() for w in watches), within=10
    )
    return watches


async def _links_up(watches: list[Path]) -> float:
    def seen() -> list[float]:
        lines = [line for w in watches for line in w.read_text().splitlines()]
        times = [float(line.split()[1]) for line in lines if " " in line]
        return times if len(times) == len(HOSTS) * (len(HOSTS) - 1) else []

    return max(await aeventually(seen, within=_LIVE_WITHIN))


async def _mounts_live(jam: Jam) -> float:
    async for _ in every(_ASK_EVERY):
        if set(MOUNTS) <= set(await asyncio.to_thread(mounts_on, jam)):
            break
    return time.monotonic()


async def _first_audio(jam: Jam, path: str) -> float:
    station = jam.station
    ears = partial(
        listening, station.address, ICECAST_PORT, path, connect=station.connect
    )
    async for _ in every(_ASK_EVERY):
        async with ears() as heard:
            with suppress(AssertionError):  # accepted, but nothing has come yet
                await aeventually(partial(_told, heard), within=_LIVE_WITHIN)
            if heard.chunks and " 200 " in heard.status:
                await asteadily(lambda: True, during=_HEAR_FOR)
                return heard.asked_at + time_to_first_audio(heard)
    raise AssertionError("a listener asks for ever")


def _told(heard: Heard) -> bool:
    return bool(heard.chunks) or heard.finished.is_set()


def measure(runs: int) -> list[Row]:
    """Return the rows; each run is one session and one script, one after the other."""
    ours: list[Course] = []
    plain: list[Course] = []
    with staged(*HOSTS) as (jam, file):
        for _ in range(runs):
            ours.append(asyncio.run(follow(jam, partial(create, jam, file))))
            stop(jam, HOSTS[0])
            plain.append(_follow_script(jam, file))
    return _rows(ours, plain)


def _follow_script(jam: Jam, file: Path) -> Course:
    programs = []
    course = asyncio.run(follow(jam, lambda: programs.extend(start_plainly(jam, file))))
    end_plainly(programs)
    await_silence(jam)
    return course


def _rows(ours: list[Course], plain: list[Course]) -> list[Row]:
    goals = (
        ("all links up", "links", "≤ 1.5 s"),
        ("all mounts live", "mounts", "≤ 2 s"),
    )
    rows = []
    for what, field, goal in goals:
        mine = [getattr(course, field) for course in ours]
        peer = [getattr(course, field) for course in plain]
        note = (
            f"plain script {spread(peer, 's')}; ratio {ratio(mine, peer)}, goal ≤ 1.5"
        )
        rows.append(
            Row(
                figure=f"create → {what}, 3 hosts, 3 mounts",
                measured=spread(mine, "s"),
                goal=goal,
                note=note,
            )
        )
    for name, goal in _AUDIO_GOALS.items():
        peer = [course.audio[name] for course in plain]
        rows.append(
            Row(
                figure=f"create → first audio, {name}",
                measured=spread([course.audio[name] for course in ours], "s"),
                goal=goal,
                note=f"plain script {spread(peer, 's')}",
            )
        )
    return rows
