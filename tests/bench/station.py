"""Filler and show: how soon who listens to the one hears the other.

One listener for each codec is connected throughout. When the show begins, its clock
starts as Icecast lists the mount's source; when it ends, as the command `sessiond stop`
starts. It stops when the bytes of the first new sound have come; what a player keeps
back comes on top, and is its own.
"""

import asyncio
import tempfile
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from agent.adapters.icecast import parse_status
from sessiond.cli.lab import LabHost
from tests.bench.figures import Row, spread
from tests.support.ear import Heard, Pcm, arrival, decode, listening
from tests.support.eventually import aeventually, asteadily, every
from tests.support.jam import SESSION, SINES, Jam, jamming
from tests.support.radio import NAMED, NEXT_PORT, PORT, on_the_radio, plays
from tests.support.radio import station_music as music
from tests.support.tracks import serve_next
from tests.support.written import written

HOSTS: Final = ("alice", "radio")
CODECS: Final[Mapping[str, str]] = {
    "/mix.ogg": "Vorbis",
    "/b.opus": "Opus",
    "/c.mp3": "MP3",
    "/d.flac": "FLAC",
}
_LIVE: Final = SINES["alice"]
_WITHIN: Final = 40.0
# The show and the filler after it, as long as a listener has come to hear them.
_HEARD_FOR: Final = 6.0
_ASK_EVERY: Final = 0.05
# A block in which two sines of this distance are told apart, seconds.
_BLOCK: Final = 0.05
_STEADY: Final = 6

Times = dict[str, list[float]]
"""Path → one time a run, seconds."""


def measure(runs: int) -> list[Row]:
    """Return the rows of the show's beginning and of its end."""
    begins: Times = {path: [] for path in CODECS}
    ends: Times = {path: [] for path in CODECS}
    with (
        tempfile.TemporaryDirectory(prefix="sessiond-bench-") as folder,
        music() as tracks,
        jamming(Path(folder), *HOSTS) as jam,
    ):
        mounts = dict.fromkeys(CODECS, ("alice",))
        never = "[broadcast]\nnever = ['radio']"
        file = written(jam, HOSTS, mounts, station=False, top=never)
        serve_next(jam.lab.host("radio"), tracks / "named.flac", NEXT_PORT)
        jam.start_agent("radio", on_the_radio(tracks, file))
        jam.start_agent("alice")
        jam.start_audio("alice")
        jam.await_agents(HOSTS)
        for _ in range(runs):
            asyncio.run(_show(jam, file, begins, ends))
    return [
        *_rows("show begins → heard instead of the filler", begins, "≤ 2 s"),
        *_rows("show is stopped → filler heard", ends, ""),
    ]


def _rows(figure: str, times: Times, goal: str) -> list[Row]:
    return [
        Row(figure=f"{figure}, {CODECS[path]}", measured=spread(took, "s"), goal=goal)
        for path, took in times.items()
    ]


async def _show(jam: Jam, file: Path, begins: Times, ends: Times) -> None:
    """Have a show between two times of filler, and note what each listener heard."""
    radio = jam.lab.host("radio")
    async with AsyncExitStack() as stack:
        listeners = {}
        for path in CODECS:
            await aeventually(partial(plays, radio, path), within=_WITHIN)
            connection = listening(radio.address, PORT, path, connect=radio.connect)
            listeners[path] = await stack.enter_async_context(connection)
        await asteadily(lambda: True, during=_HEARD_FOR)
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(_listed(radio))
            said = await asyncio.to_thread(jam.operate, "radio", "create", str(file))
            assert said.code == 0, said
        await asteadily(lambda: True, during=_HEARD_FOR)
        stopped = time.monotonic()
        said = await asyncio.to_thread(jam.operate, "alice", "stop", SESSION)
        assert said.code == 0, said
        await asteadily(lambda: True, during=_HEARD_FOR)
    for path, heard in listeners.items():
        assert not heard.finished.is_set(), f"{path} was dropped"
        first, last = await asyncio.to_thread(_show_in, heard)
        begins[path].append(first - watching.result()[path])
        ends[path].append(last - stopped)


async def _listed(radio: LabHost) -> dict[str, float]:
    """Return when Icecast listed each mount's source."""
    seen: dict[str, float] = {}
    async for _ in every(_ASK_EVERY):
        text = await asyncio.to_thread(_status, radio)
        for mount in parse_status(text):
            seen.setdefault(mount.path, time.monotonic())
        if seen.keys() >= CODECS.keys():
            break
    return seen


def _status(radio: LabHost) -> str:
    with radio.connect(radio.address, PORT) as line:
        line.sendall(b"GET /status-json.xsl HTTP/1.0\r\n\r\n")
        answer = b"".join(iter(partial(line.recv, 65536), b""))
    return answer.partition(b"\r\n\r\n")[2].decode("utf-8", "replace")


def _show_in(heard: Heard) -> tuple[float, float]:
    """Return when the show's first sound had come, and the first one after it."""
    pcm = decode(heard.body)
    live = _strength(pcm, _LIVE) > _strength(pcm, NAMED)
    # A block alone may be a seam between two streams.
    runs = np.lib.stride_tricks.sliding_window_view(live, _STEADY).all(axis=1)
    (begins,) = np.nonzero(runs)
    first, last = begins[0] * _BLOCK, (begins[-1] + _STEADY) * _BLOCK
    return arrival(heard, first), arrival(heard, last)


def _strength(pcm: Pcm, pitch_hz: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return how loud a sine is in each block, on any scale."""
    size = round(_BLOCK * pcm.rate_hz)
    count = len(pcm.samples) // size
    blocks = pcm.samples[: count * size].mean(axis=1).reshape(count, size)
    turn = np.exp(-2j * np.pi * pitch_hz / pcm.rate_hz * np.arange(size))
    strength: np.ndarray[tuple[int], np.dtype[np.float64]] = np.abs(blocks @ turn)
    return strength
