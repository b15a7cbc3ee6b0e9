"""What a mount sounds like to a listener: progress, gaps, silence, clipping, loudness.

A `Hearing` is one listener's memory of a mount's last minute. `hear` adds to it what
was decoded, and `figures` says what it amounts to at a moment. Times are of one
monotonic clock of the listener's.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from sessiond.core.conditions import Condition
from sessiond.core.tenths import GATE_LUFS, TENTH, Tenth
from sessiond.units import Decibels, MountPath, Seconds

# What is told of is the last minute: long enough for a loudness, and soon over.
MINUTE: Final = Seconds(60.0)
_KEPT: Final = round(MINUTE / TENTH)

# A silent Vorbis stream, the slowest of all, has a page every 0.65 s; `onair` calls
# bytes stalled after as long.
PROGRESS_SECONDS: Final = Seconds(2.0)

# A player covers so much with the next sample; a decoder hands out tenths in lumps.
_HEARD_AS_GAP: Final = Seconds(0.05)

# Players collect some sound first, and again when they have run dry: whoever did not
# would run dry with every page that is a little late.
_COLLECTS: Final = Seconds(1.0)

# Codecs overshoot on a loud beat now and then. Half a second in ten is a fader.
_CLIPPING_LOOKS: Final = 100
_CLIPPING_TENTHS: Final = 5

# The level is shown over what a mix-down shows, half a second.
_LEVEL_TENTHS: Final = 5

# Below this much sound a loudness is that of a note, not of a show.
LOUDNESS_AFTER: Final = Seconds(10.0)

# BS.1770-4, section 2.8: the second gate lies so far below what the first lets by.
_RELATIVE_GATE: Final = Decibels(10.0)

SILENCE: Final = Decibels(-120.0)
"""Less than any codec gives: what is silent is told of as a finite number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SilenceRule:
    """What counts as silence.

    Attributes:
        below_db: The mean power that a tenth of a second of sound does not reach. A
            codec makes less than −70 dB of digital silence, a microphone in a quiet
            room more than −60.
        after: For how long before a mount is called silent.
    """

    below_db: Decibels = Decibels(-60.0)
    after: Seconds = Seconds(5.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A time in which a player had nothing to play."""

    at: Seconds
    lasted: Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearing:
    """A listener's memory of a mount.

    Attributes:
        tenths: Of the last minute of sound, oldest first.
        unbroken: How many of the newest of them a player plays without a break.
        plays_until: When a player that began with the first will have played all.
        moved_at: When the newest came.
        silent_tenths: How much of the newest sound is silence.
        gaps: Those that ended within the last minute, oldest first.
    """

    tenths: tuple[Tenth, ...] = ()
    unbroken: int = 0
    plays_until: Seconds | None = None
    moved_at: Seconds | None = None
    silent_tenths: int = 0
    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MountSound:
    """What a listener can say of a mount at one moment; None is *not known*.

    Attributes:
        progressing: Sound is coming.
        age_s: Since the newest sound came; inf before any.
        silent: Sound has come, but it has been silence for as long as the rule says.
        silent_s: For how long it has been.
        clipping: Often above full scale in the last 10 s.
        heard_s: How much of the last minute's sound there is.
        level_db: The mean power of the last half second; `SILENCE` at least, as all.
        true_peak_db: The highest of the last minute, dBTP.
        momentary_lufs: EBU R 128, of the last 0.4 s; so is ``short_term``, of 3 s, and
            ``integrated``, since this listener began.
        loudness_lufs: Likewise gated, but of the last minute; None below 10 s.
        buffer_s: How much sound a player holds that has not been played: the station's
            burst, and the greatest part of the delay.
        gaps: How often a player had nothing to play in the last minute.
        gap_s: For how long in all.
        delay_s: From JACK to this listener's ear.
        title: As the stream itself has it.
        listening: A connection to the mount is open.
        conditions: What is not as it should be, in the eyes of whose ear it is.
    """

    path: MountPath
    listening: bool = False
    progressing: bool = False
    age_s: Seconds | None = None
    silent: bool = False
    silent_s: Seconds = Seconds(0)
    clipping: bool = False
    heard_s: Seconds = Seconds(0)
    level_db: Decibels | None = None
    true_peak_db: Decibels | None = None
    momentary_lufs: Decibels | None = None
    short_term_lufs: Decibels | None = None
    integrated_lufs: Decibels | None = None
    loudness_lufs: Decibels | None = None
    buffer_s: Seconds | None = None
    gaps: int = 0
    gap_s: Seconds = Seconds(0)
    delay_s: Seconds | None = None
    title: str = ""
    conditions: tuple[Condition, ...] = ()


def hear(
    hearing: Hearing,
    tenths: Sequence[Tenth],
    now: Seconds,
    *,
    rule: SilenceRule,
    anew: bool = False,
) -> Hearing:
    """Return the memory after some more sound has come.

    Args:
        hearing: Before.
        tenths: What was decoded since, oldest first; may be empty.
        now: When it came.
        rule: What counts as silence.
        anew: It is the first of a new connection: what a player still held of the old
            one is lost.
    """
    if not tenths:
        return hearing
    until = hearing.plays_until
    goes_on = until is not None and not anew and not _gap(until, now)
    starts = until if until is not None and goes_on else Seconds(now + _COLLECTS)
    unbroken = len(tenths) + (hearing.unbroken if goes_on else 0)
    return Hearing(
        tenths=(*hearing.tenths, *tenths)[-_KEPT:],
        unbroken=min(unbroken, _KEPT),
        plays_until=Seconds(starts + len(tenths) * TENTH),
        moved_at=now,
        silent_tenths=_silent(hearing.silent_tenths, tenths, rule),
        gaps=_recent((*hearing.gaps, *_gap(until, starts)), now),
    )


def _gap(until: Seconds | None, now: Seconds) -> tuple[Gap, ...]:
    if until is None or now - until < _HEARD_AS_GAP:
        return ()
    return (Gap(at=until, lasted=Seconds(now - until)),)


def _recent(gaps: Sequence[Gap], now: Seconds) -> tuple[Gap, ...]:
    return tuple(gap for gap in gaps if now - (gap.at + gap.lasted) < MINUTE)


def _silent(before: int, tenths: Sequence[Tenth], rule: SilenceRule) -> int:
    silent = 0
    for tenth in reversed(tenths):
        if tenth.rms_db >= rule.below_db:
            return silent
        silent += 1
    return before + silent


def figures(
    hearing: Hearing, path: MountPath, now: Seconds, *, rule: SilenceRule
) -> MountSound:
    """Return what the listener can say now; what only its rim knows is left open."""
    tenths, moved_at = hearing.tenths, hearing.moved_at
    if not tenths or moved_at is None or hearing.plays_until is None:
        return MountSound(path=path)
    gaps = _with_present_gap(hearing, now)
    newest = tenths[-1]
    silent_s = Seconds(round(hearing.silent_tenths * TENTH, 1))
    return MountSound(
        path=path,
        progressing=now - moved_at < PROGRESS_SECONDS,
        age_s=Seconds(now - moved_at),
        silent=silent_s >= rule.after,
        silent_s=silent_s,
        clipping=_is_clipping(tenths[-_CLIPPING_LOOKS:]),
        level_db=_mean([tenth.rms_db for tenth in tenths[-_LEVEL_TENTHS:]]),
        heard_s=Seconds(round(len(tenths) * TENTH, 1)),
        true_peak_db=max(SILENCE, *(tenth.peak_db for tenth in tenths)),
        momentary_lufs=max(SILENCE, newest.momentary_lufs),
        short_term_lufs=max(SILENCE, newest.short_term_lufs),
        integrated_lufs=max(SILENCE, newest.integrated_lufs),
        loudness_lufs=_loudness(tenths),
        buffer_s=Seconds(max(0.0, hearing.plays_until - now)),
        gaps=len(gaps),
        gap_s=Seconds(sum(gap.lasted for gap in gaps)),
    )


def _with_present_gap(hearing: Hearing, now: Seconds) -> tuple[Gap, ...]:
    return _recent((*hearing.gaps, *_gap(hearing.plays_until, now)), now)


def _is_clipping(tenths: Sequence[Tenth]) -> bool:
    return sum(1 for tenth in tenths if tenth.peak_db > 0.0) >= _CLIPPING_TENTHS


def _loudness(tenths: Sequence[Tenth]) -> Decibels | None:
    """Return the gated loudness of some seconds.

    FFmpeg's own reaches back to when it began, maybe hours: a fader moved since would
    hardly show. Its momentary loudness is what the standard gates: 0.4 s each.

    Source: ITU-R BS.1770-4, section 2.8.
    """
    if len(tenths) * TENTH < LOUDNESS_AFTER:
        return None
    programme = [
        tenth.momentary_lufs for tenth in tenths if tenth.momentary_lufs > GATE_LUFS
    ]
    gate = _mean(programme) - _RELATIVE_GATE
    return _mean([loudness for loudness in programme if loudness > gate])


def _mean(levels: Sequence[Decibels]) -> Decibels:
    """Return the level of the mean power; `SILENCE` of nothing."""
    power = sum(10.0 ** (level / 10.0) for level in levels)
    return (
        max(SILENCE, Decibels(10.0 * math.log10(power / len(levels))))
        if power
        else SILENCE
    )


def played(hearing: Hearing) -> tuple[tuple[Seconds, Decibels], ...]:
    """Return when a player plays each unbroken tenth, and how loud it is.

    Oldest first; a tenth's time is its beginning, and may be still to come.
    """
    if hearing.plays_until is None:
        return ()
    tenths = hearing.tenths[-hearing.unbroken :]
    begins = hearing.plays_until - len(tenths) * TENTH
    return tuple(
        (Seconds(begins + n * TENTH), tenth.rms_db) for n, tenth in enumerate(tenths)
    )


def known(heard: MountSound, *, title: str, listening: bool) -> MountSound:
    """Return the same with what the connection knows."""
    return replace(heard, title=title, listening=listening)


class SoundState(StrEnum):
    """What a listener meets, in a word."""

    HEARD = "heard"
    SILENT = "silent"
    STALLED = "stalled"
    ABSENT = "absent"


def state_of(sound: MountSound) -> SoundState:
    """Return what a listener meets: no sound at all, none now, silence, or sound."""
    if sound.age_s is None or not (sound.listening or sound.progressing):
        return SoundState.ABSENT
    if not sound.progressing:
        return SoundState.STALLED
    return SoundState.SILENT if sound.silent else SoundState.HEARD


def older(sound: MountSound, by: Seconds) -> MountSound:
    """Return what was said some time ago, as true as it is now."""
    age = sound.age_s
    return sound if age is None else replace(sound, age_s=Seconds(age + by))
