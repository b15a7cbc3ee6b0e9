"""An encoder's Ogg pages as chains of our own, each with a title.

A chain has its title in its header pages and can't change it. So a new title is a new
chain around the same encoder's packets: the last page of the old one is marked as
such, headers with the new title follow, and positions count from 0 again. The encoder
notices nothing and no sample is lost: Opus' pre-skip is 0 where the sound goes on.
Source: RFC 3533 section 4 (chaining), RFC 7845 section 4.2 (pre-skip).
"""

import secrets
from collections.abc import Sequence
from typing import Final

from agent.adapters.ogg_tags import chain_head, chain_page
from sessiond.core.oggpages import ends_packet, granule

_SERIAL_BITS: Final = 32


class Chain:
    """What one connection is sent; the present chain of it.

    Attributes:
        title: In the headers that were sent last.
    """

    def __init__(self) -> None:
        self._serial = 0
        self._sequence = 0
        self._before = 0
        self.title = ""

    def begin(
        self, headers: Sequence[bytes], title: str, *, position: int, goes_on: bool
    ) -> bytes:
        """Return the header pages of a new chain.

        Args:
            headers: The encoder's.
            title: What listeners see from now on.
            position: The encoder's at the end of what was sent or dropped before.
            goes_on: Whether the sound goes on from something that was sent before.
        """
        self._serial = secrets.randbits(_SERIAL_BITS)
        self._before = position
        self.title = title
        pages = chain_head(headers, title, serial=self._serial, goes_on=goes_on)
        self._sequence = len(pages)
        return b"".join(pages)

    def page(self, page: bytes, *, last: bool = False) -> bytes:
        """Return the encoder's next page of sound as one of this chain.

        Args:
            page: Its next one.
            last: End the chain with it, which `can_end` permits.
        """
        sequence, self._sequence = self._sequence, self._sequence + 1
        return chain_page(
            page,
            serial=self._serial,
            sequence=sequence,
            before=self._before,
            last=last,
        )


def can_end(page: bytes) -> bool:
    """Tell whether a chain may end with this page."""
    return ends_packet(page) and granule(page) > 0
