"""A tenth of a second of a mount's sound, as FFmpeg measured it: arguments and answer.

FFmpeg's `ebur128` filter cuts what it decodes into tenths of a second and measures
loudness; `astats`, behind a resampler to four times the rate, the mean power and the
true peak; `ametadata` prints both, a line a figure.
"""

import math
import re
from dataclasses import dataclass
from typing import Final

from sessiond.units import Decibels, Hertz, Seconds

TENTH: Final = Seconds(0.1)
"""How long the sound of a `Tenth` lasts."""

# EBU Tech 3341 asks for at least four times 48 kHz to find peaks between samples.
_OVERSAMPLED: Final = Hertz(192_000)

# Enough to see what a stream is; the default waits for 5 s of sound.
_PROBE_BYTES: Final = 4096

# BS.1770-4: what is below this is no programme; FFmpeg shows it while there is none.
GATE_LUFS: Final = Decibels(-70.0)

_SILENCE: Final = Decibels(-math.inf)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenth:
    """One tenth of a second; −inf is silence.

    Attributes:
        rms_db: The mean power of all channels; a full-scale sine is −3 dB.
        peak_db: The true peak, dBTP.
        momentary_lufs: Over the 0.4 s that end here.
        short_term_lufs: Over the 3 s that end here.
        integrated_lufs: Since this decoder began.
    """

    rms_db: Decibels
    peak_db: Decibels
    momentary_lufs: Decibels
    short_term_lufs: Decibels
    integrated_lufs: Decibels


def decoder_argv() -> tuple[str, ...]:
    """Return the FFmpeg that hears its input and says what `read_tenths` reads.

    Source: ffmpeg-filters(1), "ebur128", "astats" and "ametadata".
    """
    levels = "measure_perchannel=none:measure_overall=RMS_level+Peak_level"
    measuring = (
        "ebur128=metadata=1",
        f"aresample={_OVERSAMPLED}",
        f"astats=metadata=1:reset=1:{levels}",
        # Without `direct` its lines wait until there are 32 KiB of them.
        "ametadata=mode=print:file=-:direct=1",
    )
    return (
        "ffmpeg",
        "-nostdin",
        "-hide_banner",
        "-nostats",
        *("-loglevel", "error"),
        *("-fflags", "nobuffer"),
        *("-probesize", str(_PROBE_BYTES)),
        *("-analyzeduration", "0"),
        *("-i", "pipe:0"),
        *("-map", "0:a:0"),
        *("-af", ",".join(measuring)),
        *("-f", "null", "-"),
    )


_WHOLE: Final = re.compile(
    r"^frame:[^\n]*\n(?:(?!frame:)[^\n]*\n)*?lavfi\.astats\.Overall\.RMS_level=[^\n]*\n",
    re.MULTILINE,
)
_FIGURE: Final = re.compile(r"^lavfi\.([\w.]+)=(\S+)$", re.MULTILINE)


def read_tenths(text: str) -> tuple[tuple[Tenth, ...], str]:
    """Return the tenths that are whole in FFmpeg's lines, and the rest of the lines.

    Args:
        text: The rest of the last call and what has come since.

    Returns:
        The rest begins with a tenth that is not whole yet, or is empty. A tenth
        without loudness, as at the end of a stream, is left out.
    """
    found = []
    end = 0
    for whole in _WHOLE.finditer(text):
        end = whole.end()
        figures = {name: _decibels(said) for name, said in _FIGURE.findall(whole[0])}
        if "r128.M" in figures:
            found.append(_tenth(figures))
    return tuple(found), text[end:]


def _tenth(figures: dict[str, Decibels]) -> Tenth:
    integrated = figures["r128.I"]
    return Tenth(
        rms_db=figures["astats.Overall.RMS_level"],
        peak_db=figures["astats.Overall.Peak_level"],
        momentary_lufs=figures["r128.M"],
        short_term_lufs=figures["r128.S"],
        integrated_lufs=integrated if integrated > GATE_LUFS else _SILENCE,
    )


def _decibels(said: str) -> Decibels:
    """Read one figure; what is no number, as the level of nothing, is silence."""
    try:
        number = float(said)
    except ValueError:
        return _SILENCE
    return _SILENCE if math.isnan(number) else Decibels(number)
