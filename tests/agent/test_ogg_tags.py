"""Titles in header pages of each codec; and comments that are none."""

import io
import struct

import pytest
from mutagen.ogg import OggPage

from agent.adapters.ogg_tags import chain_head
from sessiond.core.oggpages import OggPages
from sessiond.core.streamtitles import OggTitles

VENDOR = struct.pack("<I", 4) + b"Lavf"
TAG = b"ENCODER=Lavc"
OLD = b"title=old"
COMMENTS = (
    VENDOR
    + struct.pack("<I", 2)
    + struct.pack("<I", len(TAG))
    + TAG
    + struct.pack("<I", len(OLD))
    + OLD
)
FLAC = b"\x84" + len(COMMENTS).to_bytes(3, "big") + COMMENTS
CODECS = {
    "vorbis": (b"\x01vorbis", b"\x03vorbis" + COMMENTS + b"\x01"),
    "opus": (b"OpusHead\x01\x02\x38\x01", b"OpusTags" + COMMENTS),
    "flac": (b"\x7fFLAC", FLAC),
}


def page(*packets: bytes, first: bool = False) -> bytes:
    made = OggPage()
    made.packets, made.first = list(packets), first
    written: bytes = made.write()
    return written


def headers(codec: str, *more: bytes) -> list[bytes]:
    head, comments = CODECS[codec]
    return [page(head, first=True), page(comments, *more)]


def titled(headers: list[bytes], title: str) -> tuple[str, list[bytes]]:
    """Return what a listener reads in the headers, and their packets."""
    pages = chain_head(headers, title, serial=9, goes_on=True)
    reader, packets = OggTitles(), []
    for one in OggPages().feed(b"".join(pages)):
        reader.feed(one)
        packets += OggPage(io.BytesIO(one)).packets
    return reader.title, packets


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("title", ["A - B", "Ü - Ö - ß", "alone", "", "x" * 200])
def test_a_title_takes_the_place_of_the_old_one(codec: str, title: str) -> None:
    found, packets = titled(headers(codec, b"setup"), title)
    assert found == title
    assert packets[0][:8] == CODECS[codec][0][:8]
    assert TAG in packets[1]
    assert packets[2] == b"setup"


def test_only_opus_has_a_pre_skip_to_lose() -> None:
    _, (head, *_) = titled(headers("opus"), "A")
    assert head == b"OpusHead\x01\x02\0\0"
    (kept, _) = chain_head(headers("opus"), "A", serial=1, goes_on=False)
    assert OggPage(io.BytesIO(kept)).packets == [CODECS["opus"][0]]


@pytest.mark.parametrize(
    "comments",
    [
        b"OpusTags",
        b"OpusTags\xff\xff\xff\xff",
        b"\x84\0\0\1x",
        b"\x03vorbis" + COMMENTS,
    ],
)
def test_comments_that_can_not_be_read_stay_as_they_are(comments: bytes) -> None:
    _, packets = titled([page(b"head", first=True), page(comments)], "A")
    assert packets == [b"head", comments]


def test_comments_may_be_longer_than_a_page() -> None:
    long = (
        b"\x03vorbis" + VENDOR + struct.pack("<II", 1, 70_004) + b"a=" + b"x" * 70_002
    )
    whole = OggPage.from_packets([long + b"\x01", b"setup"], sequence=1)
    pages = [page(b"\x01vorbis", first=True), *(p.write() for p in whole)]
    found, _ = titled(pages, "A - B")
    assert found == "A - B"
