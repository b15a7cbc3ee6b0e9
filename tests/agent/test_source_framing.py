import io
import struct
import subprocess
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutagen.ogg import OggPage
from numpy.typing import NDArray

from agent.source.framing import Framing, OggFraming, RawFraming, Unit, framing_for
from sessiond.core.oggpages import OggPages
from sessiond.core.spec import Codec
from sessiond.core.streamtitles import OggTitles

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
LAST = page(b"last", granule=2880)
STREAM = HEAD + TAGS + SETUP + SOUND + MORE


def payloads(units: list[Unit]) -> list[bytes]:
    return [unit.payload for unit in units]


def sent(framing: Framing, stream: bytes) -> list[OggPage]:
    """Return the pages that a connection is sent for this much of the encoder's."""
    out = b"".join(framing.written(unit) for unit in framing.feed(stream))
    return pages_of(out)


def pages_of(out: bytes) -> list[OggPage]:
    return [OggPage(io.BytesIO(one)) for one in OggPages().feed(out)]


def told(pages: list[OggPage]) -> list[tuple[bytes, int, int]]:
    """Return each page's packets, number and position."""
    return [(b"|".join(p.packets), p.sequence, p.position) for p in pages]


@given(cuts=st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_pages_come_out_whole_however_they_came_in(cuts: list[int]) -> None:
    framing = OggFraming()
    edges = [0, *sorted(cuts), len(STREAM)]
    units = [
        unit
        for start, end in pairwise(edges)
        for unit in framing.feed(STREAM[start:end])
    ]
    # Headers are for later.
    assert payloads(units) == [b"", b"", b"", SOUND, MORE]
    assert [unit.opens for unit in units] == [True, True, True, True, False]


def test_the_first_page_of_sound_brings_the_headers_as_they_are() -> None:
    framing = OggFraming()
    assert sent(framing, HEAD + TAGS + SETUP) == []
    pages = sent(framing, SOUND + MORE)
    assert told(pages) == [
        (b"head", 0, 0),
        (b"tags|setup", 1, 0),
        (b"sound", 2, 960),
        (b"more", 3, 1920),
    ]
    assert [p.first for p in pages] == [True, False, False, False]
    assert len({p.serial for p in pages}) == 1


def test_the_opening_is_every_header_page_and_no_sound() -> None:
    framing = OggFraming()
    assert framing.opening() == b""
    framing.feed(STREAM)
    opening = pages_of(framing.opening())
    assert told(opening) == [(b"head", 0, 0), (b"tags|setup", 1, 0)]
    # Positions count from where the connection begins.
    assert told(sent(framing, LAST)) == [(b"last", 2, 960)]


def test_an_opening_while_the_headers_come_leaves_them_to_the_first_sound() -> None:
    framing = OggFraming()
    framing.feed(HEAD + TAGS)
    assert framing.opening() == b""
    assert told(sent(framing, SETUP + SOUND))[0] == (b"head", 0, 0)


def test_a_new_chain_has_headers_of_its_own() -> None:
    framing = OggFraming()
    first = sent(framing, STREAM)
    other = page(b"other", flags=BEGINS)
    again = sent(framing, other + SOUND)
    assert told(again) == [(b"other", 0, 0), (b"sound", 1, 960)]
    assert again[0].serial != first[0].serial


def test_bytes_between_pages_are_dropped() -> None:
    framing = OggFraming()
    assert payloads(framing.feed(b"noise" + HEAD + b"OggOgg" + SOUND)) == [b"", SOUND]


def test_a_new_title_ends_the_chain_where_a_packet_ends() -> None:
    framing = OggFraming()
    before = sent(framing, STREAM)
    framing.entitle("A - B")
    assert framing.title == ""
    cut = bytearray(page(b"x" * 255, granule=-1))  # goes on in the next page
    cut[26:28], cut[28:] = b"\x01\xff", b"x" * 255
    (through,) = sent(framing, bytes(cut))
    assert not through.last
    assert through.serial == before[0].serial
    ended, head, tags = sent(framing, LAST)
    assert (ended.last, ended.serial, ended.position) == (True, before[0].serial, 2880)
    assert (head.first, head.sequence, head.position) == (True, 0, 0)
    assert head.serial == tags.serial != ended.serial
    assert framing.title == "A - B"
    (after,) = sent(framing, page(b"after", granule=3840))
    assert (after.serial, after.sequence, after.position) == (head.serial, 2, 960)


def test_a_title_that_is_taken_back_in_time_changes_nothing() -> None:
    framing = OggFraming("A - B")
    sent(framing, STREAM)
    framing.entitle("C")
    framing.entitle("A - B")
    (through,) = sent(framing, LAST)
    assert not through.last


def test_vorbis_gets_its_new_title_with_its_next_headers_only() -> None:
    framing = framing_for(Codec.VORBIS, "A - B")
    assert not framing.retitles
    sent(framing, STREAM)
    framing.entitle("C")
    assert len(sent(framing, LAST)) == 1
    assert framing.title == "A - B"
    framing.opening()
    assert framing.title == "C"


def test_mp3_is_passed_on_as_it_comes() -> None:
    framing = framing_for(Codec.MP3)
    assert isinstance(framing, RawFraming)
    framing.entitle("A - B")
    assert [framing.written(unit) for unit in framing.feed(b"abc")] == [b"abc"]
    assert framing.opening() == b""
    assert framing.title is None


def encoded(codec: str, seconds: int = 4) -> bytes:
    encode = f"ffmpeg -v error -nostdin -f lavfi -i sine=440:d={seconds} -ar 48000"
    ogg = f"-c:a {codec} -page_duration 200000 -f ogg pipe:1"
    argv = (*encode.split(), *ogg.split())
    return subprocess.run(argv, capture_output=True, check=True).stdout


def decoded(stream: bytes) -> NDArray[np.float32]:
    # FFmpeg checks every page's checksum.
    decode = "ffmpeg -v error -xerror -nostdin -f ogg -i pipe:0 -f f32le -ac 1 pipe:1"
    done = subprocess.run(
        decode.split(), input=stream, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return np.frombuffer(done.stdout, dtype="<f4")


def titles_in(stream: bytes) -> list[str]:
    reader, shown = OggTitles(), list[str]()
    for one in OggPages().feed(stream):
        reader.feed(one)
        if one[5] & BEGINS == 0 and [reader.title] != shown[-1:]:
            shown.append(reader.title)
    return shown


@pytest.mark.parametrize("codec", ["libvorbis", "libopus", "flac"])
@pytest.mark.real
def test_real_streams_decode_when_joined_in_the_middle(codec: str) -> None:
    stream = encoded(codec)
    framing = OggFraming("A - B")
    framing.feed(stream[: len(stream) // 2])
    joined = framing.opening()
    rest = framing.feed(stream[len(stream) // 2 :])
    joined += b"".join(framing.written(unit) for unit in rest if unit.opens)
    assert titles_in(joined) == ["A - B"]
    sound = decoded(joined)
    assert 48000 < len(sound) < 3.5 * 48000


@pytest.mark.parametrize(("codec", "exact"), [("libopus", False), ("flac", True)])
@pytest.mark.real
def test_titles_cost_a_real_stream_not_one_sample(codec: str, exact: bool) -> None:
    stream = encoded(codec)
    framing = OggFraming("first")
    units = framing.feed(stream)
    out = b""
    for number, unit in enumerate(units):
        if number in (8, 14):
            framing.entitle(f"Ärtist - {number}")
        out += framing.written(unit)
    assert titles_in(out) == ["first", "Ärtist - 8", "Ärtist - 14"]
    untouched, heard = decoded(stream), decoded(out)
    assert len(heard) == len(untouched)
    if exact:
        assert (heard == untouched).all()
    else:
        # A decoder that begins anew has to get used to the sound, for milliseconds.
        assert np.median(np.abs(heard - untouched)) < 1e-4


@pytest.mark.real
def test_an_opus_decoder_that_joins_in_the_middle_skips_nothing() -> None:
    stream = encoded("libopus", 2)
    framing = OggFraming()
    first, *_ = sent(framing, stream)
    assert first.packets[0][10:12] != b"\0\0"
    (again, _) = pages_of(framing.opening())
    assert again.packets[0][10:12] == b"\0\0"
