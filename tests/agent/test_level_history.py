"""How loud the buses were, slot by slot, as the mix-down's arithmetic keeps it."""

import pytest

from agent.mixdown.bank import Bank
from sessiond.core.levelhistory import levels_of
from sessiond.core.mixmatrix import MixOrder
from sessiond.units import Decibels, Frames, Hertz, HostName, Seconds

RATE, PERIOD = Hertz(48000), Frames(256)
# 19 periods of 256 frames are the first that last a tenth of a second.
SLOT = 19
ORDER = MixOrder(
    strips=(HostName("alice"),),
    buses=("mix.ogg", "solo.ogg"),
    gains_db=((Decibels(0.0),), (None,)),
)


def bank() -> Bank:
    made = Bank(ORDER, RATE, PERIOD, None)
    made.take_over(Bank(MixOrder(), RATE, PERIOD, None))
    return made


def mix(running: Bank, level: float, periods: int) -> None:
    for _ in range(periods):
        running.x.fill(level)
        running.mix()


def test_each_slot_has_its_level_the_newest_first() -> None:
    running = bank()
    mix(running, 0.0, SLOT)
    mix(running, 0.1, SLOT)
    mix(running, 1.0, SLOT)
    mix(running, 1.0, 4)
    history = running.history()
    assert history.buses == ("mix.ogg", "solo.ogg")
    assert history.since == 4 * PERIOD
    assert [slot.frames for slot in history.slots] == [SLOT * PERIOD] * 3
    mixed = [slot.rms_db[0] for slot in history.slots]
    assert mixed == [pytest.approx(0), pytest.approx(-20), float("-inf")]
    assert {slot.rms_db[1] for slot in history.slots} == {float("-inf")}


def test_nothing_is_told_before_a_slot_is_full() -> None:
    running = bank()
    mix(running, 1.0, SLOT - 1)
    assert running.history().slots == ()


def test_somewhat_more_than_two_seconds_are_kept() -> None:
    running = bank()
    mix(running, 1.0, SLOT * 100)
    assert 2.5 < len(running.history().slots) * SLOT * PERIOD / RATE < 3


def test_it_goes_on_when_the_order_changes() -> None:
    running = bank()
    mix(running, 1.0, SLOT * 3)
    after = Bank(ORDER, RATE, PERIOD, running)
    after.take_over(running)
    mix(after, 1.0, SLOT)
    assert len(after.history().slots) == 4


def test_levels_are_those_of_half_a_second() -> None:
    running = bank()
    mix(running, 1.0, SLOT)
    mix(running, 0.1, SLOT * 3)
    _, (loud, _) = running.levels()
    assert loud.peak_db == pytest.approx(0)
    mix(running, 0.1, SLOT)
    _, (quiet, _) = running.levels()
    assert quiet.peak_db == pytest.approx(-20)


def test_times_follow_from_when_it_was_told() -> None:
    running = bank()
    mix(running, 1.0, SLOT * 2 + 1)
    told = levels_of(running.history(), "mix.ogg", Seconds(100))
    slot, since = SLOT * PERIOD / RATE, PERIOD / RATE
    begins = [100 - since - 2 * slot, 100 - since - slot]
    assert [at for at, _ in told] == pytest.approx(begins)
