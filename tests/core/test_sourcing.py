import base64
import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessiond.core.holder import Role, parse_label
from sessiond.core.sourcing import (
    LEASE_SECONDS,
    Lease,
    SourceOrder,
    ffmpeg_argv,
    order_for,
    request_head,
)
from sessiond.core.spec import Codec, MountSpec
from sessiond.core.stamped import Station
from sessiond.errors import Refused
from sessiond.units import Hertz, HostName, Kbps, MountPath, Seconds, SessionName, Term

MOUNT = MountSpec(
    path=MountPath("/dj1.ogg"),
    codec=Codec.VORBIS,
    bitrate_kbps=Kbps(128),
    name="Friday jam é",
    description="live [from] the cellar",
    genre="jam",
    public=True,
)


def order(mount: MountSpec = MOUNT, rate_hz: int = 48000) -> SourceOrder:
    return order_for(
        mount,
        station=Station(address="radio.local", port=8000),
        user="source",
        rate_hz=Hertz(rate_hz),
        session=SessionName("friday-jam"),
        host=HostName("alice"),
    )


def changed(**fields: object) -> SourceOrder:
    return dataclasses.replace(order(), **fields)  # type: ignore[arg-type]


def head(wanted: SourceOrder, password: str = "hack") -> bytes:  # noqa: S107
    return request_head(wanted, password=password, term=Term(3), role=Role.CARETAKER)


START = ("ffmpeg", "-nostdin", "-hide_banner", "-nostats", "-loglevel", "warning")
OGG = ("-flush_packets", "1", "-page_duration", "200000", "-f", "ogg", "pipe:1")
MP3 = (
    *("-flush_packets", "1", "-id3v2_version", "0", "-write_xing", "0"),
    *("-f", "mp3", "pipe:1"),
)


@pytest.mark.parametrize(
    ("codec", "kbps", "rate_hz", "expected"),
    [
        (
            Codec.VORBIS,
            128,
            44100,
            ("-c:a", "libvorbis", "-b:a", "128k", "-ar", "44100", *OGG),
        ),
        (
            Codec.OPUS,
            96,
            44100,
            ("-c:a", "libopus", "-b:a", "96k", "-ar", "48000", *OGG),
        ),
        (Codec.FLAC, None, 96000, ("-c:a", "flac", "-ar", "96000", *OGG)),
        (
            Codec.MP3,
            320,
            44100,
            ("-c:a", "libmp3lame", "-b:a", "320k", "-ar", "44100", *MP3),
        ),
        (Codec.MP3, None, 96000, ("-c:a", "libmp3lame", "-ar", "48000", *MP3)),
    ],
)
def test_ffmpeg_is_started_like_this(
    codec: Codec, kbps: int | None, rate_hz: int, expected: tuple[str, ...]
) -> None:
    wanted = changed(codec=codec, bitrate_kbps=kbps, rate_hz=rate_hz)
    source = ("-f", "jack", "-channels", "2", "-i", "air-dj1.ogg", "-map", "0:a")
    assert ffmpeg_argv(wanted) == (*START, *source, *expected)


def test_a_mounts_own_user_takes_precedence() -> None:
    assert order().user == "source"
    own = dataclasses.replace(MOUNT, source_user="dj")
    assert order(own).user == "dj"


def test_the_request_opens_the_mount() -> None:
    assert head(order()).decode() == (
        "PUT /dj1.ogg HTTP/1.1\r\n"
        "Host: radio.local:8000\r\n"
        "Authorization: Basic c291cmNlOmhhY2s=\r\n"
        "User-Agent: sessiond\r\n"
        "Content-Type: application/ogg\r\n"
        "Ice-Public: 1\r\n"
        "Ice-Name: Friday jam é\r\n"
        "Ice-Description: live [from] the cellar "
        "[session=friday-jam term=3 host=alice role=caretaker]\r\n"
        "Ice-Genre: jam\r\n"
        "Ice-Bitrate: 128\r\n"
        "\r\n"
    )


def test_what_is_not_said_is_not_sent() -> None:
    wanted = changed(name="", genre="", bitrate_kbps=None, public=False)
    text = head(wanted).decode()
    assert "Ice-Name" not in text
    assert "Ice-Genre" not in text
    assert "Ice-Bitrate" not in text
    assert "Ice-Public: 0" in text


def test_mp3_says_so() -> None:
    assert b"Content-Type: audio/mpeg\r\n" in head(changed(codec=Codec.MP3))


@given(password=st.text())
def test_every_password_arrives_exactly(password: str) -> None:
    text = head(order(), password)
    line = next(x for x in text.split(b"\r\n") if x.startswith(b"Authorization"))
    assert base64.b64decode(line.split()[-1]) == b"source:" + password.encode()


@given(text=st.text(max_size=200))
def test_no_text_adds_a_header(text: str) -> None:
    wanted = changed(name=text, description=text, genre=text)
    try:
        lines = head(wanted).decode().split("\r\n")
    except Refused:
        return
    assert len(lines) <= 12
    description = next(x for x in lines if x.startswith("Ice-Description"))
    assert parse_label(description) is not None


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"name": "a\r\nX: y"}, "Ice-Name can't hold a line break"),
        ({"description": "a\nb"}, "Ice-Description"),
        ({"genre": "\0"}, "Ice-Genre"),
        ({"address": "x\r\n"}, "Host"),
        ({"user": "a:b"}, "colon"),
        ({"path": "/a b.ogg"}, "no mount path"),
        ({"path": "/a.ogg HTTP/1.1\r\nX: y"}, "no mount path"),
        ({"description": "x" * 5000}, "too long for Icecast by"),
    ],
)
def test_what_would_break_the_request_is_refused(
    fields: dict[str, str], word: str
) -> None:
    with pytest.raises(Refused, match=word):
        head(changed(**fields))


def test_half_a_character_is_refused_without_showing_the_text() -> None:
    with pytest.raises(Refused, match="half a Unicode character") as refusal:
        head(order(), "hidden\ud800")
    assert refusal.value.__cause__ is None


def test_a_standby_mounts_path_is_a_mount_path() -> None:
    longest = dataclasses.replace(MOUNT, path=MountPath(f"/{'a' * 48}.flac"))
    wanted = changed(path=longest.standby_path)
    assert head(wanted).startswith(b"PUT /aaa")


def test_a_lease_is_fresh_for_ten_seconds() -> None:
    lease = Lease(term=Term(1), role=Role.LEADER, grant=1, sent_at=Seconds(100))
    assert lease.is_fresh(Seconds(100 + LEASE_SECONDS))
    assert not lease.is_fresh(Seconds(100.01 + LEASE_SECONDS))
