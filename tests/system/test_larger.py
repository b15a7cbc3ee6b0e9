"""A mesh of four and a star of six: everybody is heard, nobody twice."""

import asyncio
from functools import partial

import pytest

from tests.support.ear import spectrum_peaks, tones
from tests.support.eventually import aeventually
from tests.support.jackhost import phones
from tests.support.jam import Jam, expected
from tests.system.conftest import Jamming

pytestmark = [pytest.mark.real, pytest.mark.timeout(200)]

FOUR = ("alice", "bob", "carol", "dave")
SIX = (*FOUR, "erin", "frank")

# Sines that are heard twice are up to 6 dB louder, or weaker, than those once.
_EQUAL_DB = 2.0


@pytest.mark.parametrize(("hosts", "links"), [(FOUR, 6), (SIX, 9)])
async def test_everybody_is_on_the_mount_and_in_everybody_elses_ears(
    jam_of: Jamming, hosts: tuple[str, ...], links: int
) -> None:
    jam = jam_of(*hosts)
    jam.start_all()
    file = jam.session_file({"/mix.opus": ("*",)})
    jam.start_icecast(file)
    created = jam.operate("alice", "create", str(file), "--wait", "60")
    assert created.code == 0, created
    assert len(jam.status()["links"]) == links

    async def on_the_mount() -> bool:
        sines = await jam.sines_on("/mix.opus")
        assert sines == expected(hosts), sorted(sines)
        return True

    await aeventually(on_the_mount, within=40)
    async with asyncio.TaskGroup() as listeners:
        for name in hosts:
            others_heard = partial(hears_the_others, jam, name)
            listeners.create_task(aeventually(others_heard, within=30))


async def hears_the_others(jam: Jam, name: str) -> bool:
    pcm = await phones(jam.lab.host(name), 1.5)
    others = expected(host for host in jam.musicians if host != name)
    assert tones(pcm) == others, f"{name} hears {sorted(tones(pcm))}"
    levels = [tone.level_db for tone in spectrum_peaks(pcm)]
    assert max(levels) - min(levels) < _EQUAL_DB, f"{name} hears {levels} dB"
    return True
