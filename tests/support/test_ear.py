"""The ear hears what is there and nothing else."""

import asyncio
import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sessiond.units import Hertz, Seconds
from tests.support.containers import moments
from tests.support.ear import (
    Heard,
    Pcm,
    Span,
    decode,
    listen,
    play_out,
    silences,
    spectrum_peaks,
    time_to_first_audio,
    tones,
)
from tests.support.eventually import every

RATE = Hertz(48000)

FORMATS = {
    "vorbis": ("-c:a", "libvorbis", "-b:a", "128k", "-f", "ogg"),
    "opus": ("-c:a", "libopus", "-b:a", "96k", "-f", "ogg"),
    "flac": ("-c:a", "flac", "-f", "ogg"),
    "mp3": ("-c:a", "libmp3lame", "-b:a", "128k", "-id3v2_version", "0",
            "-write_xing", "0", "-f", "mp3"),
}  # fmt: skip


def sines(*pitches: float, seconds: float = 2.0, level_db: float = -20.0) -> Pcm:
    """Return the sum of some sines, the same in both channels."""
    t = np.arange(round(seconds * RATE)) / RATE
    wave = sum((np.sin(2 * np.pi * p * t) for p in pitches), np.zeros_like(t))
    return sound(10 ** (level_db / 20) * wave)


def sound(left: NDArray[np.float64], right: NDArray[np.float64] | None = None) -> Pcm:
    sides = (left, left if right is None else right)
    return Pcm(rate_hz=RATE, samples=np.column_stack(sides).astype(np.float32))


def encoded(pcm: Pcm, form: str) -> bytes:
    argv = (
        "ffmpeg", "-nostdin", "-hide_banner", "-loglevel", "error",
        "-f", "f32le", "-ac", "2", "-ar", str(pcm.rate_hz), "-i", "pipe:0",
        "-flush_packets", "1", "-page_duration", "200000", *FORMATS[form], "pipe:1",
    )  # fmt: skip
    raw = pcm.samples.astype("<f4").tobytes()
    return subprocess.run(argv, input=raw, capture_output=True, check=True).stdout


def heard(stream: bytes, *, came: dict[int, float] | None = None) -> Heard:
    """Return a stream as it came: byte offset → when what stands from there came."""
    plan = sorted((came or {0: 0.0}).items())
    ends = [*(offset for offset, _ in plan[1:]), len(stream)]
    chunks = [
        (Seconds(100.0 + at), stream[offset:end])
        for (offset, at), end in zip(plan, ends, strict=True)
    ]
    return Heard(asked_at=Seconds(99.5), chunks=chunks)


# --- tones ----------------------------------------------------------------------


def test_sines_are_named_on_a_raster_of_10_hz() -> None:
    assert tones(sines(440, 660, 1000)) == {440, 660, 1000}
    assert tones(sines(439.6)) == {440}


def test_silence_has_no_tones() -> None:
    assert tones(sound(np.zeros(RATE))) == frozenset()


def test_too_short_a_sound_has_no_tones() -> None:
    assert tones(sines(440, seconds=0.1)) == frozenset()


def test_levels_are_in_full_scale_decibels() -> None:
    (tone,) = spectrum_peaks(sines(1002.0, level_db=-12.0))
    assert tone.pitch_hz == pytest.approx(1002.0, abs=0.3)
    assert tone.level_db == pytest.approx(-12.0, abs=0.2)


def test_a_sine_in_one_channel_only_is_heard() -> None:
    both = sines(440).samples[:, 0].astype(np.float64)
    assert tones(sound(both, np.zeros_like(both))) == {440}


def test_a_much_quieter_sine_is_heard_and_a_trace_is_not() -> None:
    loud, quiet, trace = sines(440), sines(600, level_db=-45), sines(800, level_db=-55)
    mixed = loud.samples + quiet.samples + trace.samples
    assert tones(Pcm(rate_hz=RATE, samples=mixed)) == {440, 600}


def test_clicks_are_no_tones() -> None:
    clicked = sines(440, seconds=1.0)
    clicked.samples[10_000:10_200] = 0.0
    clicked.samples[36_000] = 1.0
    assert tones(clicked) == {440}


def test_a_tone_that_stops_half_way_is_not_steady() -> None:
    stopped = sines(440, 700)
    stopped.samples[RATE:] = sines(440).samples[RATE:]
    assert tones(stopped) == {440}


@pytest.mark.real
@pytest.mark.parametrize("form", FORMATS)
def test_tones_survive_every_format(form: str) -> None:
    assert tones(decode(encoded(sines(440, 550, 660, 770), form))) == {
        440,
        550,
        660,
        770,
    }


@pytest.mark.real
@pytest.mark.parametrize("form", ["vorbis", "opus"])
@pytest.mark.parametrize("seed", range(6))
def test_an_encoders_own_sines_are_no_tones(form: str, seed: int) -> None:
    pitches = (440, 550, 660, 770)
    t = np.arange(2 * RATE)[:, None] / RATE
    phases = np.random.default_rng(seed).uniform(0, 2 * np.pi, len(pitches))
    mix = 0.1 * np.sin(2 * np.pi * np.array(pitches) * t + phases).sum(axis=1)
    heard = decode(encoded(sound(mix), form))
    assert tones(heard.part(1.0, heard.duration)) == set(pitches)


# --- silence --------------------------------------------------------------------


def test_silences_are_found_with_their_place() -> None:
    pcm = sines(440)
    pcm.samples[RATE // 2 : RATE] = 0.0
    (span,) = silences(pcm)
    assert (span.start, span.end) == pytest.approx((0.5, 1.0), abs=0.02)


def test_a_short_stop_is_no_silence_and_all_silence_is_one() -> None:
    pcm = sines(440)
    pcm.samples[RATE : RATE + RATE // 50] = 0.0
    assert silences(pcm) == ()
    assert silences(sound(np.zeros(RATE))) == (Span(Seconds(0.0), Seconds(1.0)),)
    assert silences(sound(np.zeros(0))) == ()


def test_one_sounding_channel_is_no_silence() -> None:
    left = sines(440).samples[:, 0].astype(np.float64)
    assert silences(sound(left, np.zeros_like(left))) == ()


# --- containers -----------------------------------------------------------------


@pytest.mark.real
@pytest.mark.parametrize("form", FORMATS)
def test_moments_add_up_to_the_sound(form: str) -> None:
    stream = encoded(sines(440, seconds=3.0), form)
    found = moments(stream)
    assert sum(m.duration for m in found) == pytest.approx(3.0, abs=0.25)
    assert [m.end for m in found] == sorted(m.end for m in found)
    assert found[-1].end <= len(stream)


@pytest.mark.real
@pytest.mark.parametrize("form", ["vorbis", "opus", "flac"])
def test_chains_are_heard_one_after_the_other(form: str) -> None:
    stream = encoded(sines(440), form) + encoded(sines(660), form)
    assert sum(m.duration for m in moments(stream)) == pytest.approx(4.0, abs=0.5)
    pcm = decode(stream)
    assert pcm.duration == pytest.approx(4.0, abs=0.1)
    assert tones(pcm.part(0.2, 1.8)) == {440}
    assert tones(pcm.part(2.2, 3.8)) == {660}


def test_no_stream_has_no_moments() -> None:
    assert moments(b"") == ()
    assert moments(b"\xff\xff\xff\xff no mp3") == ()


# --- a player's clock -----------------------------------------------------------


@pytest.mark.real
@pytest.mark.parametrize("form", FORMATS)
def test_bytes_in_time_give_no_silence(form: str) -> None:
    stream = encoded(sines(440, seconds=3.0), form)
    out = play_out(heard(stream))
    assert out.silence == 0.0
    assert out.duration == pytest.approx(3.0, abs=0.25)


@pytest.mark.real
@pytest.mark.parametrize("form", FORMATS)
def test_late_bytes_are_silence_only_beyond_what_is_buffered(form: str) -> None:
    stream = encoded(sines(440, seconds=4.0), form)
    # Two seconds of sound lie in the buffer when the bytes stop; the rest comes 3 s
    # after the first byte, so a player has nothing for one second.
    middle = offset_of(stream, 2.0)
    out = play_out(heard(stream, came={0: 0.0, middle: 3.0}))
    assert out.silence == pytest.approx(1.0, abs=0.3)
    assert not out.silent
    in_time = play_out(heard(stream, came={0: 0.0, middle: 1.5}))
    assert in_time.silence == 0.0


@pytest.mark.real
def test_silence_in_the_sound_counts_and_has_its_place_on_the_players_clock() -> None:
    pcm = sines(440, seconds=4.0)
    pcm.samples[3 * RATE :] = 0.0
    stream = encoded(pcm, "flac")
    out = play_out(heard(stream, came={0: 0.0, offset_of(stream, 1.0): 2.0}))
    assert out.silence == pytest.approx(2.0, abs=0.3)
    assert out.silent[0].start == pytest.approx(4.0, abs=0.3)


def offset_of(stream: bytes, seconds: float) -> int:
    """Return the byte after which this much sound is complete."""
    position = 0.0
    for moment in moments(stream):
        position += moment.duration
        if position >= seconds:
            return moment.end
    raise AssertionError(seconds)


@pytest.mark.real
def test_first_audio_is_when_its_page_had_come() -> None:
    pcm = sines(440, seconds=3.0)
    pcm.samples[: 2 * RATE] = 0.0
    stream = encoded(pcm, "opus")
    late = heard(stream, came={0: 0.0, offset_of(stream, 1.5): 1.25})
    assert late.time_to_first_byte == pytest.approx(0.5)
    assert time_to_first_audio(late) == pytest.approx(1.75)
    assert time_to_first_audio(heard(encoded(sound(np.zeros(RATE)), "opus"))) == float(
        "inf"
    )


def test_nothing_heard_is_nothing_played() -> None:
    nothing = Heard(asked_at=Seconds(0.0))
    assert play_out(nothing).duration == 0.0
    assert nothing.time_to_first_byte == float("inf")
    assert nothing.longest_gap == 0.0


# --- receiving ------------------------------------------------------------------


async def test_listening_notes_the_head_and_when_bytes_came() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        assert asked.startswith(b"GET /mix.ogg HTTP/1.0\r\n")
        writer.write(b"HTTP/1.0 200 OK\r\nContent-Type: application/ogg\r\n\r\n")
        async for beat in every(0.2):
            writer.write(b"abc" if beat == 0 else b"def")
            if beat == 1:
                break
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        got = await listen("127.0.0.1", port, "/mix.ogg", seconds=5)
    assert got.status == "HTTP/1.0 200 OK"
    assert got.headers["content-type"] == "application/ogg"
    assert got.body == b"abcdef"
    assert got.longest_gap >= 0.15
    assert got.came_at(3) == got.chunks[0][0]
    assert got.finished.is_set()


async def test_listening_ends_when_the_time_is_up() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.0 200 OK\r\n\r\nabc")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        got = await listen("127.0.0.1", port, "/x.ogg", seconds=0.2)
    assert got.body == b"abc"
    assert not got.finished.is_set()


def test_what_is_no_sound_decodes_to_nothing(tmp_path: Path) -> None:
    assert decode(b"<html>404</html>").duration == 0.0
