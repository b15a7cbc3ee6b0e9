"""When an encoder that nobody hears is started anew, and when it is let be."""

from dataclasses import replace

from sessiond.core.encodercare import (
    AGAIN_AFTER,
    SOUNDS_FOR,
    EncoderCare,
    cared_for,
    mix_sounds,
    unheard,
)
from sessiond.core.mixmatrix import MixLevels, MixOrder, MixReport
from sessiond.core.plan import plan_host
from sessiond.core.sourcing import SourceOrder
from sessiond.units import (
    Decibels,
    Frames,
    Hertz,
    HostName,
    MountPath,
    ProcName,
    Seconds,
)
from tests.core.examples import ALICE, BOB, CAROL, all_facts, facts, view

MIX, SOLO = MountPath("/mix.ogg"), MountPath("/solo.ogg")
BOTH = (MIX, SOLO)


def mixing(*levels: float) -> MixReport:
    """Return a mix-down's report with these mean powers on the two buses."""
    order = MixOrder(strips=(), buses=("mix.ogg", "solo.ogg"), gains_db=((), ()))
    return MixReport(
        order=order,
        settled=True,
        strips=(),
        buses=tuple(
            MixLevels(peak_db=Decibels(level), rms_db=Decibels(level))
            for level in levels
        ),
        rate_hz=Hertz(48000),
        period_frames=Frames(256),
        callbacks=1,
        xruns=0,
        callback_p50_us=0,
        callback_p99_us=0,
        callback_max_us=0,
    )


LOUD = mixing(-20, -20)


def looks(
    care: EncoderCare,
    silent: set[MountPath],
    mix: MixReport | None,
    times: range,
) -> EncoderCare:
    for now in times:
        care = cared_for(care, BOTH, silent, mix, Seconds(now))
    return care


def test_an_encoder_is_renewed_once_its_mix_has_sounded_long_enough() -> None:
    waiting = looks(EncoderCare(), {MIX}, LOUD, range(int(SOUNDS_FOR)))
    assert waiting.generations == {}
    due = cared_for(waiting, BOTH, {MIX}, LOUD, SOUNDS_FOR)
    assert due.generations == {MIX: 1}


def test_it_is_not_renewed_again_within_a_minute() -> None:
    first = looks(EncoderCare(), {MIX}, LOUD, range(9))
    last = int(SOUNDS_FOR + AGAIN_AFTER)
    assert looks(first, {MIX}, LOUD, range(9, last)).generations == {MIX: 1}
    assert looks(first, {MIX}, LOUD, range(9, last + 1)).generations == {MIX: 2}


def test_what_is_heard_is_let_be() -> None:
    assert looks(EncoderCare(), set(), LOUD, range(100)).generations == {}


def test_a_silent_mix_is_no_fault_of_its_encoder() -> None:
    quiet = mixing(-50, -20)
    assert looks(EncoderCare(), {MIX}, quiet, range(100)).generations == {}
    assert looks(EncoderCare(), {MIX}, None, range(100)).generations == {}


def test_a_pause_in_the_music_begins_the_wait_anew() -> None:
    care = looks(EncoderCare(), {MIX}, LOUD, range(7))
    care = cared_for(care, BOTH, {MIX}, mixing(-60, -20), Seconds(7))
    assert looks(care, {MIX}, LOUD, range(8, 16)).generations == {}
    assert looks(care, {MIX}, LOUD, range(8, 17)).generations == {MIX: 1}


def test_each_mount_is_cared_for_alone() -> None:
    care = looks(EncoderCare(), {SOLO}, LOUD, range(9))
    assert care.generations == {SOLO: 1}
    assert looks(care, {MIX, SOLO}, LOUD, range(9, 20)).generations == {SOLO: 1, MIX: 1}


def test_who_is_off_the_air_forgets_since_when_it_sounds() -> None:
    care = looks(EncoderCare(), {MIX}, LOUD, range(8))
    off = cared_for(care, (), {MIX}, LOUD, Seconds(8))
    assert off.sounding_since == {}
    assert looks(off, {MIX}, LOUD, range(9, 17)).generations == {}


def test_nothing_new_is_the_same_value() -> None:
    care = looks(EncoderCare(), set(), LOUD, range(3))
    assert cared_for(care, BOTH, frozenset(), LOUD, Seconds(4)) is care


def test_a_bus_that_is_not_there_has_no_sound() -> None:
    assert mix_sounds(LOUD, MIX)
    assert not mix_sounds(LOUD, MountPath("/other.ogg"))
    assert not mix_sounds(None, MIX)


def hears(name: HostName, *paths: MountPath) -> dict[HostName, object]:
    return {name: facts(name, silent=frozenset(paths))}


def test_only_the_ear_of_now_is_believed() -> None:
    told = {**all_facts(), **hears(BOB, MIX), **hears(CAROL, SOLO)}
    assert unheard(view(ALICE, facts=told)) == {MIX}
    assert unheard(view(ALICE, standby=CAROL, facts=told)) == {SOLO}
    assert unheard(view(ALICE, standby=None, facts=told)) == frozenset()
    own = {**all_facts(), **hears(ALICE, SOLO)}
    assert unheard(view(ALICE, standby=None, facts=own)) == {SOLO}
    assert unheard(replace(view(BOB, facts=told), leadership=None)) == {MIX}


def test_a_renewed_encoder_is_another_order() -> None:
    def order(made: dict[MountPath, int]) -> SourceOrder:
        return plan_host(view(ALICE, encoders=made)).sources[ProcName("source-mix.ogg")]

    assert order({}).encoder == 0
    assert order({MIX: 2}) == replace(order({}), encoder=2)
