"""FFmpeg 5.1's own lines, of music and of digital silence."""

import math

from sessiond.core.tenths import Tenth, decoder_argv, read_tenths
from sessiond.units import Decibels

FIRST = """\
frame:0    pts:0       pts_time:0
lavfi.r128.M=-29.261
lavfi.r128.S=-120.691
lavfi.r128.I=-29.270
lavfi.r128.LRA=0.000
lavfi.astats.Overall.Peak_level=-20.998102
lavfi.astats.Overall.RMS_level=-31.537922
"""
SILENT = """\
frame:1    pts:19200   pts_time:0.1
lavfi.r128.M=-120.691
lavfi.r128.S=-120.691
lavfi.r128.I=-70.000
lavfi.astats.Overall.Peak_level=-inf
lavfi.astats.Overall.RMS_level=-inf
"""
# What the resampler still held when the stream ended.
LAST = """\
frame:600  pts:11519936 pts_time:59.9997
lavfi.astats.Overall.Peak_level=-24.909140
lavfi.astats.Overall.RMS_level=-27.814863
"""

SILENCE = Decibels(-math.inf)
MUSIC = Tenth(
    rms_db=Decibels(-31.537922),
    peak_db=Decibels(-20.998102),
    momentary_lufs=Decibels(-29.261),
    short_term_lufs=Decibels(-120.691),
    integrated_lufs=Decibels(-29.27),
)
NOTHING = Tenth(
    rms_db=SILENCE,
    peak_db=SILENCE,
    momentary_lufs=Decibels(-120.691),
    short_term_lufs=Decibels(-120.691),
    integrated_lufs=SILENCE,
)


def test_whole_tenths_are_read_and_the_rest_is_kept() -> None:
    assert read_tenths("") == ((), "")
    assert read_tenths(FIRST + SILENT) == ((MUSIC, NOTHING), "")
    half = SILENT[:60]
    assert read_tenths(FIRST + half) == ((MUSIC,), half)
    assert read_tenths(half + SILENT[60:]) == ((NOTHING,), "")


def test_lines_may_come_in_any_pieces() -> None:
    rest = ""
    found: list[Tenth] = []
    for letter in FIRST + SILENT + FIRST:
        tenths, rest = read_tenths(rest + letter)
        found += tenths
    assert found == [MUSIC, NOTHING, MUSIC]


def test_what_has_no_loudness_is_left_out() -> None:
    assert read_tenths(FIRST + LAST) == ((MUSIC,), "")


def test_no_number_is_silence() -> None:
    (read,), _ = read_tenths(FIRST.replace("-31.537922", "nan"))
    assert read.rms_db == SILENCE
    (read,), _ = read_tenths(FIRST.replace("-31.537922", "what"))
    assert read.rms_db == SILENCE


def test_the_argument_list() -> None:
    assert " ".join(decoder_argv()) == (
        "ffmpeg -nostdin -hide_banner -nostats -loglevel error -fflags nobuffer "
        "-probesize 4096 -analyzeduration 0 -i pipe:0 -map 0:a:0 -af "
        "ebur128=metadata=1,aresample=192000,"
        "astats=metadata=1:reset=1:measure_perchannel=none"
        ":measure_overall=RMS_level+Peak_level,"
        "ametadata=mode=print:file=-:direct=1 -f null -"
    )
