"""Two real Icecasts, one the other's relay: what its listeners hear of a takeover."""

import contextlib
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from sessiond.core.relaying import Origin
from sessiond.core.spec import Codec, HostRef, MountSpec, SessionSpec
from sessiond.core.stamped import Secrets
from sessiond.units import HostName, Kbps, MountPath, SessionName
from tests.support.ear import Heard, decode, listening, silences, tones
from tests.support.eventually import aeventually
from tests.support.icecast import ADDRESS, RealIcecast, icecast
from tests.support.sines import PLAIN, feeding

pytestmark = pytest.mark.real

MOUNTS = (
    MountSpec(path=MountPath("/mix.ogg"), codec=Codec.VORBIS, bitrate_kbps=Kbps(128)),
    MountSpec(path=MountPath("/dj2.opus"), codec=Codec.OPUS, bitrate_kbps=Kbps(96)),
    MountSpec(path=MountPath("/dj3.mp3"), codec=Codec.MP3, bitrate_kbps=Kbps(128)),
    MountSpec(path=MountPath("/dj4.flac"), codec=Codec.FLAC, bitrate_kbps=None),
)
SPEC = SessionSpec(
    name=SessionName("friday-jam"),
    hosts=(HostRef(name=HostName("alice")),),
    mounts=MOUNTS,
)
FIRST, STANDBY, BACK = 440, 660, 880


@pytest.fixture
async def origin(tmp_path: Path) -> AsyncIterator[RealIcecast]:
    folder = tmp_path / "origin"
    folder.mkdir()
    async with icecast(SPEC, PLAIN, folder) as server:
        yield server


@pytest.fixture
async def relay(origin: RealIcecast, tmp_path: Path) -> AsyncIterator[RealIcecast]:
    folder = tmp_path / "relay"
    folder.mkdir()
    source = Origin(host=ADDRESS, port=origin.port)
    async with icecast(SPEC, Secrets(), folder, relay_of=source) as server:
        yield server


async def test_nobody_behind_a_relay_hears_a_takeover_at_the_origin(
    origin: RealIcecast, relay: RealIcecast
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        firsts = [
            await stack.enter_async_context(feeding(origin, mount, FIRST))
            for mount in MOUNTS
        ]
        for mount in MOUNTS:
            standby = feeding(origin, mount, STANDBY, path=mount.standby_path)
            await stack.enter_async_context(standby)
        await aeventually(partial(is_ready, relay), within=20)
        ears = [
            await stack.enter_async_context(listening(ADDRESS, relay.port, mount.path))
            for mount in MOUNTS
        ]
        for heard in ears:
            await aeventually(partial(hears, heard, FIRST), within=20)
        for source in firsts:
            source.kill()
        for heard in ears:
            await aeventually(partial(hears, heard, STANDBY), within=20)
        for mount in MOUNTS:
            await stack.enter_async_context(feeding(origin, mount, BACK))
            await bring_back(origin, mount)
        for heard in ears:
            await aeventually(partial(hears, heard, BACK), within=20)
        for heard in ears:
            assert not heard.finished.is_set()
            assert silences(decode(heard.body)) == ()


def hears(heard: Heard, pitch: int) -> bool:
    assert " 200 " in heard.status, heard.status
    assert not heard.finished.is_set()
    return pitch in latest(heard)


def latest(heard: Heard) -> frozenset[int]:
    """Return the sines in the last half second of what has come."""
    pcm = decode(heard.body)
    return tones(pcm.part(max(0, pcm.duration - 0.5), pcm.duration))


async def bring_back(origin: RealIcecast, mount: MountSpec) -> None:
    """Move the hidden mount's listeners to the mount, as its broadcaster would."""
    answer = await ask_admin(
        origin, "moveclients", mount=mount.standby_path, destination=mount.path
    )
    assert "Clients moved" in answer, answer


async def ask_admin(origin: RealIcecast, call: str, **words: str) -> str:
    async with httpx.AsyncClient(auth=("admin", origin.secrets.admin)) as client:
        url = f"http://{ADDRESS}:{origin.port}/admin/{call}"
        return (await client.get(url, params={"charset": "UTF-8", **words})).text


async def test_a_relay_takes_no_source_and_fetches_nothing_for_nobody(
    origin: RealIcecast, relay: RealIcecast
) -> None:
    mount = MOUNTS[2]
    async with feeding(origin, mount, FIRST), httpx.AsyncClient() as client:
        for user, password in (("source", ""), ("source", "hackme"), ("admin", "")):
            answer = await client.put(
                f"http://{ADDRESS}:{relay.port}/new.mp3",
                auth=(user, password),
                headers={"Content-Type": "audio/mpeg"},
                content=b"",
            )
            assert answer.status_code == 401
        await aeventually(partial(is_ready, relay), within=20)
        assert fetched(origin, mount) == 0
        assert await lets_in(client, relay, mount)
        # Icecast writes a request down when it is over.
        await aeventually(lambda: fetched(origin, mount) == 1, within=20)
        async with listening(ADDRESS, relay.port, mount.path) as heard:
            await aeventually(partial(hears, heard, FIRST), within=20)
            await ask_admin(
                origin, "metadata", mount=mount.path, mode="updinfo", song="Nina – Mood"
            )
            await aeventually(partial(tells, relay, "Nina – Mood"), within=20)
        await aeventually(lambda: fetched(origin, mount) == 2, within=20)


async def test_who_comes_before_the_show_comes_again_and_hears_it(
    origin: RealIcecast, relay: RealIcecast
) -> None:
    mount = MOUNTS[2]
    async with httpx.AsyncClient() as client:
        # The relay has asked, and there was nothing.
        await aeventually(partial(is_refused, client, origin, relay, mount), within=20)
        async with feeding(origin, mount, FIRST):
            await aeventually(partial(lets_in, client, relay, mount), within=20)


async def is_ready(relay: RealIcecast) -> bool:
    """Say whether the relay knows its mounts; it does a second after its start."""
    return await tells(relay, *(f'{mount.path}"' for mount in MOUNTS))


async def tells(relay: RealIcecast, *words: str) -> bool:
    """Say whether the relay's status has all of these."""
    async with httpx.AsyncClient() as client:
        url = f"http://{ADDRESS}:{relay.port}/status-json.xsl"
        facts = (await client.get(url)).text
    return all(word in facts for word in words)


def fetched(origin: RealIcecast, mount: MountSpec) -> int:
    return origin.log.count(f"GET {mount.path} ")


async def is_refused(
    client: httpx.AsyncClient,
    origin: RealIcecast,
    relay: RealIcecast,
    mount: MountSpec,
) -> bool:
    """Ask in vain, so that the relay asks in vain."""
    assert not await lets_in(client, relay, mount)
    return fetched(origin, mount) > 0


async def lets_in(
    client: httpx.AsyncClient, relay: RealIcecast, mount: MountSpec
) -> bool:
    """Say whether a listener gets the mount, and leave again."""
    url = f"http://{ADDRESS}:{relay.port}{mount.path}"
    async with client.stream("GET", url) as answer:
        return answer.status_code == 200
