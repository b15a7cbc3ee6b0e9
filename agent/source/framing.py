"""Cutting an encoder's output where a connection may begin, and giving it titles.

A listener's decoder needs the codec's headers first. In Ogg they are the first
pages: kept here, so that a PUT opened in mid-stream starts with them and goes on with
whole pages. MP3 has none, and a decoder finds the next frame by itself.
No I/O here. Source: RFC 3533 (Ogg), RFC 7845 section 5.1 (OpusHead).
"""

from dataclasses import dataclass
from typing import Final, Protocol

from agent.source.chain import Chain, can_end
from sessiond.core.oggpages import OggPages, begins_chain, begins_packet, granule
from sessiond.core.spec import Codec

# A Vorbis decoder gives nothing for a chain's first packet, so a new chain would be a
# hole in the music; Icecast itself changes the title of Vorbis, and of MP3.
_RECHAINED: Final = frozenset({Codec.OPUS, Codec.FLAC})


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """Bytes that go out together or not at all.

    Attributes:
        opens: Whether a connection may begin with it.
    """

    payload: bytes
    opens: bool = True


class Framing(Protocol):
    """Cuts one encoder's output, and writes it for one connection."""

    @property
    def title(self) -> str | None:
        """The title in what is sent; None where the format has no place for one."""
        ...

    @property
    def retitles(self) -> bool:
        """Whether `entitle` also changes a connection under way."""
        ...

    def entitle(self, title: str) -> None:
        """Take the title that listeners are to see; empty for none."""
        ...

    def feed(self, chunk: bytes) -> list[Unit]:
        """Return the units that `chunk` completed; any of them may be empty."""
        ...

    def opening(self) -> bytes:
        """Return what a connection that opens now must send first; may be empty."""
        ...

    def written(self, unit: Unit) -> bytes:
        """Return what the present connection sends for a unit."""
        ...


def framing_for(codec: Codec, title: str = "") -> Framing:
    """Return the framing of a mount with this codec."""
    if codec is Codec.MP3:
        return RawFraming()
    return OggFraming(title, retitles=codec in _RECHAINED)


class RawFraming:
    """Any byte is as good as any other."""

    title: Final = None
    retitles: Final = False

    def entitle(self, title: str) -> None:
        """Do nothing: a title has no place between frames."""

    def feed(self, chunk: bytes) -> list[Unit]:
        """Return the chunk itself."""
        return [Unit(payload=chunk)]

    def opening(self) -> bytes:
        """Return nothing."""
        return b""

    def written(self, unit: Unit) -> bytes:
        """Return the unit as it is."""
        return unit.payload


class OggFraming:
    """Whole Ogg pages, sent as chains of our own.

    The encoder's header pages are kept; each chain begins with what is made of them.

    Args:
        title: What the first chain is called.
        retitles: Whether a new title may be a new chain.
    """

    def __init__(self, title: str = "", *, retitles: bool = True) -> None:
        self._wanted = title
        self._pages = OggPages()
        self._headers: list[bytes] = []
        self._in_headers = True
        self._position = 0
        self._chain = Chain()
        self._begun = False
        self.retitles = retitles

    @property
    def title(self) -> str | None:
        """The title in the headers that were sent last."""
        return self._chain.title

    def entitle(self, title: str) -> None:
        """Take the title; it is in whatever chain begins next."""
        self._wanted = title

    def feed(self, chunk: bytes) -> list[Unit]:
        """Return the pages that `chunk` completed; a header's unit is empty."""
        return [self._unit(page) for page in self._pages.feed(chunk)]

    def opening(self) -> bytes:
        """Return the header pages; while they are not complete they come later."""
        if self._in_headers:
            self._begun = False
            return b""
        return self._begin(position=self._position, goes_on=True)

    def written(self, unit: Unit) -> bytes:
        """Return a page as part of the present chain, with the headers of a new one.

        A new title has to wait for a page that ends with a packet.
        """
        page = unit.payload
        if not page:
            return b""
        if not self._begun:
            return self._begin(position=0, goes_on=False) + self._chain.page(page)
        due = self.retitles and self._chain.title != self._wanted
        if not due or not can_end(page):
            return self._chain.page(page)
        ended = self._chain.page(page, last=True)
        return ended + self._begin(position=granule(page), goes_on=True)

    def _begin(self, *, position: int, goes_on: bool) -> bytes:
        self._begun = True
        return self._chain.begin(
            self._headers, self._wanted, position=position, goes_on=goes_on
        )

    def _unit(self, page: bytes) -> Unit:
        if begins_chain(page):
            self._headers, self._in_headers, self._begun = [], True, False
        # Headers end no sample: granule position 0, or −1 where no packet ends.
        self._in_headers = self._in_headers and granule(page) <= 0
        if self._in_headers:
            self._headers.append(page)
            return Unit(payload=b"")
        self._position = max(granule(page), self._position)
        return Unit(payload=page, opens=begins_packet(page))
