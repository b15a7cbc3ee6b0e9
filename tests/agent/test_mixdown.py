"""The mix-down's arithmetic and messages, without JACK."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.mixdown.bank import Bank
from agent.mixdown.messages import (
    bus_from_json,
    fade_in_request,
    order_from_json,
    order_to_json,
    report_from_json,
    report_to_json,
)
from agent.mixdown.times import CallbackTimes
from sessiond.core.mixmatrix import (
    FADE_IN,
    SILENCE,
    MixLevels,
    MixOrder,
    MixReport,
    fade_periods,
    hushed,
    next_order,
)
from sessiond.errors import Refused
from sessiond.units import Decibels, Frames, Hertz, HostName

RATE, PERIOD = Hertz(48000), Frames(128)
FADE = fade_periods(RATE, PERIOD)
ALICE, BOB = HostName("alice"), HostName("bob")


def order(strips: str, **buses: tuple[float | None, ...]) -> MixOrder:
    return MixOrder(
        strips=tuple(HostName(name) for name in strips.split()),
        buses=tuple(f"{name}.ogg" for name in buses),
        gains_db=tuple(
            tuple(None if g is None else Decibels(g) for g in row)
            for row in buses.values()
        ),
    )


def bank(wanted: MixOrder, before: Bank | None = None, frames: int = PERIOD) -> Bank:
    made = Bank(wanted, RATE, Frames(frames), before)
    made.take_over(before or Bank(MixOrder(), RATE, Frames(frames), None))
    return made


def run(running: Bank, levels: tuple[float, ...], periods: int = 1) -> list[float]:
    """Mix constant levels, right at half of left; return the first bus's left."""
    heard: list[float] = []
    for _ in range(periods):
        for n, level in enumerate(levels):
            running.x[2 * n], running.x[2 * n + 1] = level, level / 2
        running.mix()
        heard += [float(sample) for sample in running.y[0]]
    return heard


def test_left_feeds_left_and_right_feeds_right() -> None:
    mixing = bank(order("alice bob", mix=(0.0, 0.0), dj1=(None, 0.0)))
    run(mixing, (0.5, 0.25), FADE + 1)
    assert mixing.y[:, -1].tolist() == pytest.approx([0.75, 0.375, 0.25, 0.125])


def test_a_new_bank_fades_in_from_silence() -> None:
    heard = run(bank(order("alice", mix=(0.0,))), (1.0,), FADE)
    assert heard[0] == pytest.approx(1 / (FADE * PERIOD))
    assert np.abs(np.diff(heard)).max() < 1.1 / (FADE * PERIOD)
    assert heard[-1] == pytest.approx(1.0)


def test_a_gain_goes_on_from_where_it_is_also_in_mid_fade() -> None:
    first = bank(order("alice", mix=(0.0,)))
    heard = run(first, (1.0,), FADE // 2)
    second = bank(order("alice", mix=(-40.0,)), first)
    heard += run(second, (1.0,), FADE)
    assert second.settled
    assert np.abs(np.diff(heard)).max() < 1.1 / (FADE * PERIOD)
    assert heard[-1] == pytest.approx(0.01, rel=1e-4)


def test_a_period_change_keeps_the_gains() -> None:
    first = bank(order("alice", mix=(-6.0,)))
    run(first, (1.0,), FADE)
    second = bank(order("alice", mix=(-6.0,)), first, frames=512)
    heard = run(second, (1.0,), 3)
    assert len(heard) == 3 * 512
    assert heard == pytest.approx([10 ** (-6 / 20)] * len(heard))


STRIPS = st.lists(st.sampled_from(["alice", "bob", "carol"]), min_size=1, unique=True)
GAINS = st.none() | st.floats(-40, 0)


@given(st.data())
def test_no_change_of_layout_steps_on_a_bus_that_stays(data: st.DataObject) -> None:
    level = {"alice": 0.4, "bob": 0.3, "carol": 0.2}
    heard: list[float] = []
    mixing = Bank(MixOrder(), RATE, PERIOD, None)
    for _ in range(3):
        strips = data.draw(STRIPS)
        row = tuple(data.draw(GAINS) for _ in strips)
        wanted = order(" ".join(strips), mix=row)
        for _ in range(3 * FADE):
            step = next_order(mixing.order, wanted, settled=mixing.settled)
            if step != mixing.order:
                mixing = bank(step, mixing)
            heard += run(mixing, tuple(level[name] for name in step.strips))
        assert mixing.order == wanted
        assert mixing.settled
    assert np.abs(np.diff(heard)).max() < 1.0 / (FADE * PERIOD)


def test_levels_are_peak_and_mean_power_of_both_sides() -> None:
    mixing = bank(order("alice bob", mix=(-20.0, 0.0)))
    run(mixing, (1.0, 0.0), FADE)
    run(mixing, (0.5, 0.0), 250)
    (alice, bob), (mix,) = mixing.levels()
    assert alice.peak_db == pytest.approx(-6.02, abs=0.01)
    mean = (0.5**2 + 0.25**2) / 2
    assert alice.rms_db == pytest.approx(10 * math.log10(mean), abs=0.01)
    assert mix.peak_db == pytest.approx(-26.02, abs=0.01)
    assert bob == MixLevels(peak_db=SILENCE, rms_db=SILENCE)


def test_levels_go_over_to_the_next_bank_and_fall_with_the_sound() -> None:
    first = bank(order("alice bob", mix=(0.0, 0.0)))
    run(first, (0.25, 0.5), 250)
    second = bank(order("carol bob", dj1=(0.0, 0.0), mix=(0.0, 0.0)), first)
    (carol, bob), (dj1, mix) = second.levels()
    assert carol.peak_db == dj1.peak_db == SILENCE
    assert bob.peak_db == pytest.approx(-6.02, abs=0.01)
    assert mix.peak_db == pytest.approx(-2.5, abs=0.01)
    run(second, (0.0, 0.0), 250)
    assert second.levels()[0][1].peak_db == SILENCE


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e30])
def test_what_is_no_sound_is_silent_and_harms_nobody(bad: float) -> None:
    mixing = bank(order("alice bob", mix=(0.0, 0.0), dj2=(None, 0.0)))
    run(mixing, (0.0, 0.5), FADE)
    with np.errstate(all="ignore"):
        heard = run(mixing, (bad, 0.5))
    assert heard == pytest.approx([0.5] * PERIOD)
    assert mixing.y[2].tolist() == pytest.approx([0.5] * PERIOD)
    strips, _ = mixing.levels()
    assert strips[1].peak_db == pytest.approx(-6.02, abs=0.01)
    assert strips[0].peak_db == SILENCE


def test_an_empty_order_mixes_nothing() -> None:
    mixing = bank(MixOrder())
    mixing.mix()
    assert mixing.levels() == ((), ())
    lone = bank(order("alice"))
    lone.mix()
    assert lone.levels()[1] == ()


def test_times_are_counted_by_the_microsecond() -> None:
    times = CallbackTimes()
    for us in range(1, 101):
        times.note(us * 1000 + 999)
    assert times.count == 100
    assert times.quantile_us(0.5) == 50
    assert times.quantile_us(0.99) == 99
    assert times.max_us == 100


def test_a_time_beyond_all_bounds_is_counted_too() -> None:
    times = CallbackTimes()
    times.note(10**10)
    assert times.max_us == 10**7
    assert 0 < times.quantile_us(0.5) < 10**5


def test_no_callback_has_no_time() -> None:
    assert CallbackTimes().quantile_us(0.99) == 0


def test_an_order_survives_the_trip() -> None:
    wanted = order("alice bob", mix=(0.0, None), dj1=(-6.5, 3.0))
    assert order_from_json(order_to_json(wanted)) == wanted


GOOD: dict[str, Any] = {
    "strips": ["alice"],
    "buses": ["mix.ogg"],
    "gains_db": [[0]],
}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"strips": "alice"}, "no list"),
        ({"strips": [1]}, "no name of a strip"),
        ({"strips": ["Alice"]}, "no name of a strip"),
        ({"strips": ["a" * 33]}, "no name of a strip"),
        ({"strips": ["alice\n"]}, "no name of a strip"),
        ({"buses": ["mix.wav"]}, "no name of a bus"),
        ({"buses": ["a/b.ogg"]}, "no name of a bus"),
        ({"strips": ["alice", "alice"], "gains_db": [[0, 0]]}, "twice"),
        ({"gains_db": []}, "1 buses have 0 rows"),
        ({"gains_db": [[0, 0]]}, "each of the 1 strips"),
        ({"gains_db": [0]}, "each of the 1 strips"),
        ({"gains_db": [["0"]]}, "no number"),
        ({"gains_db": [[True]]}, "no number"),
        ({"gains_db": [[121]]}, "beyond"),
        ({"gains_db": [[10**400]]}, "out of range"),
        ({"strips": [f"h{n}" for n in range(999)]}, "more than"),
        ({"extra": 1}, "exactly the fields"),
    ],
)
def test_what_is_no_order_is_refused_by_name(
    change: dict[str, Any], reason: str
) -> None:
    order_from_json(GOOD)
    with pytest.raises(Refused, match=reason):
        order_from_json(GOOD | change)


REPORTED = MixReport(
    order=order("alice bob", mix=(0.0, None)),
    settled=False,
    strips=(
        MixLevels(peak_db=Decibels(-1.25), rms_db=Decibels(-7.5)),
        MixLevels(peak_db=SILENCE, rms_db=SILENCE),
    ),
    buses=(MixLevels(peak_db=Decibels(-1.25), rms_db=Decibels(-7.5)),),
    rate_hz=RATE,
    period_frames=PERIOD,
    callbacks=1234,
    xruns=5,
    callback_p50_us=100,
    callback_p99_us=200,
    callback_max_us=300,
)


def test_a_report_survives_the_trip() -> None:
    assert report_from_json(report_to_json(REPORTED)) == REPORTED


@pytest.mark.parametrize(
    "change",
    [
        {"xruns": -1},
        {"xruns": 1.5},
        {"settled": 1},
        {"strips": []},
        {"buses": [{"peak_db": "loud", "rms_db": 0}]},
        {"buses": [{"peak_db": 0}]},
        {"extra": 0},
    ],
)
def test_what_is_no_report_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        report_from_json({**report_to_json(REPORTED), **change})


def test_a_fade_in_takes_its_time() -> None:
    wanted = order("alice", mix=(0.0,))
    before = bank(wanted)
    run(before, (0.5,), FADE)
    before = bank(hushed(wanted, {"mix.ogg"}), before)
    run(before, (0.5,), FADE)
    rising = Bank(wanted, RATE, PERIOD, before, FADE_IN)
    rising.take_over(before)
    periods = fade_periods(RATE, PERIOD, FADE_IN)
    heard = run(rising, (0.5,), periods)
    assert heard[0] == pytest.approx(0.0, abs=1e-4)
    assert heard[len(heard) // 2] == pytest.approx(0.25, abs=0.01)
    assert heard[-1] == pytest.approx(0.5, abs=1e-3)
    assert max(np.diff(heard)) < 1e-4
    assert rising.settled


def test_a_fade_in_names_a_bus() -> None:
    assert bus_from_json(fade_in_request("mix.ogg")["fade_in"]) == "mix.ogg"
    for wrong in (None, 1, "mix", "../mix.ogg"):
        with pytest.raises(Refused, match="no name of a bus"):
            bus_from_json(wrong)
