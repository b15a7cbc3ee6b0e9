"""What `sessiond next-track` finds on the disk: tracks, lists, its own record."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sessiond.core.m3u import listed
from sessiond.core.playlist import Order, Playlist, Track, is_track, record_of, restored
from sessiond.errors import Broken, Refused

# What Debian's Liquidsoap and FFmpeg both decode.
ENDINGS: Final = frozenset(
    {".aac", ".flac", ".m4a", ".mp3", ".oga", ".ogg", ".opus", ".wav", ".wma"}
)
LISTS: Final = frozenset({".m3u", ".m3u8"})

# Thirty thousand lines; a longer list is some other file.
LONGEST_LIST: Final = 4 * 1024 * 1024


class Shelf:
    """A folder, or a list, that tracks come from; looked at anew each time.

    Args:
        place: The folder, with all folders below it, or the list.

    Raises:
        Refused: There is neither.
    """

    def __init__(self, place: Path) -> None:
        self._place = Path(os.path.normpath(place.absolute()))
        self._is_list = self._place.suffix.lower() in LISTS
        if self._is_list and not self._place.is_file():
            raise Refused(f"There is no list {place}.", "Look at its path.")
        if not self._is_list and not self._place.is_dir():
            raise Refused(
                f"{place} is neither a folder nor a list.",
                "Give a folder with music, or a file that ends in .m3u or .m3u8.",
            )

    @property
    def folder(self) -> Path:
        """Where relative paths begin."""
        return self._place.parent if self._is_list else self._place

    def tracks(self) -> Iterator[Track]:
        """Yield what is there now; nothing while the place itself is away.

        A folder's files come before those of the folders in it, sorted by name; a
        list's as they stand there.
        """
        found = self._on_list() if self._is_list else self._in_folder()
        yield from (Track(path) for path in found if is_track(path))

    def named(self, text: str) -> Track:
        """Return the track that a person means by an absolute or a relative path.

        No dots are resolved: what leads out of the folder is the name of no track.
        """
        return Track(str(self.folder / text))

    def _in_folder(self) -> Iterator[str]:
        # Links to other folders are not followed: they may lead in a circle.
        for folder, inner, files in os.walk(self._place):
            inner[:] = sorted(name for name in inner if not name.startswith("."))
            for name in sorted(files):
                path = Path(folder, name)
                if path.suffix.lower() in ENDINGS and not name.startswith("."):
                    yield str(path)

    def _on_list(self) -> Iterator[str]:
        try:
            with self._place.open("rb") as file:
                text = os.fsdecode(file.read(LONGEST_LIST))
        except OSError:
            return
        for line in listed(text):
            path = Path(os.path.normpath(self.folder / line))
            if path.is_file():
                yield str(path)


class Journal:
    """A file with what outlives a restart: history, queue, and how far the round is.

    Args:
        path: It and its folder are the operator's; None keeps nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def read(self, order: Order) -> Playlist:
        """Return the playlist as it was left; a new one where there was none.

        Raises:
            Refused: The file is no record of ours.
            Broken: It may not be read.
        """
        if self._path is None:
            return Playlist(order=order)
        try:
            return restored(order, json.loads(self._path.read_bytes()))
        except FileNotFoundError:
            return Playlist(order=order)
        except (ValueError, Refused) as e:
            raise Refused(
                f"{self._path} is no state of `sessiond next-track`.",
                "Give another file, or remove this one to begin anew.",
            ) from e
        except OSError as e:
            raise _unwell(self._path, "read", e) from e

    def write(self, playlist: Playlist) -> None:
        """Keep the playlist; the file is the old one or the new one, never half.

        Raises:
            Broken: It can't be written.
        """
        if self._path is None:
            return
        beside = self._path.with_name(f".{self._path.name}.new")
        try:
            beside.write_text(json.dumps(record_of(playlist), indent=1))
            beside.replace(self._path)
        except OSError as e:
            raise _unwell(self._path, "written", e) from e


def _unwell(path: Path, done: str, error: OSError) -> Broken:
    return Broken(
        f"{path} can't be {done}: {error.strerror}.",
        "Look at its folder, its owner and the room on its disk.",
    )
