"""What comes next: the tracks of a folder or a list, a queue before them, a history.

A playlist is a value, and each step returns the next one. Here lie no files and no
dice: which tracks there are, and what was drawn, is passed in.

The one rule, whatever the order: a *round* hands out every track once; the queue comes
first, and what was handed out from it counts for the round. Shuffled, a track also
waits until half as many others as there are have been handed out since its last time,
so that nothing comes twice within minutes where one round ends and the next begins.
There is always one that may come: this round's own tracks are out of question anyhow,
so what is held back is fewer than what this round has left.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, NewType

from sessiond.errors import Refused

Track = NewType("Track", str)
"""An absolute path that can stand on a line of text: `is_track`."""

Draw = Callable[[int], int]
"""A die: a number n ≥ 1 → one of 0 … n−1, each as likely as the others."""

# An evening of wishes; more is a mistake of the program that sends them.
MOST_QUEUED: Final = 100

# Days of music, and enough to keep 4,000 shuffled tracks half a round apart.
MOST_HISTORY: Final = 2000


class Order(StrEnum):
    """In which order tracks come that nobody asked for."""

    SHUFFLE = "shuffle"
    AS_LISTED = "as-listed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """A track that was handed out.

    Attributes:
        at: When, as people write it; nothing is decided by it.
        wished: It came from the queue.
    """

    track: Track
    at: str
    wished: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Playlist:
    """All that decides about the next track.

    Attributes:
        tracks: What there is, as listed; each once; may be empty.
        done: What this round has handed out; may name tracks that are gone.
        queue: What was asked for, the next one first.
        history: What was handed out, the latest last.
    """

    order: Order = Order.SHUFFLE
    tracks: tuple[Track, ...] = ()
    done: frozenset[Track] = frozenset()
    queue: tuple[Track, ...] = ()
    history: tuple[Played, ...] = ()


def is_track(path: str) -> bool:
    """Say whether a path can be handed out: absolute, and one line of plain text.

    The filler takes a word before a colon for an order to a program of its own: what
    begins with a slash never is one.
    """
    return path.startswith("/") and path.isprintable()


def with_tracks(playlist: Playlist, found: Iterable[Track]) -> Playlist:
    """Return the playlist once these, and only these, tracks are there.

    New ones come in this very round; removed ones come no more, asked for or not. A
    track that is found twice is listed where it was found first.
    """
    tracks = tuple(dict.fromkeys(found))
    there = frozenset(tracks)
    queue = tuple(track for track in playlist.queue if track in there)
    return replace(playlist, tracks=tracks, queue=queue)


def wish(playlist: Playlist, track: Track) -> Playlist:
    """Return the playlist with this track at the end of the queue.

    Raises:
        Refused: It is none of the tracks, or the queue is full.
    """
    if track not in playlist.tracks:
        # The same words whether or not there is such a file elsewhere.
        raise Refused(
            "This is none of the tracks here.",
            "Ask for a path below the folder, or one that the list names.",
        )
    if len(playlist.queue) >= MOST_QUEUED:
        raise Refused(
            f"The queue is full: it takes {MOST_QUEUED} tracks.",
            "Ask again when some of them have been played.",
        )
    return replace(playlist, queue=(*playlist.queue, track))


def hand_out(playlist: Playlist, draw: Draw, at: str) -> tuple[Played | None, Playlist]:
    """Return the next track, None if there is none at all, and what follows it.

    Args:
        playlist: As it is.
        draw: Asked once if the order is a shuffle and the queue is empty.
        at: For the history: the time, as people write it.
    """
    if not playlist.tracks:
        return None, playlist
    ahead = tuple(track for track in playlist.tracks if track not in playlist.done)
    if playlist.queue:
        played = Played(track=playlist.queue[0], at=at, wished=True)
    else:
        played = Played(track=_following(playlist, ahead, draw), at=at)
    return played, replace(
        playlist,
        done=(playlist.done if ahead else frozenset()) | {played.track},
        queue=playlist.queue[1:],
        history=(*playlist.history, played)[-MOST_HISTORY:],
    )


def _following(playlist: Playlist, ahead: tuple[Track, ...], draw: Draw) -> Track:
    """Return this round's next track or, if it is over, the next round's first."""
    candidates = ahead or playlist.tracks
    if playlist.order is Order.AS_LISTED:
        return candidates[0]
    count = len(playlist.tracks) // 2
    latest = playlist.history[max(0, len(playlist.history) - count) :]
    held_back = frozenset(played.track for played in latest)
    free = tuple(track for track in candidates if track not in held_back)
    # A record that somebody edited may hold back all that is left.
    choice = free or candidates
    return choice[draw(len(choice))]


# --- on a disk ------------------------------------------------------------------

Record = dict[str, object]
"""A JSON document."""


def record_of(playlist: Playlist) -> Record:
    """Return what has to outlive a restart."""
    return {
        "done": sorted(playlist.done),
        "queue": list(playlist.queue),
        "history": [played_document(played) for played in playlist.history],
    }


def played_document(played: Played) -> dict[str, str | bool]:
    """Return a track of the history as people's programs read it."""
    return {"path": played.track, "at": played.at, "wished": played.wished}


def restored(order: Order, record: object) -> Playlist:
    """Return the playlist that a record tells of; its tracks are still to be found.

    Raises:
        Refused: It is not what `record_of` gives.
    """
    match record:
        case {"done": list(done), "queue": list(queue), "history": list(history)}:
            return Playlist(
                order=order,
                done=frozenset(_tracks(done)),
                queue=_tracks(queue),
                history=tuple(map(_played, history)),
            )
        case _:
            raise Refused("This is no record of a playlist.")


def _tracks(paths: list[object]) -> tuple[Track, ...]:
    return tuple(_track(path) for path in paths)


def _track(path: object) -> Track:
    if not (isinstance(path, str) and is_track(path)):
        raise Refused("A record of a playlist names paths.")
    return Track(path)


def _played(document: object) -> Played:
    match document:
        case {"path": path, "at": str(at), "wished": bool(wished)}:
            return Played(track=_track(path), at=at, wished=wished)
        case _:
            raise Refused("A record's history names path, at and wished.")
