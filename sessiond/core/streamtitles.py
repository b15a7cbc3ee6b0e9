"""The title that a stream itself carries, as its listeners get it.

MP3 carries it between its bytes where the listener asked for it (``Icy-MetaData: 1``);
Ogg in the comment header of each chain, with ``Artist - Title`` split, since it has a
place for each. Both readers are fed with what came from the
network, cut anywhere, and believe nothing of it. No I/O here.

Source: RFC 3533 (Ogg), Vorbis I section 5 (comments), RFC 7845 section 5.2 (OpusTags),
the FLAC-to-Ogg mapping; Icecast's own practice for ``icy-metaint``.
"""

import re
from collections.abc import Mapping
from typing import Final, Protocol

from sessiond.core.oggpages import OggPages, begins_chain, begins_packet

LONGEST_TITLE: Final = 300
"""Characters; what is longer is cut."""

_JOINT: Final = " - "

# A length is one byte in steps of 16.
_ICY_STEP: Final = 16
_ICY_TITLE: Final = re.compile(rb"StreamTitle='(.*?)';(?:\w+='|\0|$)", re.DOTALL)

# Cover art makes comments of megabytes; a title stands in the first of them.
LONGEST_COMMENT: Final = 256 * 1024

# What the packet with the comments begins with, codec by codec, and where they begin.
_COMMENTS: Final[Mapping[bytes, int]] = {
    b"\x03vorbis": 7,
    b"OpusTags": 8,
    b"\x04": 4,
    b"\x84": 4,
}


# Where in a page its segments' lengths begin, and how many there are.
_FIXED: Final = 27
_SEGMENTS_AT: Final = 26
# A segment of this length goes on in the next one.
_WHOLE_SEGMENT: Final = 255


def first_packet(page: bytes) -> tuple[bytes, bool]:
    """Return what a page holds of its first packet, and whether that ends here."""
    body_at = _FIXED + page[_SEGMENTS_AT]
    length = 0
    for segment in page[_FIXED:body_at]:
        length += segment
        if segment < _WHOLE_SEGMENT:
            return page[body_at : body_at + length], True
    return page[body_at : body_at + length], False


class TitleReader(Protocol):
    """Takes a stream's bytes and keeps the newest title."""

    title: str

    def feed(self, chunk: bytes) -> bytes:
        """Return the chunk without what is no sound."""
        ...


def title_reader(headers: Mapping[str, str]) -> TitleReader:
    """Return what reads the titles of a stream with these HTTP headers.

    Args:
        headers: Names in lower case.
    """
    every = headers.get("icy-metaint", "")
    if every.isascii() and every.isdecimal() and int(every):
        return IcyTitles(int(every))
    return OggTitles()


class IcyTitles:
    """Metadata in between: after each so many bytes of sound a length and a text.

    Args:
        every: The bytes of sound from one to the next.
    """

    def __init__(self, every: int) -> None:
        self.title = ""
        self._every = every
        self._sound_left = every
        self._words = bytearray()
        self._words_left = 0

    def feed(self, chunk: bytes) -> bytes:
        """Return the sound in the chunk."""
        sound = bytearray()
        rest = memoryview(chunk)
        while rest:
            if self._words_left:
                rest = self._take_words(rest)
            elif self._sound_left:
                part = rest[: self._sound_left]
                sound += part
                self._sound_left -= len(part)
                rest = rest[len(part) :]
            else:
                self._words_left, rest = rest[0] * _ICY_STEP, rest[1:]
                self._sound_left = self._every
        return bytes(sound)

    def _take_words(self, rest: memoryview) -> memoryview:
        part = rest[: self._words_left]
        self._words += part
        self._words_left -= len(part)
        if not self._words_left:
            if found := _ICY_TITLE.search(bytes(self._words)):
                self.title = _tidy(found[1])
            self._words.clear()
        return rest[len(part) :]


class OggTitles:
    """The comments of each chain; sound is whatever comes, untouched."""

    def __init__(self) -> None:
        self.title = ""
        self._pages = OggPages()
        self._packet = bytearray()
        self._seeks = False

    def feed(self, chunk: bytes) -> bytes:
        """Return the chunk itself."""
        for page in self._pages.feed(chunk):
            self._look(page)
        return chunk

    def _look(self, page: bytes) -> None:
        """Collect the second packet of a chain, which holds its comments."""
        if begins_chain(page):
            # The first packet is alone on its page.
            self._packet.clear()
            self._seeks = True
            return
        if not self._seeks:
            return
        if begins_packet(page):
            self._packet.clear()
        packet, whole = first_packet(page)
        self._keep(packet)
        if whole:
            self._seeks = False
            self._read()

    def _keep(self, part: bytes) -> None:
        self._packet += part[: LONGEST_COMMENT - len(self._packet)]

    def _read(self) -> None:
        packet = bytes(self._packet)
        for sign, begins in _COMMENTS.items():
            if packet.startswith(sign):
                self.title = _title(_comments(packet[begins:]))
                return


def _comments(block: bytes) -> Mapping[str, str]:
    """Return what a comment block says, names in lower case; the first of a name."""
    said: dict[str, str] = {}
    at = 4 + _number(block, 0)
    count = _number(block, at)
    at += 4
    # The count is the sender's word; the end of the block is a fact.
    while count and at + 4 <= len(block):
        end = at + 4 + _number(block, at)
        name, _, value = block[at + 4 : end].partition(b"=")
        said.setdefault(name.decode("ascii", "replace").lower(), _tidy(value))
        at, count = end, count - 1
    return said


def _number(block: bytes, at: int) -> int:
    return int.from_bytes(block[at : at + 4], "little")


def split_title(title: str) -> tuple[str, str]:
    """Return artist and title of ``Artist - Title``; the artist is empty without."""
    artist, joint, rest = title.partition(_JOINT)
    # Players strip both: what would then be put together otherwise stays whole.
    whole = all(part and part == part.strip() for part in (artist, rest))
    return (artist, rest) if joint and whole else ("", title)


def _title(comments: Mapping[str, str]) -> str:
    """Return one line of a chain's comments, as players show it."""
    parts = (comments.get("artist", ""), comments.get("title", ""))
    return _JOINT.join(part for part in parts if part)


def _tidy(said: bytes) -> str:
    """Return a text from the network as one printable line."""
    try:
        text = said.decode("utf-8")
    except UnicodeDecodeError:
        text = said.decode("latin-1")
    words = "".join(letter if letter.isprintable() else " " for letter in text)
    return words.strip()[:LONGEST_TITLE]
