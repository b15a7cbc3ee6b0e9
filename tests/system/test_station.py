"""A station with a filler: what a listener hears before, during and after the show.

One connection for each codec goes through all of it.
"""

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import pytest

from sessiond.cli.lab import LabHost
from tests.support.ear import Heard, decode, listening, tones
from tests.support.eventually import aeventually
from tests.support.jam import SESSION, SINES, Jam, command_line
from tests.support.radio import (
    EMERGENCY,
    NAMED,
    NEXT_PORT,
    PORT,
    on_the_radio,
    plays,
    station_music,
)
from tests.support.tracks import serve_next
from tests.support.written import written
from tests.system.conftest import Jamming

pytestmark = [pytest.mark.real, pytest.mark.timeout(150)]

HOSTS = ("alice", "radio")

MOUNTS = dict.fromkeys(("/mix.ogg", "/b.opus", "/c.mp3", "/d.flac"), ("alice",))


@pytest.fixture
def music() -> Iterator[Path]:
    with station_music() as folder:
        yield folder


def sines(heard: Heard, seconds: float = 0.6) -> frozenset[int]:
    """Return the sines in the last sound that has come."""
    pcm = decode(heard.body)
    return tones(pcm.part(max(0.0, pcm.duration - seconds), pcm.duration))


async def all_hear(listeners: dict[str, Heard], pitch: int, within: float) -> None:
    """Return once each listener's newest sound is this sine alone."""
    waiting = dict(listeners)

    async def hears() -> bool:
        for path, heard in tuple(waiting.items()):
            assert not heard.finished.is_set(), f"{path} was dropped"
            if await asyncio.to_thread(sines, heard) == {pitch}:
                del waiting[path]
        assert not waiting, {p: sorted(sines(h)) for p, h in waiting.items()}
        return True

    await aeventually(hears, within=within)


async def test_a_listener_hears_music_before_the_show_and_after_it(
    jam_of: Jamming, music: Path
) -> None:
    jam = jam_of(*HOSTS)
    radio = jam.lab.host("radio")
    file = written(
        jam, HOSTS, MOUNTS, station=False, top="[broadcast]\nnever = ['radio']"
    )
    server = serve_next(radio, music / "named.flac", NEXT_PORT)
    jam.start_agent("radio", on_the_radio(music, file))
    jam.start_agent("alice")
    jam.start_audio("alice")
    jam.await_agents(HOSTS)

    async with AsyncExitStack() as stack:
        listeners = {}
        for path in MOUNTS:
            await aeventually(partial(plays, radio, path), within=40)
            connection = listening(radio.address, PORT, path, connect=radio.connect)
            listeners[path] = await stack.enter_async_context(connection)
        await all_hear(listeners, NAMED, within=15)
        await aeventually(lambda: page_says(jam, "filler"), within=10)
        filler = pid_of(radio, "liquidsoap")
        assert is_unprivileged(filler)

        created = await asyncio.to_thread(jam.operate, "radio", "create", str(file))
        assert created.code == 0, created
        await all_hear(listeners, SINES["alice"], within=4)
        await aeventually(lambda: page_says(jam, "on-air"), within=10)

        # A crash of the station's agent is none of the listeners' business.
        jam.agents["radio"].send(signal.SIGKILL)
        jam.start_agent("radio", on_the_radio(music, file))
        await asyncio.to_thread(jam.await_agents, ["radio"])
        # Nobody names a next track while the show goes on.
        server.stop()
        stopped = await asyncio.to_thread(jam.operate, "alice", "stop", SESSION)
        assert stopped.code == 0, stopped
        await all_hear(listeners, EMERGENCY, within=20)
        await aeventually(lambda: page_says(jam, "filler"), within=10)
        assert pid_of(radio, "liquidsoap") == filler
        assert not any(heard.finished.is_set() for heard in listeners.values())
    await aeventually(lambda: is_well(jam), within=15)
    os.kill(filler, signal.SIGSTOP)
    await aeventually(lambda: is_unheard(jam), within=20)
    os.kill(filler, signal.SIGCONT)
    for host in jam.lab.hosts:
        for pid in host.processes():
            assert "password" not in command_line(pid)


def page_says(jam: Jam, state: str) -> bool:
    """Tell whether listeners' pages show every mount so."""
    _, document = jam.page("radio", "/live.json", PORT)
    mounts = json.loads(document)["mounts"]
    assert {mount["state"] for mount in mounts.values()} == {state}, document
    return True


def is_well(jam: Jam) -> bool:
    """Tell whether monitoring finds the filler on every mount, and nothing wrong."""
    code, document = jam.page("radio", "/healthz")
    assert " 200 " in code, document
    states = {mount["path"]: mount["state"] for mount in json.loads(document)["mounts"]}
    return states == dict.fromkeys(MOUNTS, "filler")


def is_unheard(jam: Jam) -> bool:
    """Tell whether monitoring misses the filler on every mount."""
    code, document = jam.page("radio", "/healthz")
    wrong = json.loads(document)["wrong"]
    assert len(wrong) == len(MOUNTS), document
    return " 503 " in code


def pid_of(host: LabHost, program: str) -> int:
    (pid,) = (p for p in host.processes() if command_line(p).startswith(program))
    return pid


def is_unprivileged(pid: int) -> bool:
    uids = Path(f"/proc/{pid}/status").read_text().split("Uid:")[1].split()[:4]
    return "0" not in uids
