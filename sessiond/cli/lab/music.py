"""The demo's own music: eight bars that loop, in six voices that fit together.

Every voice is computed, none is recorded, so the demo carries no sound files. A
voice is a stereo array of one loop; notes that ring past its end go on at its start.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sessiond.units import Hertz, Seconds

Samples = NDArray[np.float32]
"""Frames × channels; full scale is 1."""

Sound = NDArray[np.float32]
"""One channel; full scale is 1."""

BEATS: Final = 32
"""Eight bars of four."""

_TEMPO: Final = 96.0

# A note that stops at once clicks.
_RELEASE: Final = 0.08

# A minor, F, C, G twice, as MIDI notes of the root and of a close chord above it.
_ROOTS: Final = (45, 41, 48, 43)
_CHORDS: Final = ((57, 60, 64), (57, 60, 65), (55, 60, 64), (55, 59, 62))

# Beat and note of a melody over the eight bars; each note rings to the next.
_MELODY: Final = (
    (0.0, 76), (1.5, 74), (2.0, 72), (4.0, 69), (5.5, 72), (6.0, 74),
    (8.0, 79), (9.5, 76), (10.0, 72), (12.0, 74), (14.5, 71), (15.0, 74),
    (16.0, 76), (17.5, 81), (18.0, 79), (20.0, 77), (21.5, 76), (22.0, 72),
    (24.0, 76), (25.0, 74), (26.0, 72), (28.0, 71), (30.0, 74), (31.0, 71),
)  # fmt: skip

# Where each bar's kick, snare and hats fall, in beats.
_KICKS: Final = (0.0, 1.75, 2.5)
_SNARES: Final = (1.0, 3.0)

# The bass in each bar: beat, length, semitones above the root.
_RIFF: Final = ((0.0, 1.5, 0), (1.75, 0.6, 0), (2.5, 0.9, 12), (3.5, 0.5, 7))


@dataclass(frozen=True, slots=True, kw_only=True)
class Timbre:
    """How a note sounds.

    Attributes:
        partials: The strength of each harmonic, the fundamental first.
        attack: Seconds to full strength.
        decay: Seconds in which it falls by 1/e.
        level: Peak of a single note, of full scale.
        pan: −1 is left, 1 is right.
    """

    partials: tuple[float, ...]
    attack: float
    decay: float
    level: float
    pan: float = 0.0


_BASS: Final = Timbre(
    partials=(1.0, 0.5, 0.25, 0.1), attack=0.008, decay=0.5, level=0.30
)
_KEYS: Final = Timbre(
    partials=(1.0, 0.3, 0.2, 0.05, 0.05), attack=0.01, decay=0.7, level=0.11, pan=-0.4
)
_LEAD: Final = Timbre(
    partials=(1.0, 0.1, 0.35, 0.02, 0.1), attack=0.02, decay=0.6, level=0.22, pan=0.3
)
_PLUCK: Final = Timbre(
    partials=(1.0, 0.6, 0.3, 0.2, 0.1), attack=0.003, decay=0.2, level=0.24, pan=0.6
)
_STRINGS: Final = Timbre(
    partials=(1.0, 0.5, 0.33, 0.25, 0.2), attack=0.6, decay=3.0, level=0.09, pan=-0.7
)

_HIGH_STRINGS: Final = Timbre(
    partials=(1.0, 0.5, 0.33), attack=0.8, decay=3.0, level=0.06, pan=0.7
)


class Loop:
    """A loop being filled, voice by voice note.

    Args:
        rate_hz: Its sample rate.
    """

    def __init__(self, rate_hz: Hertz) -> None:
        self.rate_hz = rate_hz
        self.samples: Samples = np.zeros(
            (round(self._seconds(BEATS) * rate_hz), 2), dtype=np.float32
        )

    def _seconds(self, beats: float) -> Seconds:
        return Seconds(beats * 60.0 / _TEMPO)

    def add(self, beat: float, sound: Sound, pan: float = 0.0) -> None:
        """Mix a mono sound in at a beat; its tail wraps around."""
        start = round(self._seconds(beat) * self.rate_hz) % len(self.samples)
        inside = min(len(sound), len(self.samples) - start)
        # Equal power, so that a voice is as loud anywhere between the ears.
        angle = (pan + 1.0) * np.pi / 4.0
        for channel, gain in enumerate((np.cos(angle), np.sin(angle))):
            out, level = self.samples[:, channel], np.float32(gain)
            out[start : start + inside] += level * sound[:inside]
            out[: len(sound) - inside] += level * sound[inside:]

    def note(self, beat: float, length: float, midi: int, timbre: Timbre) -> None:
        """Mix a note in; `length` in beats, after which it is released."""
        sound = _note(self._seconds(length), midi, timbre, self.rate_hz)
        self.add(beat, sound, timbre.pan)

    def echo(self, beats: float, strength: float) -> None:
        """Add one repetition, `beats` later, with the sides swapped."""
        shift = round(self._seconds(beats) * self.rate_hz)
        late = np.roll(self.samples, shift, axis=0)[:, ::-1]
        self.samples = self.samples + np.float32(strength) * late


# The bars repeat, and their notes with them.
@lru_cache(maxsize=256)
def _note(held: Seconds, midi: int, timbre: Timbre, rate_hz: Hertz) -> Sound:
    t = np.arange(round((held + _RELEASE) * rate_hz), dtype=np.float32) / rate_hz
    phase = 2.0 * np.pi * 440.0 * 2.0 ** ((midi - 69) / 12.0) * t
    wave = np.zeros_like(t)
    for n, strength in enumerate(timbre.partials, start=1):
        wave += np.float32(strength) * np.sin(n * phase, dtype=np.float32)
    rise = np.minimum(t / timbre.attack, 1.0)
    fall = np.exp(-t / timbre.decay) * np.clip((held + _RELEASE - t) / _RELEASE, 0, 1)
    level = timbre.level / sum(timbre.partials)
    sound: Sound = (level * wave * rise * fall).astype(np.float32)
    return sound


def _bars() -> Iterator[tuple[float, int, tuple[int, ...]]]:
    """Yield each bar's first beat, its root and its chord."""
    for bar in range(BEATS // 4):
        yield 4.0 * bar, _ROOTS[bar % 4], _CHORDS[bar % 4]


def _drums(loop: Loop) -> None:
    rate = loop.rate_hz
    noise = np.random.default_rng(1).standard_normal(rate, dtype=np.float32)
    t = np.arange(round(0.35 * rate), dtype=np.float32) / rate
    kick = 0.5 * np.exp(-t * 14) * np.sin(2 * np.pi * (46 * t + 6 * np.exp(-t * 32)))
    body = 0.12 * np.exp(-t * 22) * np.sin(2 * np.pi * 190 * t)
    snare = body + 0.09 * noise[: len(t)] * np.exp(-t * 20)
    # A difference of neighbours is the simplest high-pass there is.
    bright = np.diff(noise[: len(t) + 1])
    hat = 0.035 * bright * np.exp(-t * 70)
    for beat, _, _ in _bars():
        for at in _KICKS:
            loop.add(beat + at, kick)
        for at in _SNARES:
            loop.add(beat + at, snare, 0.1)
        for eighth in range(8):
            loop.add(beat + eighth / 2, hat * (1.0 if eighth % 2 else 0.6), -0.35)


def _bass(loop: Loop) -> None:
    for beat, root, _ in _bars():
        for at, length, up in (
            (0, 1.5, 0),
            (1.75, 0.6, 0),
            (2.5, 0.9, 12),
            (3.5, 0.5, 7),
        ):
            loop.note(beat + at, length, root - 12 + up, _BASS)


def _chords(loop: Loop) -> None:
    for beat, _, chord in _bars():
        for at, length in ((0.0, 1.2), (1.5, 0.8), (3.0, 0.7)):
            for midi in chord:
                loop.note(beat + at, length, midi, _KEYS)


def _melody(loop: Loop) -> None:
    ends = (*(beat for beat, _ in _MELODY[1:]), float(BEATS))
    for (beat, midi), end in zip(_MELODY, ends, strict=True):
        loop.note(beat, end - beat, midi, _LEAD)
    loop.echo(0.75, 0.35)


def _arpeggio(loop: Loop) -> None:
    for beat, _, chord in _bars():
        steps = (*chord, chord[0] + 12, *reversed(chord))
        for eighth, midi in enumerate((*steps, chord[1])):
            loop.note(beat + eighth / 2, 0.5, midi + 12, _PLUCK)
    loop.echo(0.5, 0.4)


def _strings(loop: Loop) -> None:
    for beat, _, chord in _bars():
        for midi in chord:
            loop.note(beat, 4.0, midi, _STRINGS)
            loop.note(beat, 4.0, midi + 12, _HIGH_STRINGS)


VOICES: Final[Mapping[str, Callable[[Loop], None]]] = MappingProxyType(
    {
        "drums": _drums,
        "bass": _bass,
        "chords": _chords,
        "melody": _melody,
        "arpeggio": _arpeggio,
        "strings": _strings,
    }
)
"""Voice → what fills a loop with it; the order is that of a band that grows."""


def voice(name: str, rate_hz: Hertz) -> Samples:
    """Return one loop of a voice; raises KeyError for a voice that is not there."""
    loop = Loop(rate_hz)
    VOICES[name](loop)
    return loop.samples


def sine(pitch_hz: int, rate_hz: Hertz, level_db: float) -> Samples:
    """Return one second of a sine in both channels; it loops without a seam."""
    phase = 2.0 * np.pi * pitch_hz * np.arange(rate_hz) / rate_hz
    wave = (10.0 ** (level_db / 20.0) * np.sin(phase)).astype(np.float32)
    return np.column_stack((wave, wave))
