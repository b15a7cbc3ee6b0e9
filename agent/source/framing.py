"""Cutting an encoder's output where a connection may begin.

A listener's decoder needs the codec's headers first. In Ogg they are the first
pages: kept here, so that a PUT opened in mid-stream starts with them and goes on with
whole pages. MP3 has none, and a decoder finds the next frame by itself.
No I/O here. Source: RFC 3533 (Ogg), RFC 7845 section 5.1 (OpusHead).
"""

from dataclasses import dataclass
from typing import Final, Protocol

from sessiond.core.spec import Codec

_CAPTURE: Final = b"OggS"
_FIXED: Final = 27
_CONTINUED: Final = 0x01
_BEGINS: Final = 0x02

# Where in a page's fixed part these stand (RFC 3533, section 6).
_FLAGS_AT: Final = 5
_GRANULE_AT: Final = slice(6, 14)
_CRC_AT: Final = slice(22, 26)
_SEGMENTS_AT: Final = 26

# Where in an OpusHead packet its pre-skip stands (RFC 7845, section 5.1).
_PRE_SKIP_AT: Final = slice(10, 12)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """Bytes that go out together or not at all.

    Attributes:
        opens: Whether a connection may begin with it (after the headers).
    """

    payload: bytes
    opens: bool = True


class Framing(Protocol):
    """Cuts one encoder's output, chain after chain."""

    def feed(self, chunk: bytes) -> list[Unit]:
        """Return the units that `chunk` completed; any of them may be empty."""
        ...

    def opening(self) -> bytes:
        """Return what a connection that opens now must send first; may be empty."""
        ...


def framing_for(codec: Codec) -> Framing:
    """Return the framing of a mount with this codec."""
    return RawFraming() if codec is Codec.MP3 else OggFraming()


class RawFraming:
    """Any byte is as good as any other."""

    def feed(self, chunk: bytes) -> list[Unit]:
        """Return the chunk itself."""
        return [Unit(payload=chunk)]

    def opening(self) -> bytes:
        """Return nothing."""
        return b""


class OggFraming:
    """Whole Ogg pages; the header pages of the present chain are kept."""

    def __init__(self) -> None:
        self._rest = b""
        self._headers: list[bytes] = []
        self._in_headers = False

    def feed(self, chunk: bytes) -> list[Unit]:
        """Return the pages that `chunk` completed; bytes between pages are dropped."""
        self._rest += chunk
        units = []
        while (page := self._next_page()) is not None:
            self._keep_header(page)
            whole = not page[_FLAGS_AT] & _CONTINUED
            units.append(Unit(payload=page, opens=whole))
        return units

    def opening(self) -> bytes:
        """Return the header pages; in mid-stream an Opus decoder skips no samples."""
        if self._in_headers or not self._headers:
            return b"".join(self._headers)
        first, *others = self._headers
        return b"".join([_without_pre_skip(first), *others])

    def _keep_header(self, page: bytes) -> None:
        if page[_FLAGS_AT] & _BEGINS:
            self._headers, self._in_headers = [page], True
            return
        # Headers end no sample: granule position 0, or −1 where no packet ends.
        granule = int.from_bytes(page[_GRANULE_AT], "little", signed=True)
        self._in_headers = self._in_headers and granule <= 0
        if self._in_headers:
            self._headers.append(page)

    def _next_page(self) -> bytes | None:
        start = self._rest.find(_CAPTURE)
        if start < 0:
            # The capture pattern itself may be cut in two.
            self._rest = self._rest[-(len(_CAPTURE) - 1) :]
            return None
        self._rest = self._rest[start:]
        if len(self._rest) < _FIXED:
            return None
        body_at = _FIXED + self._rest[_SEGMENTS_AT]
        end = body_at + sum(self._rest[_FIXED:body_at])
        if len(self._rest) < max(body_at, end):
            return None
        page, self._rest = self._rest[:end], self._rest[end:]
        return page


def _without_pre_skip(page: bytes) -> bytes:
    """Return an OpusHead page with pre-skip 0; any other page as it is.

    A decoder drops the pre-skip at the start of every chain. That is right for the
    encoder's first samples and would be a hole in music that goes on.
    """
    body_at = _FIXED + page[_SEGMENTS_AT]
    packet = bytearray(page[body_at:])
    if not packet.startswith(b"OpusHead"):
        return page
    packet[_PRE_SKIP_AT] = b"\0\0"
    changed = bytearray(page[:body_at]) + packet
    changed[_CRC_AT] = b"\0\0\0\0"
    changed[_CRC_AT] = _crc(bytes(changed)).to_bytes(4, "little")
    return bytes(changed)


# The generator polynomial of Ogg's checksum: not reflected, no final inversion.
_POLYNOMIAL: Final = 0x04C11DB7


def _crc(page: bytes) -> int:
    """Return an Ogg page's checksum; one bit at a time is fast enough for a header."""
    crc = 0
    for byte in page:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1) ^ (_POLYNOMIAL if crc & 0x80000000 else 0)
            crc &= 0xFFFFFFFF
    return crc
