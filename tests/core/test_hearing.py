"""A player's clock, silence, clipping and loudness, on made-up tenths of a second."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessiond.core.hearing import (
    SILENCE,
    Gap,
    Hearing,
    MountSound,
    SilenceRule,
    SoundState,
    figures,
    hear,
    known,
    played,
    state_of,
)
from sessiond.core.tenths import Tenth
from sessiond.units import Decibels, MountPath, Seconds

MIX = MountPath("/mix.ogg")
RULE = SilenceRule()


def tenth(
    level: float = -20.0, *, peak: float = -10.0, lufs: float | None = None
) -> Tenth:
    loudness = Decibels(level if lufs is None else lufs)
    return Tenth(
        rms_db=Decibels(level),
        peak_db=Decibels(peak),
        momentary_lufs=loudness,
        short_term_lufs=loudness,
        integrated_lufs=loudness,
    )


def heard(count: int, now: float = 100.0, *, of: Tenth | None = None) -> Hearing:
    return hear(Hearing(), [of or tenth()] * count, Seconds(now), rule=RULE)


def more(
    before: Hearing,
    count: int,
    now: float,
    of: Tenth | None = None,
    *,
    anew: bool = False,
) -> Hearing:
    tenths = [of or tenth()] * count
    return hear(before, tenths, Seconds(now), rule=RULE, anew=anew)


def sound(hearing: Hearing, now: float) -> MountSound:
    return figures(hearing, MIX, Seconds(now), rule=RULE)


def test_before_any_sound_nothing_is_known() -> None:
    assert sound(Hearing(), 5) == MountSound(path=MIX)
    assert hear(Hearing(), [], Seconds(5), rule=RULE) == Hearing()
    assert played(Hearing()) == ()


def test_a_burst_is_what_a_player_holds() -> None:
    found = sound(heard(40, 100), 100)
    assert found.buffer_s == pytest.approx(5.0)  # it waits for a second first
    assert (found.progressing, found.age_s, found.gaps) == (True, 0.0, 0)
    later = sound(heard(40, 100), 101.5)
    assert later.buffer_s == pytest.approx(3.5)
    assert later.age_s == 1.5


def test_progress_ends_when_no_sound_has_come_for_two_seconds() -> None:
    assert sound(heard(40), 101.9).progressing
    assert not sound(heard(40), 102).progressing


def test_late_sound_is_a_gap_and_a_player_waits_for_it() -> None:
    late = more(heard(10, 100), 10, 103)
    assert late.gaps == (Gap(at=Seconds(102), lasted=Seconds(2)),)
    assert late.plays_until == pytest.approx(105)
    assert late.unbroken == 10
    found = sound(late, 103.5)
    assert (found.gaps, found.gap_s) == (1, 2.0)


def test_what_is_hardly_late_is_no_gap() -> None:
    late = more(heard(10, 100), 10, 102.04)
    assert (late.gaps, late.unbroken) == ((), 20)


def test_a_gap_that_goes_on_counts() -> None:
    found = sound(heard(10, 100), 102.5)
    assert found.gaps == 1
    assert found.gap_s == pytest.approx(0.5)
    assert found.buffer_s == 0.0


def test_gaps_are_told_of_for_a_minute() -> None:
    late = more(heard(10, 100), 1000, 103)
    assert sound(late, 163.9).gaps == 1
    assert sound(late, 164).gaps == 0
    assert more(late, 1, 170).gaps == ()


def test_a_new_connection_drops_what_the_old_one_had_left() -> None:
    anew = more(heard(40, 100), 30, 101, anew=True)
    assert anew.plays_until == pytest.approx(105)
    assert (anew.unbroken, anew.gaps) == (30, ())


def test_silence_is_counted_from_the_end_of_the_sound() -> None:
    assert not sound(heard(49, of=tenth(-60.1)), 100).silent
    silent = sound(heard(50, of=tenth(-60.1)), 100)
    assert silent.silent
    assert silent.silent_s == pytest.approx(5.0)
    quiet = heard(10)
    for _ in range(50):
        quiet = more(quiet, 1, 100, tenth(-math.inf))
    assert sound(quiet, 100).silent
    loud = more(quiet, 1, 100, tenth(-60))
    assert sound(loud, 100).silent_s == 0.0
    assert sound(more(loud, 3, 100, tenth(-80)), 100).silent_s == pytest.approx(0.3)


def test_the_silence_rule_is_the_asker_s() -> None:
    rule = SilenceRule(below_db=Decibels(-30), after=Seconds(1))
    quiet = hear(Hearing(), [tenth(-31)] * 10, Seconds(0), rule=rule)
    assert figures(quiet, MIX, Seconds(0), rule=rule).silent


def test_clipping_is_half_a_second_in_ten() -> None:
    over = tenth(peak=0.1)
    assert not sound(heard(4, of=over), 100).clipping
    clipped = heard(5, of=over)
    assert sound(clipped, 100).clipping
    assert sound(more(clipped, 95, 100), 100).clipping
    assert not sound(more(clipped, 96, 100), 100).clipping
    assert not sound(heard(100, of=tenth(peak=0.0)), 100).clipping


def test_the_peak_is_the_minute_s_and_the_level_the_half_second_s() -> None:
    peaked = more(heard(1, of=tenth(peak=1.5)), 595, 100, tenth(-40))
    louder = more(peaked, 4, 100, tenth(-20))
    found = sound(louder, 100)
    assert found.true_peak_db == 1.5
    assert found.level_db == pytest.approx(-20.95, abs=0.01)
    assert sound(more(louder, 1, 100), 100).true_peak_db == -10.0


def test_the_newest_loudness_is_ffmpeg_s() -> None:
    found = sound(more(heard(10), 1, 100, tenth(-17)), 100)
    assert found.momentary_lufs == found.short_term_lufs == -17.0
    assert found.integrated_lufs == -17.0


def test_loudness_is_gated_twice() -> None:
    assert sound(heard(99), 100).loudness_lufs is None
    assert sound(heard(100), 100).loudness_lufs == pytest.approx(-20)
    # Neither what is no programme nor what is 10 LU below the rest counts.
    mixed = more(more(heard(100), 100, 100, tenth(-70)), 100, 100, tenth(-45))
    assert sound(mixed, 100).loudness_lufs == pytest.approx(-20)
    louder = more(heard(100), 100, 100, tenth(-17))
    assert sound(louder, 100).loudness_lufs == pytest.approx(-18.24, abs=0.01)


def test_silence_has_no_loudness() -> None:
    assert sound(heard(100, of=tenth(-math.inf)), 100).loudness_lufs == SILENCE
    assert sound(heard(9, of=tenth(-math.inf)), 100).level_db == SILENCE


def test_no_figure_is_infinite() -> None:
    found = sound(heard(1, of=tenth(-math.inf, peak=-math.inf)), 100)
    assert found.level_db == found.true_peak_db == found.momentary_lufs == SILENCE
    assert found.short_term_lufs == found.integrated_lufs == SILENCE
    assert found.heard_s == pytest.approx(0.1)


def test_what_is_played_and_when() -> None:
    hearing = more(more(heard(2, 100), 1, 100.1, tenth(-30)), 2, 103, tenth(-40))
    assert list(map(list, played(hearing))) == [
        [104.0, -40.0],
        [pytest.approx(104.1), -40.0],
    ]
    before = played(more(heard(2, 100), 1, 100.1, tenth(-30)))
    assert [at for at, _ in before] == pytest.approx([101, 101.1, 101.2])
    assert [level for _, level in before] == [-20.0, -20.0, -30.0]


def test_no_more_than_a_minute_is_kept() -> None:
    hearing = heard(900)
    assert (len(hearing.tenths), hearing.unbroken) == (600, 600)


@given(st.lists(st.tuples(st.integers(1, 50), st.floats(0, 3)), max_size=30))
def test_sound_and_gaps_fill_a_player_s_time(lots: list[tuple[int, float]]) -> None:
    hearing, now, count, gaps = Hearing(), 0.0, 0, 0.0
    for tenths, waited in lots:
        now += waited
        before = hearing
        hearing = more(hearing, tenths, now)
        count += tenths
        new = hearing.gaps[-1:] if hearing.gaps[-1:] != before.gaps[-1:] else ()
        gaps += sum(gap.lasted for gap in new)
    if hearing.plays_until is not None:
        began = lots[0][1]
        assert hearing.plays_until == pytest.approx(began + 1 + count * 0.1 + gaps)


def test_what_only_the_connection_knows_is_added() -> None:
    found = known(MountSound(path=MIX), title="One - Two", listening=True)
    assert found == MountSound(path=MIX, title="One - Two", listening=True)


@pytest.mark.parametrize(
    ("made", "state"),
    [
        (MountSound(path=MIX), SoundState.ABSENT),
        (MountSound(path=MIX, listening=True), SoundState.ABSENT),
        (MountSound(path=MIX, age_s=Seconds(9)), SoundState.ABSENT),
        (MountSound(path=MIX, age_s=Seconds(9), listening=True), SoundState.STALLED),
        (MountSound(path=MIX, age_s=Seconds(0), progressing=True), SoundState.HEARD),
    ],
)
def test_the_state_in_a_word(made: MountSound, state: SoundState) -> None:
    assert state_of(made) is state
    if state is SoundState.HEARD:
        assert state_of(replace(made, silent=True)) is SoundState.SILENT
