"""A musician for the lab: plays a file, a voice or a sine in a loop into JACK.

``python -m sessiond.cli.lab.player (FILE | --voice NAME | --sine HZ)`` registers
``music:out_1`` and ``music:out_2`` and plays until it is told to end or until JACK
goes. Players that are given the same epoch play the same place of their loops.
"""

import argparse
import gc
import os
import sys
import threading
import time
import wave
from pathlib import Path
from typing import Final, Self

import jack
import numpy as np

from sessiond.cli.lab import music
from sessiond.cli.lab.music import Samples
from sessiond.errors import Broken, Refused, SessiondError, Unavailable
from sessiond.units import Frames, Hertz, Seconds

# A sine of this level leaves room for seven more on one mount before it clips.
_SINE_DB: Final = -20.0

# Where a loop begins anew, a player this far from the others joins them again.
_STRAYED: Final = Seconds(0.02)

_SIXTEEN_BITS: Final = 2


def read_wav(path: Path, rate_hz: Hertz) -> Samples:
    """Return a WAV file's frames in two channels.

    Raises:
        Refused: No 16-bit WAV file of this rate with one or two channels.
    """
    try:
        with wave.open(str(path), "rb") as file:
            form = (file.getsampwidth(), file.getframerate())
            channels = file.getnchannels()
            raw = file.readframes(file.getnframes())
    except (wave.Error, EOFError) as e:
        raise Refused(f"{path} is no WAV file: {e}.") from e
    if form != (_SIXTEEN_BITS, rate_hz) or channels > 2:
        raise Refused(f"{path} is not 16-bit stereo at {rate_hz} Hz.")
    if not raw:
        raise Refused(f"{path} is empty.")
    frames = np.frombuffer(raw, dtype="<i2").reshape(-1, channels)
    stereo = np.broadcast_to(frames, (len(frames), 2)) if channels == 1 else frames
    return stereo.astype(np.float32) / np.float32(32768)


class Player:
    """One JACK client with two outputs.

    Args:
        client: The name to ask JACK for.

    Raises:
        Unavailable: There is no JACK server.
    """

    def __init__(self, client: str) -> None:
        try:
            self._client = jack.Client(client, no_start_server=True)
        except jack.JackOpenError as e:
            raise Unavailable("There is no JACK server to play to.") from e
        names = ("out_1", "out_2")
        self._ports = tuple(self._client.outports.register(name) for name in names)
        self.rate_hz = Hertz(int(self._client.samplerate))
        self._gone = threading.Event()
        self._samples: Samples = np.zeros((1, 2), dtype=np.float32)
        self._epoch: Seconds | None = None
        self._at = 0
        self._client.set_process_callback(self._fill)
        self._client.set_shutdown_callback(self._leave)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close(ignore_errors=True)

    def play(self, samples: Samples, epoch: Seconds | None) -> None:
        """Play in a loop until JACK goes.

        Args:
            samples: At least one frame of two channels.
            epoch: When the loop began for the first time, by the machine's monotonic
                clock; None begins it now.
        """
        self._samples, self._epoch = samples, epoch
        self._at = self._wanted()
        # A collection would take longer than a period.
        gc.collect()
        gc.freeze()
        gc.disable()
        self._client.activate()
        self._gone.wait()

    def _wanted(self) -> int:
        """Return the frame of the loop that is due now."""
        if self._epoch is None:
            return 0
        played = round((time.monotonic() - self._epoch) * self.rate_hz)
        return played % len(self._samples)

    def _fill(self, frames: Frames) -> None:
        """JACK's process callback: copy the next frames of the loop out."""
        length = len(self._samples)
        done = 0
        while done < frames:
            count = min(frames - done, length - self._at)
            for channel, port in enumerate(self._ports):
                out = port.get_array()
                out[done : done + count] = self._samples[
                    self._at : self._at + count, channel
                ]
            done += count
            self._at += count
            if self._at == length:
                self._begin_anew()

    def _begin_anew(self) -> None:
        self._at = 0
        if self._epoch is None:
            return
        length = len(self._samples)
        wanted = self._wanted()
        # Just before the seam counts as a little early, not as a loop late.
        off = min(wanted, length - wanted)
        if off > _STRAYED * self.rate_hz:
            self._at = wanted

    def _leave(self, _status: object, _reason: str) -> None:
        """JACK's shutdown callback; it only rings."""
        self._gone.set()


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Plays a loop into JACK.")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("file", nargs="?", type=Path, help="a 16-bit WAV file")
    what.add_argument("--voice", choices=list(music.VOICES))
    what.add_argument("--sine", type=int, metavar="HZ")
    parser.add_argument("--level-db", type=float, default=_SINE_DB)
    parser.add_argument("--client", default="music")
    parser.add_argument("--epoch", type=float)
    return parser.parse_args(argv)


def _samples(asked: argparse.Namespace, rate_hz: Hertz) -> Samples:
    if asked.voice is not None:
        return music.voice(asked.voice, rate_hz)
    if asked.sine is not None:
        return music.sine(asked.sine, rate_hz, asked.level_db)
    return read_wav(asked.file, rate_hz)


def main(argv: list[str]) -> int:
    """Play what the arguments name, and end with JACK; returns only an error's code."""
    asked = _arguments(argv)
    try:
        with Player(asked.client) as player:
            player.play(_samples(asked, player.rate_hz), asked.epoch)
            # Closing a client whose server has died can wait for ever.
            os._exit(0)
    except OSError as e:
        return _complain(Broken(f"{asked.file} can't be read: {e.strerror}."))
    except SessiondError as e:
        return _complain(e)


def _complain(error: SessiondError) -> int:
    print(error.sentence, file=sys.stderr)
    return error.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
