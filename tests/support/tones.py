"""A JACK client that plays sines into ports, or hears ports and says what is in them.

    python -m tests.support.tones SERVER play NAME HZ:DB:PORT …
    python -m tests.support.tones SERVER hear NAME SECONDS PORT …

`play` says ``playing`` once it sounds and plays until it is ended; 0 Hz is a constant
level, in which every click shows. `hear` says ``hearing``, then one line of JSON:
for each port, in order, its `peak`, the largest `step` from sample to sample, the
`last` sample, and the `tones` found by FFT as pairs of hertz and decibels, loudest
first.
"""

import contextlib
import json
import os
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import jack
import numpy as np
import numpy.typing as npt

from tests.support.eventually import eventually

Samples = npt.NDArray[np.float32]

# How long a port may take to be there before it is an error.
APPEARS: Final = 5.0

# A tone this far below the loudest is the window's skirt or the encoder's noise.
FLOOR_DB: Final = -70.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tone:
    hertz: float
    level_db: float
    port: str


def tones_in(samples: Samples, rate: int) -> list[tuple[float, float]]:
    """Return (hertz, decibels) of each tone, loudest first; 0 dB is full scale."""
    window = np.hanning(len(samples))
    spectrum = np.abs(np.fft.rfft(samples * window)) / (window.sum() / 2)
    middle, left, right = spectrum[1:-1], spectrum[:-2], spectrum[2:]
    tops = np.flatnonzero((middle > left) & (middle >= right)) + 1
    # Hann's main lobe is flat enough that the bin beside the tone's true place loses
    # at most 1.4 dB; the energy of the lobe loses nothing.
    found = []
    for top in tops:
        lobe = spectrum[max(top - 3, 0) : top + 4]
        level = 20 * np.log10(np.sqrt((lobe**2).sum() / 1.5) + 1e-12)
        if level > FLOOR_DB:
            found.append((float(top * rate / len(samples)), float(level)))
    found.sort(key=lambda tone: -tone[1])
    return [tone for tone in found if tone[1] > found[0][1] - 60]


def open_client(name: str, server: str) -> jack.Client:
    return jack.Client(name, servername=server, no_start_server=True)


def _wire(client: jack.Client, source: str, sink: str) -> None:
    def wired() -> bool:
        # JACK refuses until both clients are active.
        with contextlib.suppress(jack.JackErrorCode):
            client.connect(source, sink)
        if not {source, sink} <= {port.name for port in client.get_ports()}:
            return False
        return source in {port.name for port in client.get_all_connections(sink)}

    eventually(wired, within=APPEARS)


def play(client: jack.Client, tones: Sequence[Tone]) -> None:
    ports = [client.outports.register(f"out_{n}") for n in range(1, len(tones) + 1)]
    rate, at = client.samplerate, 0

    def sound(frames: int) -> None:
        nonlocal at
        time = np.arange(at, at + frames) / rate
        for tone, port in zip(tones, ports, strict=True):
            wave = np.cos(2 * np.pi * tone.hertz * time)
            port.get_array()[:] = wave * 10 ** (tone.level_db / 20)
        at += frames

    client.set_process_callback(sound)
    with client:
        for tone, port in zip(tones, ports, strict=True):
            _wire(client, port.name, tone.port)
        _say("playing")
        signal.sigwait({signal.SIGTERM, signal.SIGINT})


def hear(client: jack.Client, seconds: float, names: Sequence[str]) -> None:
    ports = [client.inports.register(f"in_{n}") for n in range(1, len(names) + 1)]
    rate = client.samplerate
    length = int(seconds * rate)
    heard = np.zeros((len(names), length), dtype=np.float32)
    at, wired, full = 0, threading.Event(), threading.Event()

    def listen(frames: int) -> None:
        nonlocal at
        if not wired.is_set() or full.is_set():
            return
        room = min(frames, length - at)
        for row, port in zip(heard, ports, strict=True):
            row[at : at + room] = port.get_array()[:room]
        at += room
        if at == length:
            full.set()

    client.set_process_callback(listen)
    with client:
        for name, port in zip(names, ports, strict=True):
            _wire(client, name, port.name)
        wired.set()
        _say("hearing")
        full.wait()
    _say(json.dumps([_said(row, rate) for row in heard]))


def _said(row: Samples, rate: int) -> dict[str, Any]:
    return {
        "peak": float(np.abs(row).max()),
        "step": float(np.abs(np.diff(row)).max()),
        "tones": tones_in(row, rate),
        "last": float(row[-1]),
    }


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(arguments: Sequence[str]) -> None:
    server, verb, name, *rest = arguments
    if verb == "play":
        # Blocked before JACK makes its threads, so that only sigwait takes them.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
        tones = []
        for text in rest:
            hertz, level, port = text.split(":", 2)
            tones.append(Tone(hertz=float(hertz), level_db=float(level), port=port))
        play(open_client(name, server), tones)
    else:
        hear(open_client(name, server), float(rest[0]), rest[1:])


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    main(sys.argv[1:])
