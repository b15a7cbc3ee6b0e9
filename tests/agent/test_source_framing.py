import struct
import subprocess
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.source.framing import OggFraming, RawFraming, Unit, framing_for
from sessiond.core.spec import Codec

BEGINS, CONTINUED = 2, 1


def page(body: bytes = b"x", *, flags: int = 0, granule: int = 0) -> bytes:
    """Return an Ogg page with one packet of under 255 bytes and no checksum."""
    fixed = struct.pack("<4sBBqIII", b"OggS", 0, flags, granule, 7, 0, 0)
    return fixed + bytes([1, len(body)]) + body


HEAD = page(b"head", flags=BEGINS)
TAGS = page(b"tags", granule=-1)
SETUP = page(b"setup")
SOUND = page(b"sound", granule=960)
MORE = page(b"more", flags=CONTINUED, granule=1920)
STREAM = HEAD + TAGS + SETUP + SOUND + MORE


def payloads(units: list[Unit]) -> list[bytes]:
    return [unit.payload for unit in units]


@given(cuts=st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_pages_come_out_whole_however_they_came_in(cuts: list[int]) -> None:
    framing = OggFraming()
    edges = [0, *sorted(cuts), len(STREAM)]
    units = [
        unit
        for start, end in pairwise(edges)
        for unit in framing.feed(STREAM[start:end])
    ]
    assert payloads(units) == [HEAD, TAGS, SETUP, SOUND, MORE]
    assert [unit.opens for unit in units] == [True, True, True, True, False]


def test_the_opening_is_every_header_page_and_no_sound() -> None:
    framing = OggFraming()
    assert framing.opening() == b""
    framing.feed(STREAM)
    assert framing.opening() == HEAD + TAGS + SETUP


def test_a_new_chain_has_headers_of_its_own() -> None:
    framing = OggFraming()
    framing.feed(STREAM)
    other = page(b"other", flags=BEGINS)
    framing.feed(other)
    assert framing.opening() == other


def test_bytes_between_pages_are_dropped() -> None:
    framing = OggFraming()
    assert payloads(framing.feed(b"noise" + HEAD + b"OggOgg" + SOUND)) == [HEAD, SOUND]


def test_mp3_is_passed_on_as_it_comes() -> None:
    framing = framing_for(Codec.MP3)
    assert isinstance(framing, RawFraming)
    assert payloads(framing.feed(b"abc")) == [b"abc"]
    assert framing.opening() == b""


@pytest.mark.parametrize("codec", ["libvorbis", "libopus", "flac"])
@pytest.mark.real
def test_real_streams_decode_when_joined_in_the_middle(codec: str) -> None:
    encode = "ffmpeg -v error -nostdin -f lavfi -i sine=440:d=4 -ar 48000 -c:a"
    ogg = "-page_duration 200000 -f ogg pipe:1"
    argv = (*encode.split(), codec, *ogg.split())
    stream = subprocess.run(argv, capture_output=True, check=True).stdout
    framing = OggFraming()
    units = framing.feed(stream)
    assert b"".join(payloads(units)) == stream
    joined = framing.opening() + b"".join(payloads(units[-8:]))
    # FFmpeg checks every page's checksum, so also the changed one's.
    decode = "ffmpeg -v error -xerror -nostdin -f ogg -i pipe:0 -f f32le -ac 1 pipe:1"
    done = subprocess.run(
        decode.split(), input=joined, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    assert len(done.stdout) > 4 * 48000


@pytest.mark.real
def test_an_opus_decoder_that_joins_in_the_middle_skips_nothing() -> None:
    encode = "ffmpeg -v error -nostdin -f lavfi -i sine=440:d=2 -ar 48000"
    ogg = "-c:a libopus -page_duration 200000 -f ogg pipe:1"
    argv = (*encode.split(), *ogg.split())
    stream = subprocess.run(argv, capture_output=True, check=True).stdout
    framing = OggFraming()
    before = framing.feed(stream[:47])
    assert framing.opening() == b"".join(payloads(before))
    framing.feed(stream[47:])
    assert stream[38:40] != b"\0\0"
    assert framing.opening()[38:40] == b"\0\0"
    assert len(framing.opening()) < len(stream)
