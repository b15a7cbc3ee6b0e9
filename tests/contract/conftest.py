"""What the contract suites share: a bell that counts, and real servers to try."""

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.eventually import eventually


class Rings:
    """A bell that counts, on whichever thread it is rung."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.count = 0

    def __call__(self) -> None:
        with self._lock:
            self.count += 1


@pytest.fixture
def rings() -> Rings:
    return Rings()


def descriptors() -> set[str]:
    """Return this process's open descriptors."""
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


def threads() -> set[str]:
    """Return the names of this process's Python threads."""
    return {thread.name for thread in threading.enumerate()}


class Jackd:
    """A JACK server of our own, without a sound card, that can die and return."""

    def __init__(self, log: Path) -> None:
        self.name = f"contract-{os.getpid()}"
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, period_frames: int = 256) -> None:
        argv = ["jackd", "--name", self.name, "--no-realtime", "-d", "dummy"]
        argv += ["-r", "48000", "-p", str(period_frames)]
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "JACK_NO_AUDIO_RESERVATION": "1"},
                start_new_session=True,
            )

    def kill(self, number: int = signal.SIGKILL) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(number)
            self._process.wait(10)
            self._process = None

    def pause(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


@pytest.fixture
def jackd(tmp_path: Path) -> Iterator[Jackd]:
    server = Jackd(tmp_path / "jackd.log")
    yield server
    server.kill(signal.SIGTERM)
    eventually(lambda: not sockets_of(server.name), within=2)


def sockets_of(server: str) -> list[str]:
    return [f.name for f in Path("/dev/shm").glob(f"jack_{server}_*")]
