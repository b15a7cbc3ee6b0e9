"""When musicians hear each other again: by ear, at both ends of a link."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What one end of a link heard of the other.

    Attributes:
        missing: Numbers of the windows without it, rising.
        late: How long after the beginning of window 0 the link was broken.
    """

    missing: tuple[int, ...]
    late: float


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
    return max(map(_back, asyncio.run(_listen(one, other, breaks, seconds))))


def silent_for(
    one: LabHost, other: LabHost, breaks: Callable[[], None], seconds: float = 5.0
) -> Seconds:
    """As `silent_until`, but return how long in all one did not hear the other."""
    return max(map(_in_all, asyncio.run(_listen(one, other, breaks, seconds))))


async def _listen(
    one: LabHost, other: LabHost, breaks: Callable[[], None], seconds: float
) -> tuple[Heard, Heard]:
    async with asyncio.TaskGroup() as tasks:
        began = time.monotonic()
        whole = _BEFORE + seconds
        at_one = tasks.create_task(phones(one, whole))
        at_other = tasks.create_task(phones(other, whole))
        await asteadily(lambda: True, during=_BEFORE)
        broke = time.monotonic() - began
        breaks()
    return (
        _missed(at_one.result(), SINES[other.name], broke),
        _missed(at_other.result(), SINES[one.name], broke),
    )


def _missed(heard: Pcm, pitch: int, broke: float) -> Heard:
    """Return in which windows a sine was missing, from the one before the fault on."""
    levels = _levels(heard, pitch)
    count = int(broke / _WINDOW) - 1
    usual = float(np.median(levels[:count]))
    assert usual > 1e-3, f"{pitch} Hz was not heard before"
    assert levels[-1] >= _HEARD * usual, f"{pitch} Hz is not heard at the end"
    missing = np.flatnonzero(levels[count:] < _HEARD * usual)
    return Heard(missing=tuple(map(int, missing)), late=broke - count * _WINDOW)


def _back(heard: Heard) -> Seconds:
    """Return how long after the fault a sine was last missing."""
    if not heard.missing:
        return Seconds(0.0)
    return Seconds(max(0.0, (heard.missing[-1] + 1) * _WINDOW - heard.late))


def _in_all(heard: Heard) -> Seconds:
    return Seconds(len(heard.missing) * _WINDOW)


def _levels(heard: Pcm, pitch: int) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """Return a sine's amplitude in each window, in the first channel."""
    size = round(_WINDOW * heard.rate_hz)
    windows = heard.samples[: len(heard.samples) // size * size, 0].reshape(-1, size)
    turn = np.exp(-2j * np.pi * pitch / heard.rate_hz * np.arange(size))
    levels: np.ndarray[tuple[int], np.dtype[np.float64]] = (
        np.abs(windows @ turn) * 2 / size
    )
    return levels
