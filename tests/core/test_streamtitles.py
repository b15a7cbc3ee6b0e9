"""Titles in the bytes of MP3 and Ogg streams, cut anywhere, and in nonsense."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessiond.core.streamtitles import (
    LONGEST_TITLE,
    IcyTitles,
    OggTitles,
    TitleReader,
    title_reader,
)

EVERY = 40


def icy(text: str, *, encoding: str = "utf-8") -> bytes:
    """Return a text as Icecast puts it between the bytes."""
    words = f"StreamTitle='{text}';".encode(encoding)
    steps = -(-len(words) // 16)
    return bytes([steps]) + words.ljust(steps * 16, b"\0")


def page(packet: bytes, *, flags: int = 0, ends: bool = True) -> bytes:
    """Return one Ogg page that holds a packet, or a part that does not end here."""
    laces = [255] * (len(packet) // 255)
    if ends:
        laces.append(len(packet) % 255)
    head = b"OggS\0" + bytes([flags]) + bytes(20) + bytes([len(laces)])
    return head + bytes(laces) + packet


def comments(*said: str) -> bytes:
    fields = [line.encode() for line in said]
    block = [b"\4\0\0\0Lavf", len(fields).to_bytes(4, "little")]
    block += [len(each).to_bytes(4, "little") + each for each in fields]
    return b"".join(block)


VORBIS = page(b"\x01vorbis" + bytes(23), flags=2)


def vorbis(*said: str) -> bytes:
    return VORBIS + page(b"\x03vorbis" + comments(*said) + b"\x01") + page(b"sound")


def opus(*said: str) -> bytes:
    head = page(b"OpusHead" + bytes(11), flags=2)
    return head + page(b"OpusTags" + comments(*said)) + page(b"sound")


def flac(*said: str, sign: bytes = b"\x04") -> bytes:
    head = page(b"\x7fFLAC" + bytes(47), flags=2)
    return head + page(sign + bytes(3) + comments(*said)) + page(b"sound")


def in_pieces(reader: TitleReader, stream: bytes, size: int) -> bytes:
    return b"".join(
        reader.feed(stream[at : at + size]) for at in range(0, len(stream), size)
    )


@pytest.mark.parametrize("size", [1, 3, 16, 40, 41, 1000])
def test_titles_between_the_bytes_of_mp3(size: int) -> None:
    reader = IcyTitles(EVERY)
    sound = bytes(range(EVERY))
    stream = sound + icy("One - Two") + sound + b"\0" + sound + b"\0"
    assert in_pieces(reader, stream, size) == sound * 3
    assert reader.title == "One - Two"
    assert in_pieces(reader, sound + icy("It's 'a' test"), size) == sound
    assert reader.title == "It's 'a' test"
    in_pieces(reader, sound + icy(""), size)
    assert reader.title == ""


def test_a_title_in_latin_1_and_one_beside_an_address() -> None:
    reader = IcyTitles(1)
    reader.feed(b"x" + icy("Jürgen", encoding="latin-1"))
    assert reader.title == "Jürgen"
    reader.feed(b"x" + icy("Jürgen';StreamUrl='http://x"))
    assert reader.title == "Jürgen"


def test_what_is_no_title_changes_none() -> None:
    reader = IcyTitles(1)
    reader.feed(b"x" + icy("One"))
    reader.feed(b"x\x01" + b"StreamUrl='x';  ")
    assert reader.title == "One"


@pytest.mark.parametrize("make", [vorbis, opus, flac])
@pytest.mark.parametrize("size", [1, 7, 5000])
def test_titles_in_the_chains_of_ogg(make: type, size: int) -> None:
    reader = OggTitles()
    stream = b"rest of a page" + make("ARTIST=Jürgen", "title=One", "TITLE=Two")
    assert in_pieces(reader, stream, size) == stream
    assert reader.title == "Jürgen - One"
    in_pieces(reader, make("TITLE=Three"), size)
    assert reader.title == "Three"
    in_pieces(reader, make("encoder=x"), size)
    assert reader.title == ""


def test_the_last_metadata_block_of_flac() -> None:
    reader = OggTitles()
    reader.feed(flac("title=One", sign=b"\x84"))
    assert reader.title == "One"


def test_comments_longer_than_a_page() -> None:
    reader = OggTitles()
    packet = b"\x03vorbis" + comments("title=One", f"x={'y' * 70000}")
    cut = 255 * 255
    stream = VORBIS + page(packet[:cut], ends=False) + page(packet[cut:], flags=1)
    in_pieces(reader, stream + page(b"sound"), 4096)
    assert reader.title == "One"


def test_comments_without_end_are_bounded() -> None:
    reader = OggTitles()
    reader.feed(VORBIS)
    for _ in range(6):
        reader.feed(page(bytes(255 * 255), flags=1, ends=False))
    assert len(reader._packet) == 256 * 1024


def test_a_page_that_was_missed_is_no_part_of_the_comments() -> None:
    reader = OggTitles()
    reader.feed(VORBIS + page(b"\x03vorbis" + bytes(1000), ends=False))
    reader.feed(page(b"\x03vorbis" + comments("title=One")))
    assert reader.title == "One"


def test_other_packets_hold_no_title() -> None:
    reader = OggTitles()
    reader.feed(page(b"\x80theora", flags=2) + page(b"\x81theora" + bytes(40)))
    assert reader.title == ""


def test_lengths_that_lie_end_at_the_block_s_end() -> None:
    reader = OggTitles()
    lie = comments("title=One").replace(b"\1\0\0\0", b"\xff\xff\xff\xff")
    reader.feed(VORBIS + page(b"\x03vorbis" + lie))
    assert reader.title == "One"
    far = comments("title=Two").replace(b"\4\0\0\0", b"\xff\0\0\0")
    reader.feed(VORBIS + page(b"\x03vorbis" + far))
    assert reader.title == ""


def test_a_title_is_one_printable_line() -> None:
    reader = OggTitles()
    reader.feed(vorbis("title=  One\x1b[31m\nTwo\u202e  "))
    assert reader.title == "One [31m Two"
    reader.feed(vorbis(f"title={'x' * 1000}"))
    assert len(reader.title) == LONGEST_TITLE


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_nonsense_harms_nobody(chunks: list[bytes]) -> None:
    ogg, mp3 = OggTitles(), IcyTitles(16)
    for chunk in chunks:
        assert ogg.feed(chunk) == chunk
        ogg.feed(b"OggS" + chunk)
        assert len(mp3.feed(chunk)) <= len(chunk)


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ({"icy-metaint": "16000"}, IcyTitles),
        ({"icy-metaint": "0"}, OggTitles),
        ({"icy-metaint": "-5"}, OggTitles),
        ({"icy-metaint": "²"}, OggTitles),
        ({}, OggTitles),
    ],
)
def test_who_reads_which_stream(headers: dict[str, str], kind: type) -> None:
    assert isinstance(title_reader(headers), kind)
