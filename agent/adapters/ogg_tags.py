"""The door to mutagen: titles in Ogg streams, and pages under numbers of our own.

Only header pages are looked into. Comments that mutagen can't read stay as they are:
a title is never worth the sound.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Final

from mutagen import MutagenError
from mutagen._vorbis import VCommentDict
from mutagen.ogg import OggPage

from sessiond.core.streamtitles import split_title

# Where in an OpusHead packet its pre-skip stands (RFC 7845, section 5.1).
_OPUS_HEAD: Final = b"OpusHead"
_PRE_SKIP_AT: Final = slice(10, 12)

# A FLAC block's type stands in seven bits, its length in the three bytes after it.
_FLAC_TYPE: Final = 0x7F
_FLAC_COMMENT: Final = 4
_FLAC_LENGTH: Final = 3


@dataclass(frozen=True, slots=True)
class _Form:
    """How a codec wraps its comments.

    Attributes:
        head: Bytes before them; what they are may depend on the comments' length.
        framing: Whether Vorbis' framing bit follows.
    """

    head: bytes
    framing: bool


# Source: Vorbis I section 4.2.1, RFC 7845 section 5.2.
_FORMS: Final = (
    _Form(b"\x03vorbis", framing=True),
    _Form(b"OpusTags", framing=False),
)


def chain_head(
    headers: Sequence[bytes], title: str, *, serial: int, goes_on: bool
) -> tuple[bytes, ...]:
    """Return header pages for a chain of our own, numbered from 0.

    Args:
        headers: The encoder's, all of them.
        title: Goes into its comments; empty for none.
        serial: Of the chain, 32 bits.
        goes_on: The sound goes on from another chain: an Opus decoder, which drops its
            encoder's first samples as a rule, drops none.
    """
    first, *others = (_parsed(page) for page in headers)
    if goes_on:
        first.packets = [_without_pre_skip(packet) for packet in first.packets]
    for number, page in enumerate(others):
        page.serial, page.sequence = serial, number
    packets = OggPage.to_packets(others) if others else []
    if packets:
        packets[0] = _titled(packets[0], title)
    pages = [first, *OggPage.from_packets(packets, sequence=1)]
    for page in pages:
        page.serial = serial
    first.sequence = 0
    return tuple(_bytes(page) for page in pages)


def chain_page(
    page: bytes, *, serial: int, sequence: int, before: int, last: bool
) -> bytes:
    """Return a page of sound as one of a chain of our own.

    Args:
        page: The encoder's.
        serial: Of the chain.
        sequence: Of the page in it.
        before: The encoder's position where the chain began.
        last: It ends the chain.
    """
    parsed = _parsed(page)
    parsed.serial, parsed.sequence = serial, sequence
    parsed.last = parsed.last or last
    if parsed.position > 0:
        parsed.position = max(parsed.position - before, 0)
    return _bytes(parsed)


def _parsed(page: bytes) -> OggPage:
    return OggPage(BytesIO(page))


def _bytes(page: OggPage) -> bytes:
    written: bytes = page.write()
    return written


def _without_pre_skip(packet: bytes) -> bytes:
    if not packet.startswith(_OPUS_HEAD):
        return packet
    changed = bytearray(packet)
    changed[_PRE_SKIP_AT] = b"\0\0"
    return bytes(changed)


def _titled(packet: bytes, title: str) -> bytes:
    """Return a comment packet with this title; any other packet as it is."""
    form = _form(packet)
    try:
        comments = _comments(packet)
    except (MutagenError, ValueError, IndexError):
        return packet
    if form is None or comments is None:
        return packet
    artist, rest = split_title(title)
    for key, text in (("artist", artist), ("title", rest)):
        if key in comments:
            del comments[key]
        if text:
            comments[key] = text
    written: bytes = comments.write(framing=form.framing)
    if _is_flac(packet):
        return packet[:1] + len(written).to_bytes(_FLAC_LENGTH, "big") + written
    return form.head + written


def _comments(packet: bytes) -> VCommentDict | None:
    form = _form(packet)
    if form is None:
        return None
    return VCommentDict(packet[len(form.head) :], framing=form.framing)


def _form(packet: bytes) -> _Form | None:
    if _is_flac(packet):
        return _Form(packet[: 1 + _FLAC_LENGTH], framing=False)
    return next((form for form in _FORMS if packet.startswith(form.head)), None)


def _is_flac(packet: bytes) -> bool:
    whole = len(packet) > _FLAC_LENGTH
    return whole and packet[0] & _FLAC_TYPE == _FLAC_COMMENT
