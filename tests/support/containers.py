"""When the sound of a stream is complete: Ogg pages and MP3 frames, no decoding.

A player can't play a page before its last byte is there, so what counts is how many
seconds of sound each page or frame adds and where it ends.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from sessiond.units import Hertz, Seconds

# RFC 3533, section 6: the page header before its table of segments.
_OGG_HEADER: Final = struct.Struct("<4sBBqIIIB")
_CONTINUED_GRANULE: Final = -1

# ISO/IEC 11172-3, 2.4.2.3: MPEG-1 layer III.
_MP3_KBPS: Final = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MP3_RATES: Final = (44100, 48000, 32000)
_MP3_FRAMES: Final = 1152

# RFC 7845: an Opus stream's granule position counts at 48 kHz whatever is in it.
_OPUS_RATE: Final = Hertz(48000)


@dataclass(frozen=True, slots=True)
class Moment:
    """Sound that plays once `end` bytes of the stream have come."""

    end: int
    duration: Seconds


@dataclass(frozen=True, slots=True)
class Page:
    """One Ogg page: who it belongs to, where it ends, what it carries."""

    serial: int
    granule: int
    end: int
    payload: bytes


def moments(stream: bytes) -> tuple[Moment, ...]:
    """Return the sound in a stream, piece by piece, in order; headers are no sound.

    Ogg (any chain of Vorbis, Opus, FLAC) and MP3 are told apart by their first bytes.
    """
    if stream[:4] == b"OggS":
        return _ogg(stream)
    return tuple(_mp3(stream))


def pages(stream: bytes) -> Iterator[Page]:
    """Yield the whole pages of an Ogg stream; an incomplete last one is left out."""
    at = stream.find(b"OggS")
    while at >= 0 and at + _OGG_HEADER.size <= len(stream):
        _, _, _, granule, serial, _, _, count = _OGG_HEADER.unpack_from(stream, at)
        start = at + _OGG_HEADER.size + count
        end = start + sum(stream[at + _OGG_HEADER.size : start])
        if end > len(stream):
            return
        yield Page(serial, granule, end, stream[start:end])
        at = stream.find(b"OggS", end)


def _rate_in(payload: bytes) -> Hertz | None:
    """Return what a codec's first page says of its rate; None if it is no such page."""
    if payload[:8] == b"OpusHead":
        return _OPUS_RATE
    if payload[:7] == b"\x01vorbis":
        return Hertz(struct.unpack_from("<I", payload, 12)[0])
    if payload[:5] == b"\x7fFLAC":
        # The rate is 20 bits, 10 bytes into STREAMINFO; 13 bytes and the block's
        # 4-byte header stand before that.
        return Hertz(int.from_bytes(payload[27:30], "big") >> 4)
    return None


def _ogg(stream: bytes) -> tuple[Moment, ...]:
    chains: list[list[tuple[int, float]]] = []
    rate = _OPUS_RATE
    for page in pages(stream):
        begun = _rate_in(page.payload)
        if begun is not None:
            rate = begun
            chains.append([])
        elif page.granule > 0 and chains:
            chains[-1].append((page.end, page.granule / rate))
    return tuple(moment for chain in chains for moment in _chain(chain))


def _chain(ends: list[tuple[int, float]]) -> Iterator[Moment]:
    """Yield a chain's pages from their ends in bytes and in seconds of its clock.

    Who joins in the middle can't know from the first page's end how long that page
    is; it is taken to be like the second, but no longer than its own end says.
    """
    seconds = [at for _, at in ends]
    steps = [after - before for before, after in pairwise(seconds)]
    if seconds:
        steps.insert(0, min(steps[0] if steps else 0.0, seconds[0]))
    for (end, _), step in zip(ends, steps, strict=True):
        yield Moment(end, Seconds(max(step, 0.0)))


def _mp3(stream: bytes) -> Iterator[Moment]:
    at = 0
    while 0 <= (at := stream.find(b"\xff", at)) <= len(stream) - 4:
        length, rate = _mp3_frame(stream[at : at + 4])
        if not length:
            at += 1
        elif at + length > len(stream):
            return
        else:
            at += length
            yield Moment(at, Seconds(_MP3_FRAMES / rate))


def _mp3_frame(header: bytes) -> tuple[int, int]:
    """Return a frame's length in bytes and its rate; (0, 1) if this is no header."""
    _, second, third, _ = header
    kbps, rate = third >> 4, third >> 2 & 3
    if second & 0xFE != 0xFA or kbps in {0, 15} or rate == 3:
        return 0, 1
    padding = third >> 1 & 1
    bits_per_second = _MP3_KBPS[kbps] * 1000
    return 144 * bits_per_second // _MP3_RATES[rate] + padding, _MP3_RATES[rate]
