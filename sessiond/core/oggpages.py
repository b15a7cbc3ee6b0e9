"""Cutting a stream of bytes into Ogg pages, and what a page's head says.

What is in the packets is none of this module's business. Source: RFC 3533, section 6.
"""

from typing import Final

_CAPTURE: Final = b"OggS"
_FIXED: Final = 27
_CONTINUED: Final = 0x01
_BEGINS: Final = 0x02

# Where in a page's fixed part these stand.
_FLAGS_AT: Final = 5
_GRANULE_AT: Final = slice(6, 14)
_SEGMENTS_AT: Final = 26

# A segment of this length goes on in the next one.
_WHOLE_SEGMENT: Final = 255


class OggPages:
    """A stream's pages, one after the other; what lies between pages is dropped."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the pages that `chunk` completed; never more than one is kept."""
        self._rest += chunk
        pages = []
        while (page := self._next_page()) is not None:
            pages.append(page)
        return pages

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


def begins_chain(page: bytes) -> bool:
    """Tell whether a page is the first of its logical stream."""
    return bool(page[_FLAGS_AT] & _BEGINS)


def begins_packet(page: bytes) -> bool:
    """Tell whether a page can be read without the one before it."""
    return not page[_FLAGS_AT] & _CONTINUED


def ends_packet(page: bytes) -> bool:
    """Tell whether the page after it can be read without this one."""
    segments = page[_FIXED : _FIXED + page[_SEGMENTS_AT]]
    return not segments.endswith(bytes([_WHOLE_SEGMENT]))


def granule(page: bytes) -> int:
    """Return the position at a page's end; 0 in headers, −1 where no packet ends."""
    return int.from_bytes(page[_GRANULE_AT], "little", signed=True)
