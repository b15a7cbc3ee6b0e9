"""``sessiond listen`` against real mounts, as a person and as cron run it."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from sessiond.cli.main import run
from sessiond.core.stamped import Secrets
from tests.cli import pictures
from tests.cli.fakeagent import FakeAgent
from tests.support.broadcast import SILENCE, SINE, broadcast
from tests.support.ear import decode, tones
from tests.support.icecast import ADDRESS, RealIcecast, icecast
from tests.support.sources import MOUNTS, SPEC

pytestmark = pytest.mark.real

Capture = pytest.CaptureFixture[str]

FLAC = MOUNTS[3]


@pytest.fixture
async def station(tmp_path: Path) -> AsyncIterator[RealIcecast]:
    folder = tmp_path / "icecast"
    folder.mkdir()
    async with icecast(SPEC, Secrets(source="hackme", admin="boss"), folder) as made:
        yield made


@pytest.fixture
def agent(station: RealIcecast) -> FakeAgent:
    """An agent whose session has this one mount."""
    url = f"http://{ADDRESS}:{station.port}{FLAC.path}"
    mount = replace(pictures.ON_AIR.mounts[0], path=FLAC.path, url=url)
    return FakeAgent(pictures=(replace(pictures.ON_AIR, mounts=(mount,)),))


async def listen(agent: FakeAgent, *words: str) -> int:
    """Run the command beside the test's own loop."""
    command = ["listen", "friday-jam", *words]
    return await asyncio.to_thread(run, command, agent.operator())


async def test_what_is_heard_and_recorded(
    station: RealIcecast, agent: FakeAgent, capsys: Capture, tmp_path: Path
) -> None:
    kept = tmp_path / "air-check.ogg"
    async with broadcast(station, FLAC, SINE, title="First song"):
        code = await listen(
            agent, FLAC.path, "--record", str(kept), "--for", "4", "--json"
        )
    assert code == 0
    said = json.loads(capsys.readouterr().out)
    (mount,) = said["mounts"]
    assert (said["ok"], mount["sound"], mount["title"]) == (True, "heard", "First song")
    assert mount["level_db"] == pytest.approx(-32, abs=1)
    sound = decode(kept.read_bytes())
    assert tones(sound) == {440}
    assert sound.duration > 1


async def test_cron_is_told_in_a_line_and_a_code(
    station: RealIcecast, agent: FakeAgent, capsys: Capture
) -> None:
    check = ("--check", "--silent-after", "1", "--for", "4")
    assert await listen(agent, "--check", "--for", "0.5") == 3
    line = capsys.readouterr().out
    assert line.startswith(f"off friday-jam: {FLAC.path} is not heard (nothing plays")
    async with broadcast(station, FLAC, SINE):
        assert await listen(agent, *check) == 0
    line = capsys.readouterr().out
    assert line.startswith(f"ok friday-jam: {FLAC.path} -29.")
    async with broadcast(station, FLAC, SILENCE):
        assert await listen(agent, *check) == 3
    assert capsys.readouterr().out == f"off friday-jam: {FLAC.path} is silent\n"


async def test_a_stream_without_an_agent(
    station: RealIcecast, agent: FakeAgent, capsys: Capture
) -> None:
    url = f"http://{ADDRESS}:{station.port}{FLAC.path}"
    async with broadcast(station, FLAC, SINE):
        command = ["listen", url, "--watch", "--for", "4"]
        assert await asyncio.to_thread(run, command, agent.operator()) == 0
    shown = capsys.readouterr().out
    assert shown.count("MOUNT") >= 3
    assert f"{FLAC.path}  heard" in shown
    assert agent.asked == []
