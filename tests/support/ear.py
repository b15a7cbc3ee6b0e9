"""An ear for tests: what a listener of a mount, or a musician, really hears.

`listening` receives a mount over the network and notes when each byte came; `decode`
turns the bytes into sound with FFmpeg; `tones` names the sines in it; `silences`
finds where nothing sounds; `play_out` says what a player's loudspeaker would have
given, lateness included. All times are on this machine's monotonic clock, seconds.
"""

import asyncio
import contextlib
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sessiond.units import Decibels, Hertz, Seconds
from tests.support.containers import Moment, moments

# One row of a spectrum: long enough to part sines 40 Hz from each other with a window
# whose main lobe is 8 bins wide, short enough that a click spoils few rows.
_SEGMENT: Final = Seconds(0.25)
_HOP: Final = Seconds(0.05)

# A sine sounds in nearly all rows, a click's spectrum in the few that it falls into:
# what counts is the level that three quarters of the rows reach.
_STEADY: Final = 25

# Blackman–Harris, four terms: side lobes 92 dB down, so none passes for a sine.
# Source: F. J. Harris, "On the use of windows", Proc. IEEE 66 (1978).
_WINDOW_TERMS: Final = (0.35875, -0.48829, 0.14128, -0.01168)

# A sine this far below the strongest is a codec's artefact or a window's: Vorbis and
# Opus make steady ones of up to -39.7 dB from two to four sines, for as long as these
# keep their phases, which can be a whole session.
_RELATIVE_FLOOR: Final = Decibels(-30.0)
_ABSOLUTE_FLOOR: Final = Decibels(-60.0)

# Tests play sines on this raster, so that 439.98 Hz is 440.
GRID_HZ: Final = 10

# What a codec makes of digital silence stays below this.
_SILENCE_DB: Final = Decibels(-50.0)
_BLOCK: Final = Seconds(0.01)

# A second is longer than any player needs for its headers; also, no test waits more.
_CONNECT_WITHIN: Final = Seconds(5.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pcm:
    """Decoded sound; `samples` is frames × channels, full scale is 1."""

    rate_hz: Hertz
    samples: NDArray[np.float32]

    @property
    def duration(self) -> Seconds:
        return Seconds(len(self.samples) / self.rate_hz)

    def part(self, start: float, end: float) -> "Pcm":
        """Return the sound from `start` to `end`, seconds."""
        first, last = round(start * self.rate_hz), round(end * self.rate_hz)
        return Pcm(rate_hz=self.rate_hz, samples=self.samples[first:last])


@dataclass(frozen=True, slots=True, kw_only=True)
class Tone:
    """One sine and its level, 0 dB being full scale."""

    pitch_hz: float
    level_db: Decibels


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time, seconds; from what, its maker says."""

    start: Seconds
    end: Seconds

    @property
    def duration(self) -> Seconds:
        return Seconds(self.end - self.start)


@dataclass(slots=True, kw_only=True)
class Heard:
    """What has come from a mount so far.

    Attributes:
        asked_at: When the request was sent.
        status: The answer's first line.
        headers: The answer's other lines, names in lower case.
        chunks: Each with the time it came; the answer's head is not among them.
        finished: Set once the server has closed the connection.
    """

    asked_at: Seconds
    status: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    chunks: list[tuple[Seconds, bytes]] = field(default_factory=list)
    finished: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def body(self) -> bytes:
        return b"".join(chunk for _, chunk in self.chunks)

    @property
    def time_to_first_byte(self) -> Seconds:
        """From the request to the first byte of the stream; inf without one."""
        if not self.chunks:
            return Seconds(float("inf"))
        return Seconds(self.chunks[0][0] - self.asked_at)

    @property
    def longest_gap(self) -> Seconds:
        """The longest time without a byte between two chunks."""
        times = [at for at, _ in self.chunks]
        return Seconds(max(np.diff(times), default=0.0))

    def came_at(self, length: int) -> Seconds:
        """Return when the first `length` bytes were there; raises IndexError."""
        ends = np.cumsum([len(chunk) for _, chunk in self.chunks])
        return self.chunks[int(np.searchsorted(ends, length))][0]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayOut:
    """What a player's loudspeaker gave, by its own clock from the first byte on.

    Attributes:
        late: Where it had nothing to play because bytes came late.
        silent: Where it played, but what it played was silence.
        duration: From the first byte to the end of the last one's sound.
    """

    late: tuple[Span, ...]
    silent: tuple[Span, ...]
    duration: Seconds

    @property
    def silence(self) -> Seconds:
        """Seconds without sound, whatever the reason."""
        return Seconds(sum(span.duration for span in (*self.late, *self.silent)))


# --- receiving ------------------------------------------------------------------

Connect = Callable[[str, int], socket.socket]
"""Address, port → a connected socket; `LabHost.connect` is one."""


def from_here(address: str, port: int) -> socket.socket:
    return socket.create_connection((address, port), _CONNECT_WITHIN)


@contextlib.asynccontextmanager
async def listening(
    address: str,
    port: int,
    path: str,
    *,
    connect: Connect = from_here,
    tls: ssl.SSLContext | None = None,
    icy: bool = False,
) -> AsyncIterator[Heard]:
    """Listen to a mount until the block ends; what has come grows meanwhile.

    Args:
        address: Where Icecast is, as a listener sees it.
        port: Icecast's port.
        path: The mount with its slash.
        connect: From where to listen; by default from this very process.
        tls: Whom to trust; None speaks plain HTTP.
        icy: Ask for the titles that MP3 carries between its sound.
    """
    opened = await asyncio.to_thread(connect, address, port)
    opened.setblocking(False)
    reader, writer = await asyncio.open_connection(
        sock=opened, ssl=tls, server_hostname=address if tls else None
    )
    heard = Heard(asked_at=Seconds(time.monotonic()))
    asks = f"Host: {address}\r\nUser-Agent: ear\r\nIcy-MetaData: {icy:d}\r\n"
    request = f"GET {path} HTTP/1.0\r\n{asks}\r\n"
    writer.write(request.encode())
    async with asyncio.TaskGroup() as tasks:
        receiving = tasks.create_task(_receive(reader, heard))
        try:
            yield heard
        finally:
            receiving.cancel()
            writer.close()
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        await writer.wait_closed()


async def _receive(reader: asyncio.StreamReader, heard: Heard) -> None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        heard.status, *lines = head.decode("latin-1").strip().split("\r\n")
        pairs = (line.partition(":") for line in lines)
        heard.headers |= {name.lower(): value.strip() for name, _, value in pairs}
        while chunk := await reader.read(65536):
            heard.chunks.append((Seconds(time.monotonic()), chunk))
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    heard.finished.set()


async def listen(
    address: str, port: int, path: str, *, seconds: float, connect: Connect = from_here
) -> Heard:
    """Listen to a mount for some seconds, or to its end if that comes before."""
    async with listening(address, port, path, connect=connect) as heard:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await heard.finished.wait()
    return heard


# --- decoding -------------------------------------------------------------------


def decode(body: bytes, rate_hz: Hertz = Hertz(48000)) -> Pcm:
    """Decode what an Icecast mount sent, of whatever format, into two channels.

    What can't be decoded is left out, as a player would; nothing at all gives an
    empty `Pcm`.
    """
    argv = (
        "ffmpeg", "-nostdin", "-hide_banner", "-loglevel", "error", "-i", "pipe:0",
        "-f", "f32le", "-ac", "2", "-ar", str(rate_hz), "pipe:1",
    )  # fmt: skip
    done = subprocess.run(argv, input=body, capture_output=True, check=False)
    whole = len(done.stdout) // 8 * 8
    samples = np.frombuffer(done.stdout[:whole], dtype="<f4").reshape(-1, 2)
    return Pcm(rate_hz=rate_hz, samples=samples.astype(np.float32))


# --- hearing --------------------------------------------------------------------


def spectrum_peaks(pcm: Pcm) -> tuple[Tone, ...]:
    """Return the steady sines in a sound, the loudest first.

    Both channels count, the louder of the two for each sine. Clicks do not,
    nor does what sounds for less than three quarters of the time.

    Args:
        pcm: At least 0.25 s; less gives no tones.
    """
    size = round(_SEGMENT * pcm.rate_hz)
    if len(pcm.samples) < size:
        return ()
    levels = _levels(pcm, size)
    floor = max(levels.max() + _RELATIVE_FLOOR, _ABSOLUTE_FLOOR)
    middle = levels[1:-1]
    tops = (middle > levels[:-2]) & (middle >= levels[2:]) & (middle > floor)
    found = [_tone(levels, int(top), pcm.rate_hz / size) for top in _indices(tops)]
    return tuple(sorted(found, key=lambda tone: -tone.level_db))


def tones(pcm: Pcm) -> frozenset[int]:
    """Return which sines sound, each rounded to `GRID_HZ`."""
    return frozenset(
        round(tone.pitch_hz / GRID_HZ) * GRID_HZ for tone in spectrum_peaks(pcm)
    )


def _indices(tops: NDArray[np.bool_]) -> Iterator[int]:
    yield from (int(i) + 1 for i in np.flatnonzero(tops))


def _levels(pcm: Pcm, size: int) -> NDArray[np.float64]:
    """Return dB a bin: the steady level, in the louder channel."""
    angle = 2.0 * np.pi * np.arange(size) / size
    harmonics = np.cos(np.outer(np.arange(len(_WINDOW_TERMS)), angle))
    window = np.array(_WINDOW_TERMS) @ harmonics
    starts = range(0, len(pcm.samples) - size + 1, round(_HOP * pcm.rate_hz))
    stretches = np.stack([pcm.samples[s : s + size] for s in starts])
    lines = np.abs(np.fft.rfft(stretches * window[None, :, None], axis=1))
    # A full-scale sine gives half the window's sum.
    scaled = np.percentile(lines, _STEADY, axis=0).max(axis=1) * 2.0 / window.sum()
    decibels: NDArray[np.float64] = 20.0 * np.log10(np.maximum(scaled, 1e-9))
    return decibels


def _tone(levels: NDArray[np.float64], top: int, bin_hz: float) -> Tone:
    """Place a peak between bins by the parabola through its three points in dB."""
    before, at, after = levels[top - 1 : top + 2]
    shift = 0.5 * (before - after) / (before - 2.0 * at + after)
    level = at - 0.25 * (before - after) * shift
    return Tone(pitch_hz=(top + shift) * bin_hz, level_db=Decibels(float(level)))


def silences(
    pcm: Pcm, *, below_db: float = _SILENCE_DB, at_least: float = 0.05
) -> tuple[Span, ...]:
    """Return where both channels are silent, in seconds from the sound's start.

    Args:
        pcm: Any length.
        below_db: RMS of 10 ms that counts as silence.
        at_least: Shorter stretches are part of music.
    """
    size = round(_BLOCK * pcm.rate_hz)
    count = len(pcm.samples) // size
    blocks = pcm.samples[: count * size].reshape(count, size, pcm.samples.shape[1])
    rms = np.sqrt((blocks.astype(np.float64) ** 2).mean(axis=1)).max(axis=1)
    quiet = rms < 10.0 ** (below_db / 20.0)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], quiet, [False]))))
    spans = (
        Span(Seconds(float(a * _BLOCK)), Seconds(float(b * _BLOCK)))
        for a, b in edges.reshape(-1, 2)
    )
    return tuple(span for span in spans if span.duration >= at_least)


# --- a player's clock -----------------------------------------------------------


def play_out(heard: Heard) -> PlayOut:
    """Return what a player that starts at the first byte would have given.

    It plays each page (or frame, in MP3) as soon as the one before it has ended, and
    where that page has not come yet, it is silent until it comes. It skips nothing.
    """
    at = _schedule(heard)
    late = tuple(
        Span(Seconds(before), Seconds(start))
        for (before, start) in _waits(at)
        if start - before > _BLOCK
    )
    pcm = decode(heard.body)
    silent = tuple(_moved(span, at) for span in silences(pcm))
    end = at[-1][1] + at[-1][0].duration if at else 0.0
    return PlayOut(late=late, silent=silent, duration=Seconds(end))


def time_to_first_audio(heard: Heard) -> Seconds:
    """Return seconds from the request until the first sound had come; inf if none."""
    pcm = decode(heard.body)
    loud = np.flatnonzero(np.abs(pcm.samples).max(axis=1) > 10 ** (_SILENCE_DB / 20))
    if not loud.size:
        return Seconds(float("inf"))
    return Seconds(arrival(heard, loud[0] / pcm.rate_hz) - heard.asked_at)


def arrival(heard: Heard, position: float) -> Seconds:
    """Return when that second of the decoded sound had come; inf if it has not."""
    played = 0.0
    for moment in moments(heard.body):
        played += moment.duration
        if played > position:
            return heard.came_at(moment.end)
    return Seconds(float("inf"))


def _schedule(heard: Heard) -> list[tuple[Moment, float]]:
    """Return each moment with the time at which it is played, from the first byte."""
    begun = heard.chunks[0][0] if heard.chunks else 0.0
    free, schedule = 0.0, []
    for moment in moments(heard.body):
        start = max(free, heard.came_at(moment.end) - begun)
        schedule.append((moment, start))
        free = start + moment.duration
    return schedule


def _waits(schedule: list[tuple[Moment, float]]) -> Iterator[tuple[float, float]]:
    free = 0.0
    for moment, start in schedule:
        yield free, start
        free = start + moment.duration


def _moved(span: Span, schedule: list[tuple[Moment, float]]) -> Span:
    """Return a stretch of the decoded sound where the player's clock has it."""
    position = 0.0
    shift = 0.0
    for moment, start in schedule:
        if position > span.start:
            break
        shift = start - position
        position += moment.duration
    return Span(Seconds(span.start + shift), Seconds(span.end + shift))
