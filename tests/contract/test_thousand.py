"""A thousand listeners on two mounts of a real Icecast."""

import resource
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from agent.adapters.icecast import parse_status
from agent.adapters.limits import raise_limit
from sessiond.core.spec import Codec, HostRef, MountSpec, SessionSpec
from sessiond.units import HostName, Kbps, MountPath, SessionName
from tests.support.crowd import crowd
from tests.support.ear import decode, tones
from tests.support.eventually import asteadily
from tests.support.icecast import ADDRESS, icecast
from tests.support.sines import PLAIN, feeding

pytestmark = pytest.mark.real

COUNT = 1000
MIX = MountSpec(path=MountPath("/mix.ogg"), codec=Codec.VORBIS, bitrate_kbps=Kbps(64))
DJ = MountSpec(path=MountPath("/dj.mp3"), codec=Codec.MP3, bitrate_kbps=Kbps(64))
PITCHES = {MIX.path: 440, DJ.path: 660}
SPEC = SessionSpec(
    name=SessionName("friday-jam"),
    hosts=(HostRef(name=HostName("alice")),),
    mounts=(MIX, DJ),
)

# A player has five seconds in hand when it begins.
LONGEST_GAP = 2.0


@pytest.fixture
def descriptors() -> Iterator[None]:
    """Let this process, and the Icecast that it starts, have a connection for each."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert raise_limit() > 2 * COUNT
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("descriptors")
async def test_a_thousand_listeners_miss_nothing(tmp_path: Path) -> None:
    async with (
        icecast(SPEC, PLAIN, tmp_path, listeners=COUNT) as server,
        feeding(server, MIX, PITCHES[MIX.path]),
        feeding(server, DJ, PITCHES[DJ.path]),
        crowd(server.port, tuple(PITCHES), 2, keep=True) as first,
        crowd(server.port, tuple(PITCHES), COUNT - 2, keep=True) as others,
    ):
        others.forget()
        await asteadily(lambda: others.ended == 0, during=2)
        assert max(others.gaps()) < LONGEST_GAP
        async with httpx.AsyncClient() as client:
            url = f"http://{ADDRESS}:{server.port}/status-json.xsl"
            seen = parse_status((await client.get(url)).text)
        assert {m.path: m.listeners for m in seen} == dict.fromkeys(PITCHES, COUNT // 2)
        whole = {one.path: one.body for one in first.listeners}
        for path, pitch in PITCHES.items():
            assert tones(decode(whole[path])) == {pitch}
        missing: Counter[str] = Counter()
        for listener in others.listeners:
            body = listener.body
            # After an Ogg stream's head, which everybody gets as they come.
            part = body[len(body) // 4 : -len(body) // 4]
            missing[listener.path] += not part or part not in whole[listener.path]
        assert not +missing
