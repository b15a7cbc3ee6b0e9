"""A listener that keeps its one connection and writes down every title it is shown."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import numpy as np

from sessiond.core.streamtitles import TitleReader, title_reader
from tests.support.beat import every
from tests.support.ear import Connect, Heard, Pcm, decode, from_here, listening

# Each look at a sine; whole periods of every pitch of the tests' grid.
_LOOK = 0.1


@dataclass(slots=True, kw_only=True)
class Titled:
    """What one connection has given so far.

    Attributes:
        shown: Every title in turn, with how many bytes of sound came before it.
    """

    heard: Heard
    shown: list[tuple[str, int]] = field(default_factory=list)
    sound: bytearray = field(default_factory=bytearray)
    reader: TitleReader | None = None
    _chunks: int = 0

    @property
    def title(self) -> str:
        return self.shown[-1][0] if self.shown else ""

    def sees(self, title: str) -> bool:
        """Tell whether this is what is shown now, on the one connection."""
        assert not self.heard.finished.is_set(), "the listener was dropped"
        assert self.title == title, self.shown
        return True

    async def look(self) -> None:
        """Read what has come."""
        if not self.heard.chunks:
            return
        self.reader = self.reader or title_reader(self.heard.headers)
        for _, chunk in self.heard.chunks[self._chunks :]:
            self._chunks += 1
            before = len(self.sound)
            self.sound += self.reader.feed(chunk)
            if self.reader.title != self.title:
                self.shown.append((self.reader.title, before))


@contextlib.asynccontextmanager
async def titled(
    address: str, port: int, path: str, *, connect: Connect = from_here
) -> AsyncIterator[Titled]:
    """Listen to a mount on one connection until the block ends, and read its titles."""
    async with listening(address, port, path, connect=connect, icy=True) as heard:
        made = Titled(heard=heard)
        async with every(0.05, made.look):
            yield made
        await made.look()


def phases(pcm: Pcm, pitch_hz: float) -> list[float]:
    """Return where in its period a sine is, look by look, in samples of its sound.

    Counted against one that was never interrupted: the same all along means that not
    a sample was lost or doubled.
    """
    left = pcm.samples[:, 0].astype(np.float64)
    size = round(_LOOK * pcm.rate_hz)
    time = np.arange(len(left)) / pcm.rate_hz
    turned = left * np.exp(-2j * np.pi * pitch_hz * time)
    window = np.hanning(size)
    looks = [
        np.angle((turned[at : at + size] * window).sum())
        for at in range(0, len(left) - size + 1, size)
    ]
    in_samples = np.unwrap(looks) / (2 * np.pi * pitch_hz) * pcm.rate_hz
    return [float(each) for each in in_samples]


async def decoded(sound: bytes) -> Pcm:
    """Return what a decoder makes of it, without holding anything up meanwhile."""
    return await asyncio.to_thread(decode, sound)
