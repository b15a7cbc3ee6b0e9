"""How loud each bus of a mix-down was lately, slot by slot, and as JSON."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sessiond.core.delay import Levels
from sessiond.errors import Refused
from sessiond.units import Decibels, Frames, Hertz, Seconds

# What is told of twice is nearer than half a slot; slots are a tenth of a second.
_SAME: Final = Seconds(0.05)

# What a delay is looked for in: the longest, and what is compared.
KEPT: Final = Seconds(60.0)

# A slot is some periods long; 2,048 frames are the longest period.
_LONGEST_SLOT: Final = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """About a tenth of a second of every bus.

    Attributes:
        frames: How long it was.
        rms_db: Mean power of both sides, a bus each, in the history's order.
    """

    frames: Frames
    rms_db: tuple[Decibels, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelHistory:
    """The last slots of a mix-down.

    Attributes:
        since: How many frames ago the newest slot ended.
        slots: Newest first.
    """

    buses: tuple[str, ...] = ()
    rate_hz: Hertz
    since: Frames = Frames(0)
    slots: tuple[Slot, ...] = ()


def history_document(history: LevelHistory) -> dict[str, object]:
    """Return the history as JSON; silence is null."""
    return {
        "buses": list(history.buses),
        "rate_hz": history.rate_hz,
        "since": history.since,
        "slots": [
            [slot.frames, [_or_null(level) for level in slot.rms_db]]
            for slot in history.slots
        ],
    }


def _or_null(level: Decibels) -> float | None:
    return round(level, 2) if math.isfinite(level) else None


def parse_history(document: object) -> LevelHistory:
    """Read what `history_document` wrote; raises Refused on anything else."""
    match document:
        case {
            "buses": list(buses),
            "rate_hz": int(rate),
            "since": int(since),
            "slots": list(slots),
        } if rate > 0 <= since and all(isinstance(bus, str) for bus in buses):
            return LevelHistory(
                buses=tuple(buses),
                rate_hz=Hertz(rate),
                since=Frames(since),
                slots=tuple(_slot(slot, len(buses)) for slot in slots),
            )
        case _:
            raise Refused("this is no history of levels")


def _slot(slot: object, buses: int) -> Slot:
    match slot:
        case [int(frames), list(levels)] if 0 < frames <= _LONGEST_SLOT:
            if len(levels) == buses:
                rms = tuple(_level(level) for level in levels)
                return Slot(frames=Frames(frames), rms_db=rms)
    raise Refused("this is no slot of a history")


def _level(level: object) -> Decibels:
    if level is None:
        return Decibels(-math.inf)
    if isinstance(level, bool) or not isinstance(level, int | float):
        raise Refused("a level is a number of decibels")
    return Decibels(float(level))


def levels_of(history: LevelHistory, bus: str, answered_at: Seconds) -> Levels:
    """Return a bus's slots, oldest first; empty for a bus that is not there.

    Args:
        history: As the mix-down answered.
        bus: Its name.
        answered_at: When it did, on the clock that the times shall be of.
    """
    if bus not in history.buses:
        return ()
    place = history.buses.index(bus)
    ends = answered_at - history.since / history.rate_hz
    found = []
    for slot in history.slots:
        begins = ends - slot.frames / history.rate_hz
        found.append((Seconds(begins), slot.rms_db[place]))
        ends = begins
    return tuple(reversed(found))


def merged(known: Levels, new: Levels) -> Levels:
    """Return what was known and what is new, without what is told twice or old."""
    if not new:
        return known
    first, last = new[0][0], new[-1][0]
    kept = (pair for pair in known if last - KEPT < pair[0] < first - _SAME)
    return (*kept, *new)


Histories = Mapping[str, Levels]
"""Each bus's levels."""
