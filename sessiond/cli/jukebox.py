"""One playlist that several ask: looked up, drawn from, and kept."""

import asyncio
import secrets
import time
from collections.abc import Callable
from typing import Final

from sessiond.cli.tracks import Journal, Shelf
from sessiond.core.playlist import (
    Draw,
    Order,
    Played,
    Playlist,
    Track,
    hand_out,
    wish,
    with_tracks,
)
from sessiond.errors import Broken

Complain = Callable[[Broken], None]
"""Told when the state can't be kept; the music goes on."""

_FORM: Final = "%Y-%m-%dT%H:%M:%SZ"


class Jukebox:
    """Answers one after another; looks at the disk before each answer that counts.

    Args:
        shelf: Where the tracks are.
        journal: Where the state is kept.
        order: How they follow each other.
        complain: Told of a disk that takes no state.
        draw: The die.

    Raises:
        Refused: The journal holds something else.
        Broken: The journal can't be read or written.
    """

    def __init__(
        self,
        shelf: Shelf,
        journal: Journal,
        order: Order,
        complain: Complain,
        draw: Draw = secrets.randbelow,
    ) -> None:
        self._shelf = shelf
        self._journal = journal
        self._complain = complain
        self._draw = draw
        self._turn = asyncio.Lock()
        self.playlist: Playlist = with_tracks(journal.read(order), shelf.tracks())
        journal.write(self.playlist)

    async def next(self) -> Played | None:
        """Hand out the next track; None where there is none."""
        async with self._turn:
            now = await self._looked()
            played, left = hand_out(now, self._draw, _now())
            await self._keep(left)
        return played

    async def wish(self, text: str) -> Track:
        """Put a track at the queue's end and return it; raises Refused."""
        track = self._shelf.named(text)
        async with self._turn:
            await self._keep(wish(await self._looked(), track))
        return track

    async def queue(self) -> tuple[Track, ...]:
        """Return what was asked for and is still there."""
        async with self._turn:
            self.playlist = await self._looked()
        return self.playlist.queue

    async def _looked(self) -> Playlist:
        # Ten thousand files take 50 ms, a disk that has to wake up takes seconds: who
        # asks for the history doesn't wait for that.
        found = await asyncio.to_thread(lambda: tuple(self._shelf.tracks()))
        return with_tracks(self.playlist, found)

    async def _keep(self, playlist: Playlist) -> None:
        self.playlist = playlist
        try:
            await asyncio.to_thread(self._journal.write, playlist)
        except Broken as e:
            self._complain(e)


def _now() -> str:
    # For readers only.
    return time.strftime(_FORM, time.gmtime())
