"""When musicians hear each other again: by ear, at both ends of a link."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

import numpy as np

from sessiond.cli.lab import LabHost
from sessiond.units import Seconds
from tests.support.ear import Pcm
from tests.support.eventually import asteadily
from tests.support.jackhost import phones
from tests.support.jam import SINES

# Long enough to part sines 110 Hz from each other, short against any recovery.
_WINDOW: Final = Seconds(0.1)

# A sine that is this much weaker than before the fault is not heard.
_HEARD: Final = 0.3

_BEFORE: Final = Seconds(1.0)


def silent_until(
    one: LabHost, other: LabHost, breaks: Callable[[], None], seconds: float = 5.0
) -> Seconds:
    """Break a link and return how long until both hosts hear each other for good.

    Args:
        one: The host at one end.
        other: The host at the other.
        breaks: Called once; must not take long.
        seconds: How long to listen afterwards.

    Raises:
        AssertionError: They did not hear each other at the end, or not before.
    """
    return asyncio.run(_silent_until(one, other, breaks, seconds))


async def _silent_until(
    one: LabHost, other: LabHost, breaks: Callable[[], None], seconds: float
) -> Seconds:
    async with asyncio.TaskGroup() as tasks:
        began = time.monotonic()
        whole = _BEFORE + seconds
        at_one = tasks.create_task(phones(one, whole))
        at_other = tasks.create_task(phones(other, whole))
        await asteadily(lambda: True, during=_BEFORE)
        broke = time.monotonic() - began
        breaks()
    return max(
        _back(at_one.result(), SINES[other.name], broke),
        _back(at_other.result(), SINES[one.name], broke),
    )


def _back(heard: Pcm, pitch: int, broke: float) -> Seconds:
    """Return how long after the fault a sine was last missing."""
    levels = _levels(heard, pitch)
    count = int(broke / _WINDOW) - 1
    usual = float(np.median(levels[:count]))
    missing = np.flatnonzero(levels[count:] < _HEARD * usual)
    assert usual > 1e-3, f"{pitch} Hz was not heard before"
    assert levels[-1] >= _HEARD * usual, f"{pitch} Hz is not heard at the end"
    if not missing.size:
        return Seconds(0.0)
    return Seconds(max(0.0, (count + int(missing[-1]) + 1) * _WINDOW - broke))


def _levels(heard: Pcm, pitch: int) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """Return a sine's amplitude in each window, in the first channel."""
    size = round(_WINDOW * heard.rate_hz)
    windows = heard.samples[: len(heard.samples) // size * size, 0].reshape(-1, size)
    turn = np.exp(-2j * np.pi * pitch / heard.rate_hz * np.arange(size))
    levels: np.ndarray[tuple[int], np.dtype[np.float64]] = (
        np.abs(windows @ turn) * 2 / size
    )
    return levels
