"""Delays of made-up music, with what codecs, clocks and loops do to it."""

import math
import random

import pytest

from sessiond.core.delay import LONGEST_DELAY, Levels, find_delay
from sessiond.units import Decibels, Seconds

SEED = 20260307


def music(seconds: float, *, seed: int = SEED) -> list[float]:
    """Return levels of notes that begin at odd times and fade."""
    dice = random.Random(seed)  # noqa: S311  no secret
    levels, level = [], -20.0
    for _ in range(round(seconds * 10)):
        level = dice.uniform(-12, -18) if dice.random() < 0.2 else level - 1.5
        levels.append(max(level, -50.0))
    return levels


def from_(begins: float, levels: list[float], step: float = 0.1) -> Levels:
    return [
        (Seconds(begins + n * step), Decibels(level)) for n, level in enumerate(levels)
    ]


BUS = music(60)


def as_heard(levels: list[float]) -> list[float]:
    """Return what a codec makes of it: quieter, and noisy."""
    dice = random.Random(SEED)  # noqa: S311  no secret
    return [level - 2 + dice.gauss(0, 0.5) for level in levels]


@pytest.mark.parametrize("late", [0.0, 0.4, 2.5, 4.3, 11.0, 14.5])
def test_the_delay_is_found(late: float) -> None:
    heard = as_heard(BUS)[280:520]
    found = find_delay(from_(100, BUS), from_(128 + late, heard))
    assert found == pytest.approx(late, abs=0.03)


@pytest.mark.parametrize("late", [4.33, 4.35, 4.38])
def test_between_two_tenths(late: float) -> None:
    found = find_delay(from_(100, BUS), from_(128 + late, BUS[280:520]))
    assert found == pytest.approx(late, abs=0.04)


def test_tenths_of_a_bus_are_periods_long() -> None:
    """At 256 frames a slot of the mix-down's lasts 19 periods, 101.3 ms."""
    step = 19 * 256 / 48000
    at = [n * step for n in range(round(60 / step))]
    bus = [(Seconds(t), Decibels(BUS[min(round(t * 10), 599)])) for t in at]
    found = find_delay(bus, from_(28 + 4.3, BUS[280:520]))
    assert found == pytest.approx(4.3, abs=0.1)


def test_silence_before_the_music_is_no_trouble() -> None:
    levels = [-math.inf] * 300 + BUS[:300]
    heard = levels[250:560]
    found = find_delay(from_(0, levels), from_(25 + 6, heard))
    assert found == pytest.approx(6, abs=0.03)


def test_other_music_gives_no_delay() -> None:
    assert find_delay(from_(100, BUS), from_(130, music(30, seed=7))) is None


def test_a_steady_tone_and_silence_give_no_delay() -> None:
    steady = [-20.0] * 600
    assert find_delay(from_(100, steady), from_(130, steady[:300])) is None
    assert find_delay(from_(100, [-math.inf] * 600), from_(130, BUS[:300])) is None
    assert find_delay(from_(100, BUS), from_(130, [-math.inf] * 300)) is None


def test_a_loop_gives_no_delay() -> None:
    loop = music(4) * 15
    assert find_delay(from_(100, loop), from_(130, loop[:300])) is None


def test_a_loop_that_is_longer_than_any_delay_gives_one() -> None:
    loop = music(20) * 3
    found = find_delay(from_(100, loop), from_(134, loop[300:540]))
    assert found == pytest.approx(4, abs=0.03)


def test_too_little_gives_no_delay() -> None:
    assert find_delay(from_(100, BUS), from_(128, BUS[280:429])) is None
    assert find_delay([], from_(128, BUS[280:520])) is None
    assert find_delay([], []) is None


def test_what_was_not_measured_is_not_made_up() -> None:
    holes = [pair for pair in from_(100, BUS) if not 128 < pair[0] < 158]
    assert find_delay(holes, from_(132, BUS[280:520])) is None


def test_a_delay_at_the_edges_is_found_too() -> None:
    late = LONGEST_DELAY
    found = find_delay(from_(100, BUS), from_(128 + late, BUS[280:520]))
    assert found == pytest.approx(late, abs=0.05)
    assert find_delay(from_(100, BUS), from_(128, BUS[280:520])) == pytest.approx(0)
