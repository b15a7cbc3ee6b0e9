from dataclasses import replace
from types import MappingProxyType

import pytest

from sessiond.core.radio_liq import passwords_text, radio_liq
from sessiond.core.spec import Codec
from sessiond.core.stamped import Secrets, Station
from sessiond.core.stationfile import Loudness, StationConfig
from sessiond.core.stationorder import StationOrder
from sessiond.units import Hertz, Kbps, MountPath, Seconds
from tests.core.examples import mount, session

MUSIC = StationConfig(music="/srv/music")
MIX = mount()
FLAC = replace(mount("/dj.flac", codec=Codec.FLAC), source_user="dj")
ORDER = StationOrder(
    spec=session(mounts=(MIX, FLAC)), station=Station(address="radio", port=8010)
)


def script(
    config: StationConfig = MUSIC,
    order: StationOrder = ORDER,
    *,
    as_root: bool = False,
) -> str:
    return radio_liq(order, config, "/run/station/passwords", as_root=as_root)


def one(codec: Codec, path: str, rate_hz: int = 48000) -> str:
    spec = session(mounts=(mount(path, codec=codec),), rate_hz=Hertz(rate_hz))
    return script(order=replace(ORDER, spec=spec))


def test_each_mount_has_an_output_of_its_own() -> None:
    text = script()
    assert text.count("output.icecast(") == 2
    for line in (
        '  host="127.0.0.1", port=8010,',
        '  mount="/mix-filler.ogg",',
        '  user="source", password=list.nth(default="", known, 0),',
        '  mount="/dj-filler.flac",',
        '  user="dj", password=list.nth(default="", known, 1),',
    ):
        assert f"\n{line}\n" in text


def test_passwords_are_in_the_mounts_order_and_not_in_the_script() -> None:
    own = MappingProxyType({FLAC.path: "own"})
    secrets = Secrets(source="hack", mounts=own)
    assert passwords_text(ORDER, secrets) == "hack\nown\n"
    assert 'file.contents("/run/station/passwords")' in script()


@pytest.mark.parametrize(
    ("codec", "path", "encoder"),
    [
        (Codec.VORBIS, "/a.ogg", "%vorbis.abr(samplerate=44100, channels=2"),
        (Codec.OPUS, "/a.opus", '%audio(codec="libopus", channels=2, samplerate=48000'),
        (Codec.MP3, "/a.mp3", "%mp3(samplerate=44100, stereo=true, bitrate=128)"),
        (Codec.FLAC, "/a.flac", "%ogg(%flac(samplerate=44100, channels=2"),
    ],
)
def test_a_mount_is_filled_in_its_own_codec(
    codec: Codec, path: str, encoder: str
) -> None:
    assert encoder in one(codec, path, 44100)


def test_the_bitrate_is_the_mounts() -> None:
    spec = session(mounts=(replace(MIX, bitrate_kbps=Kbps(192)),))
    assert "bitrate=192" in script(order=replace(ORDER, spec=spec))


def test_without_anybody_to_ask_the_emergency_list_is_all() -> None:
    text = script()
    assert 'reload_mode="watch", "/srv/music")' in text
    assert "request.dynamic" not in text


def test_a_server_is_asked_within_the_timeout() -> None:
    config = replace(MUSIC, next_track="http://a/next", next_track_within=Seconds(1.5))
    text = script(config)
    assert 'http.get(timeout_ms=1500, "http://a/next")' in text
    assert 'fallback(id="radio", [next, playlist(' in text


def test_a_program_is_asked_within_the_timeout() -> None:
    text = script(replace(MUSIC, next_track="/usr/bin/next"))
    command = '"timeout --kill-after=1.000 3.000 " ^ process.quote("/usr/bin/next")'
    assert f"process.run(timeout=5.000, {command})" in text


def test_an_answer_is_only_ever_a_file_or_an_address() -> None:
    text = script(replace(MUSIC, next_track="/usr/bin/next"))
    assert 'string.match(pattern="^(/|https?://)", track)' in text


@pytest.mark.parametrize(
    ("loudness", "operator"),
    [
        (Loudness.NORMALIZE, "normalize(lufs=true, target=-16.000, radio)"),
        (Loudness.REPLAYGAIN, "replaygain(radio)"),
        (Loudness.OFF, ""),
    ],
)
def test_loudness_is_as_configured(loudness: Loudness, operator: str) -> None:
    text = script(replace(MUSIC, loudness=loudness))
    assert operator in text
    assert ("normalize(" in text) is (loudness is Loudness.NORMALIZE)


def test_tracks_overlap_as_configured() -> None:
    assert "crossfade(duration=3.000, fade_in=3.000, fade_out=3.000" in script()
    assert "crossfade" not in script(replace(MUSIC, crossfade=Seconds(0)))


def test_root_is_allowed_only_where_there_is_nobody_else() -> None:
    assert script(as_root=True).startswith("settings.init.allow_root.set(true)\n")
    assert "allow_root" not in script()


def test_no_text_is_evaluated() -> None:
    name = r'#{shutdown()} "quoted" \x41'
    spec = session(mounts=(replace(MIX, name=name),), icecast=None)
    text = script(order=replace(ORDER, spec=spec))
    assert r'name="#" ^ "{shutdown()} \"quoted\" \\x41",' in text
    assert MountPath("/mix-filler.ogg") in text
