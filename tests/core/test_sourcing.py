import dataclasses

import pytest

from sessiond.core.holder import Role
from sessiond.core.sourcing import (
    LEASE_SECONDS,
    Lease,
    Seat,
    SourceOrder,
    ffmpeg_argv,
    order_for,
)
from sessiond.core.spec import Codec, MountSpec
from sessiond.core.stamped import Station
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
            (
                *("-c:a", "libvorbis", "-b:a", "128k", "-minrate", "128k"),
                *("-ar", "44100", *OGG),
            ),
        ),
        (
            Codec.OPUS,
            96,
            44100,
            (
                *("-c:a", "libopus", "-b:a", "96k", "-vbr", "off"),
                *("-ar", "48000", *OGG),
            ),
        ),
        (
            Codec.FLAC,
            None,
            96000,
            ("-c:a", "flac", "-frame_size", "4096", "-ar", "96000", *OGG),
        ),
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
    bitrate = None if kbps is None else Kbps(kbps)
    mount = dataclasses.replace(MOUNT, codec=codec, bitrate_kbps=bitrate)
    wanted = order(mount, rate_hz)
    source = ("-f", "jack", "-channels", "2", "-i", "air-dj1.ogg", "-map", "0:a")
    dithered = ",aresample=dither_method=triangular" if codec is Codec.FLAC else ""
    filters = ("-af", f"asetpts=N/SR/TB{dithered}")
    assert ffmpeg_argv(wanted) == (*START, *source, *filters, *expected)


def test_a_mounts_own_user_takes_precedence() -> None:
    assert order().user == "source"
    own = dataclasses.replace(MOUNT, source_user="dj")
    assert order(own).user == "dj"


def test_each_seat_has_a_mount_of_its_own() -> None:
    assert order().mount(Seat.PRIMARY) == "/dj1.ogg"
    assert order().mount(Seat.HIDDEN) == "/dj1-standby.ogg"


def test_a_lease_is_fresh_for_ten_seconds() -> None:
    lease = Lease(
        seat=Seat.PRIMARY,
        term=Term(1),
        role=Role.LEADER,
        grant=1,
        sent_at=Seconds(100),
    )
    assert lease.is_fresh(Seconds(100 + LEASE_SECONDS))
    assert not lease.is_fresh(Seconds(100.01 + LEASE_SECONDS))
