import math
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessiond.core.mixmatrix import (
    FADE_IN,
    SILENCE,
    MixLevels,
    MixOrder,
    MixReport,
    crossing,
    decibels,
    factor,
    fade_periods,
    hushed,
    mix_order,
    next_order,
    port_names,
)
from sessiond.core.spec import Codec, HostRef, MountSpec, SessionSpec
from sessiond.units import Decibels, Frames, Hertz, HostName, MountPath, SessionName

ALICE, BOB, CAROL = HostName("alice"), HostName("bob"), HostName("carol")


def mount(path: str, *sources: str, **gains: float) -> MountSpec:
    return MountSpec(
        path=MountPath(path),
        codec=Codec.VORBIS,
        bitrate_kbps=None,
        sources=tuple(HostName(s) for s in sources),
        gains_db=MappingProxyType({HostName(h): Decibels(g) for h, g in gains.items()}),
    )


def session(*mounts: MountSpec) -> SessionSpec:
    return SessionSpec(
        name=SessionName("jam"),
        hosts=tuple(HostRef(name=n) for n in (ALICE, BOB, CAROL)),
        mounts=mounts,
    )


def test_a_star_puts_everyone_on_the_bus() -> None:
    order = mix_order(session(mount("/mix.ogg", "*", bob=-6.0)))
    assert order == MixOrder(
        strips=(ALICE, BOB, CAROL),
        buses=("mix.ogg",),
        gains_db=((Decibels(0.0), Decibels(-6.0), Decibels(0.0)),),
    )


def test_a_host_that_is_no_source_is_not_on_the_bus() -> None:
    order = mix_order(session(mount("/dj1.ogg", "alice"), mount("/dj2.ogg", "bob")))
    assert order.gains_db == ((0.0, None, None), (None, 0.0, None))


def test_only_hosts_that_are_present_get_a_strip() -> None:
    order = mix_order(session(mount("/mix.ogg", "*")), {CAROL, ALICE})
    assert order.strips == (ALICE, CAROL)
    assert order.gains_db == ((0.0, 0.0),)


def test_a_session_without_mounts_has_strips_alone() -> None:
    assert mix_order(session()) == MixOrder(strips=(ALICE, BOB, CAROL))


def test_a_gain_is_found_by_names() -> None:
    order = mix_order(session(mount("/mix.ogg", "*", bob=-6.0)))
    assert order.gain("mix.ogg", BOB) == -6.0
    assert order.gain("other.ogg", BOB) is None
    assert order.gain("mix.ogg", HostName("dave")) is None


def test_a_crossing_keeps_what_goes_at_silence() -> None:
    before = mix_order(session(mount("/a.ogg", "*")), {ALICE, BOB})
    after = mix_order(session(mount("/b.ogg", "*")), {BOB, CAROL})
    across = crossing(before, after)
    assert across.strips == (BOB, CAROL, ALICE)
    assert across.buses == ("b.ogg", "a.ogg")
    assert across.gains_db == ((0.0, 0.0, None), (None, None, None))


def test_a_gain_change_needs_no_crossing() -> None:
    before = mix_order(session(mount("/a.ogg", "*")))
    after = mix_order(session(mount("/a.ogg", "*", bob=-9.0)))
    assert next_order(before, after, settled=False) == after


def test_what_goes_is_dropped_only_once_it_has_faded() -> None:
    before = mix_order(session(mount("/a.ogg", "*")))
    after = mix_order(session(mount("/a.ogg", "*")), {ALICE})
    across = next_order(before, after, settled=True)
    assert across.strips == (ALICE, BOB, CAROL)
    assert next_order(across, after, settled=False) == across
    assert next_order(across, after, settled=True) == after
    assert next_order(after, after, settled=True) == after


HOSTS = st.lists(st.sampled_from([ALICE, BOB, CAROL]), unique=True)
BUSES = st.lists(st.sampled_from(["a.ogg", "b.mp3", "c.flac"]), unique=True)
GAINS = st.none() | st.floats(-60, 12).map(Decibels)


@st.composite
def orders(draw: st.DrawFn) -> MixOrder:
    strips, buses = draw(HOSTS), draw(BUSES)
    row = st.tuples(*[GAINS for _ in strips])
    return MixOrder(
        strips=tuple(strips),
        buses=tuple(buses),
        gains_db=draw(st.tuples(*[row for _ in buses])),
    )


@given(orders(), orders())
def test_any_order_is_reached_in_two_steps_and_nothing_vanishes_unfaded(
    before: MixOrder, after: MixOrder
) -> None:
    across = next_order(before, after, settled=True)
    for strip in set(before.strips) - set(across.strips):
        assert all(before.gain(bus, strip) is None for bus in before.buses)
    for bus in set(before.buses) - set(across.buses):
        assert all(before.gain(bus, strip) is None for strip in before.strips)
    assert next_order(across, after, settled=True) == after


@pytest.mark.parametrize(
    ("gain", "expected"),
    [(0.0, 1.0), (-6.0206, 0.5), (20.0, 10.0), (None, 0.0), (-math.inf, 0.0)],
)
def test_decibels_become_factors(gain: float | None, expected: float) -> None:
    gain_db = None if gain is None else Decibels(gain)
    assert factor(gain_db) == pytest.approx(expected, abs=1e-5)


@given(st.floats(-120, 120))
def test_factor_and_decibels_are_inverse(gain: float) -> None:
    assert decibels(factor(Decibels(gain))) == pytest.approx(gain, abs=1e-9)


def test_no_amplitude_is_silence() -> None:
    assert decibels(0.0) == SILENCE


@pytest.mark.parametrize(
    ("period", "periods"), [(64, 11), (128, 6), (256, 3), (1024, 1), (4096, 1)]
)
def test_a_fade_lasts_about_fifteen_milliseconds(period: int, periods: int) -> None:
    assert fade_periods(Hertz(48000), Frames(period)) == periods


def test_ports_are_numbered_from_one() -> None:
    assert port_names("dj1.ogg") == ("dj1.ogg_1", "dj1.ogg_2")


def test_a_report_is_asked_by_name() -> None:
    quiet = MixLevels(peak_db=SILENCE, rms_db=SILENCE)
    loud = MixLevels(peak_db=Decibels(-1.0), rms_db=Decibels(-4.0))
    report = MixReport(
        order=mix_order(session(mount("/mix.ogg", "*"))),
        settled=True,
        strips=(quiet, loud, quiet),
        buses=(loud,),
        rate_hz=Hertz(48000),
        period_frames=Frames(128),
        callbacks=1,
        xruns=0,
        callback_p50_us=1,
        callback_p99_us=1,
        callback_max_us=1,
    )
    assert report.strip(BOB) == loud
    assert report.bus("mix.ogg") == loud
    assert report.strip(HostName("dave")) is None
    assert report.bus("dj1.ogg") is None


def test_a_hushed_bus_is_silent_and_the_others_stay() -> None:
    order = mix_order(session(mount("/mix.ogg", "*"), mount("/dj1.ogg", "alice")))
    silent = hushed(order, {"mix.ogg", "none.ogg"})
    assert (silent.strips, silent.buses) == (order.strips, order.buses)
    assert silent.gains_db == ((None, None, None), order.gains_db[1])
    assert hushed(order, ()) == order


def test_a_fade_in_is_a_longer_fade() -> None:
    rate, period = Hertz(48000), Frames(256)
    assert fade_periods(rate, period, FADE_IN) == 375
