"""How much later a listener hears what JACK had: two histories of loudness, compared.

The mix-down says how loud its bus was, tenth of a second by tenth of a second; a
listener says when its player plays which tenth. Music moves: shifted by the delay, the
two move alike. A steady tone and silence move not at all, and give no delay.
"""

import math
from collections.abc import Sequence
from itertools import accumulate, pairwise
from operator import mul
from typing import Final

from sessiond.core.tenths import TENTH
from sessiond.units import Decibels, Seconds

LONGEST_DELAY: Final = Seconds(15.0)
"""A longer one is not looked for: bursts are 4 to 6 s, and songs repeat themselves."""

# What is compared: long enough that no other bar of the music passes for it.
_COMPARED: Final = round(15.0 / TENTH)

# Codecs colour what is quiet, and silence has no level at all.
_FLOOR_DB: Final = Decibels(-60.0)

# The same music through a codec agrees to 0.98; other music seldom to 0.7.
_AGREES: Final = 0.85

# A loop of music agrees with itself a bar later. Then the first of its agreements
# can't be told from the others.
_STANDS_OUT: Final = 0.03
_APART: Final = round(1.0 / TENTH)

# Levels that move less than this, in dB of standard deviation, are one steady sound.
_MOVES_DB: Final = 1.0

Levels = Sequence[tuple[Seconds, Decibels]]
"""Each tenth's beginning and mean power, oldest first, on one clock."""


def find_delay(bus: Levels, mount: Levels) -> Seconds | None:
    """Return by how much the mount is later than the bus; None where it can't be told.

    Args:
        bus: What JACK had.
        mount: What the listener's player plays, and when; may end in the future.
    """
    heard = [max(level, _FLOOR_DB) for _, level in mount[-_COMPARED:]]
    if len(heard) < _COMPARED or _deviation(heard) < _MOVES_DB or not bus:
        return None
    begins = mount[-len(heard)][0]
    lags = round(LONGEST_DELAY / TENTH)
    had = _on_grid(bus, begins - lags * TENTH, lags + len(heard))
    found = _agreements(had, heard)
    best = max(range(len(found)), key=found.__getitem__)
    others = [a for lag, a in enumerate(found) if abs(lag - best) >= _APART]
    if found[best] < _AGREES or max(others) > found[best] - _STANDS_OUT:
        return None
    # The grid begins at the greatest lag.
    return Seconds((lags - best - _between(found, best)) * TENTH)


def _on_grid(levels: Levels, begins: float, count: int) -> list[float]:
    """Return the levels at so many tenths from `begins` on; the floor where unknown."""
    grid = [float(_FLOOR_DB)] * count
    for (at, level), (after, following) in pairwise(levels):
        first = math.ceil((at - begins) / TENTH)
        last = math.ceil((after - begins) / TENTH)
        # What was not measured for longer than two tenths is not known.
        if after - at > 2 * TENTH:
            continue
        for n in range(max(first, 0), min(last, count)):
            share = (begins + n * TENTH - at) / (after - at)
            low, high = max(level, _FLOOR_DB), max(following, _FLOOR_DB)
            grid[n] = low + share * (high - low)
    return grid


def _agreements(had: Sequence[float], heard: Sequence[float]) -> list[float]:
    """Return Pearson's correlation at each shift of `heard` along `had`."""
    size = len(heard)
    mean = sum(heard) / size
    centred = [level - mean for level in heard]
    power = math.sqrt(sum(map(mul, centred, centred)))
    sums = [0.0, *accumulate(had)]
    squares = [0.0, *accumulate(map(mul, had, had))]
    found = []
    for shift in range(len(had) - size + 1):
        total = sums[shift + size] - sums[shift]
        spread = squares[shift + size] - squares[shift] - total * total / size
        product = sum(map(mul, centred, had[shift : shift + size]))
        found.append(product / (power * math.sqrt(spread)) if spread > 1.0 else 0.0)
    return found


def _between(found: Sequence[float], top: int) -> float:
    """Return how far beside a peak its parabola has its top, in tenths."""
    if not 0 < top < len(found) - 1:
        return 0.0
    before, at, after = found[top - 1 : top + 2]
    bend = before - 2.0 * at + after
    return 0.5 * (before - after) / bend if bend else 0.0


def _deviation(levels: Sequence[float]) -> float:
    mean = sum(levels) / len(levels)
    return math.sqrt(sum((level - mean) ** 2 for level in levels) / len(levels))
