import json
from typing import Any

import pytest

from sessiond.core.page import live_document, mounts_document
from sessiond.core.spec import Codec, HostRef, MountSpec, SessionSpec
from sessiond.core.status import MountState, MountStatus
from sessiond.units import HostName, Kbps, MountPath, SessionName

MIX = MountSpec(
    path=MountPath("/mix.ogg"),
    codec=Codec.VORBIS,
    bitrate_kbps=Kbps(128),
    name='Everybody </script> & "co"',
    genre="jäm",
)
FLAC = MountSpec(path=MountPath("/dj.flac"), codec=Codec.FLAC, bitrate_kbps=None)
SPEC = SessionSpec(
    name=SessionName("friday-jam"),
    hosts=(HostRef(name=HostName("alice")),),
    mounts=(MIX, FLAC),
)


def mount(state: MountState, listeners: int = 0, title: str = "") -> MountStatus:
    return MountStatus(
        path=MIX.path,
        url="",
        state=state,
        host=None,
        format=MIX.codec,
        bitrate_kbps=MIX.bitrate_kbps,
        listeners=listeners,
        title=title,
    )


def live(*mounts: MountStatus, filler: bool = False, asked: str = "") -> dict[str, Any]:
    titles = {MIX.path: asked} if asked else {}
    text = live_document(SPEC, mounts, titles, beat=7, filler=filler)
    document: dict[str, Any] = json.loads(text)
    assert document["beat"] == 7
    assert list(document["mounts"]) == ["/mix.ogg", "/dj.flac"]
    found: dict[str, Any] = document["mounts"]
    return found


def test_the_page_reads_mounts_in_the_sessions_order() -> None:
    document = json.loads(mounts_document(SPEC, streams="https://radio.example"))
    assert document == {
        "session": "friday-jam",
        "streams": "https://radio.example",
        "live": False,
        "mounts": [
            {
                "path": "/mix.ogg",
                "name": 'Everybody </script> & "co"',
                "description": "",
                "genre": "jäm",
                "format": "vorbis",
                "bitrate_kbps": 128,
            },
            {
                "path": "/dj.flac",
                "name": FLAC.name,
                "description": FLAC.description,
                "genre": FLAC.genre,
                "format": "flac",
                "bitrate_kbps": None,
            },
        ],
    }


def test_an_own_station_tells_more() -> None:
    document = json.loads(mounts_document(SPEC, live=True))
    assert (document["live"], document["streams"]) == (True, "")


@pytest.mark.parametrize(
    "state", [MountState.LIVE, MountState.STALLED, MountState.HELD_ELSEWHERE]
)
def test_a_mount_that_somebody_feeds_is_on_the_air(state: MountState) -> None:
    seen = live(mount(state, 3, "A – B"), filler=True)["/mix.ogg"]
    assert seen == {"state": "on-air", "listeners": 3, "title": "A – B"}


@pytest.mark.parametrize(("filler", "state"), [(True, "filler"), (False, "off-air")])
def test_the_filler_plays_on_mounts_that_are_down(filler: bool, state: str) -> None:
    seen = live(mount(MountState.DOWN), filler=filler)
    assert [one["state"] for one in seen.values()] == [state, state]


def test_a_title_is_shown_as_soon_as_it_is_asked_for() -> None:
    on_air = mount(MountState.LIVE, 3, "before")
    assert live(on_air, asked="now")["/mix.ogg"]["title"] == "now"


def test_the_filler_has_no_title_of_ours() -> None:
    down = mount(MountState.DOWN, 3)
    seen = live(down, filler=True, asked="now")["/mix.ogg"]
    assert seen == {"state": "filler", "listeners": 0, "title": ""}
