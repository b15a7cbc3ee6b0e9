import pytest

from sessiond.core.configfile import HostDefaults, parse_config
from sessiond.core.mistakes import BadFile
from sessiond.core.stationfile import Loudness, StationConfig, is_url
from sessiond.units import Seconds

DEFAULTS = HostDefaults(
    host_name="radio", state_dir="/var/lib/sessiond", advertise="10.0.0.9"
)


def station(*lines: str) -> StationConfig | None:
    return parse_config("\n".join(("[station]", *lines)), DEFAULTS).station


def test_without_the_table_a_host_keeps_nothing_on_the_air() -> None:
    assert parse_config("", DEFAULTS).station is None


def test_music_is_all_that_a_station_needs() -> None:
    assert station('music = "/srv/music"') == StationConfig(music="/srv/music")


def test_every_key_is_read() -> None:
    assert station(
        'music = "/srv/music.m3u"',
        'next_track = "http://127.0.0.1:7790/next"',
        "next_track_timeout_s = 1",
        'loudness = "replaygain"',
        "crossfade_s = 0",
        'session = "/etc/sessiond/jam.toml"',
        "port = 8080",
    ) == StationConfig(
        music="/srv/music.m3u",
        next_track="http://127.0.0.1:7790/next",
        next_track_within=Seconds(1),
        loudness=Loudness.REPLAYGAIN,
        crossfade=Seconds(0),
        session="/etc/sessiond/jam.toml",
        port=8080,
    )


@pytest.mark.parametrize(
    "asked",
    [
        "http://radio.local/next",
        "https://[::1]:7790/next?station=1",
        "http://10.0.0.1:80/",
        "/usr/local/bin/next-track",
    ],
)
def test_a_next_track_is_asked_of_a_server_or_a_program(asked: str) -> None:
    read = station('music = "/srv/music"', f'next_track = "{asked}"')
    assert read is not None
    assert read.next_track == asked
    assert is_url(asked) is not asked.startswith("/")


@pytest.mark.parametrize(
    ("line", "where"),
    [
        ("loudness = 'off'", "music"),
        ('music = "music"', "music"),
        ('music = "/m"\nnext_track = "ftp://radio/next"', "next_track"),
        ('music = "/m"\nnext_track = "http://radio"', "next_track"),
        ('music = "/m"\nnext_track = "http://a_b:c/next"', "next_track"),
        ('music = "/m"\nnext_track = "/bin/next --now"', "next_track"),
        ('music = "/m"\nnext_track_timeout_s = 60', "next_track_timeout_s"),
        ('music = "/m"\ncrossfade_s = -1', "crossfade_s"),
        ('music = "/m"\nport = 80', "port"),
        ('music = "/m"\nvolume = 11', "volume"),
    ],
)
def test_a_mistake_is_named_with_its_key(line: str, where: str) -> None:
    with pytest.raises(BadFile) as found:
        station(line)
    assert [mistake.where for mistake in found.value.mistakes] == [f"station.{where}"]
