"""What the contract suites share: a bell that counts, and real servers to try."""

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

import pytest

from agent.adapters.jack_leftovers import drop_dead_metadata
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

    def argv(self) -> tuple[str, ...]:
        server = ("jackd", "--name", self.name, "--no-realtime")
        return (*server, "-d", "dummy", "-r", "48000", "-p", "256")

    def start(self) -> None:
        drop_dead_metadata()
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                self.argv(),
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


def write_on(file: FileIO) -> None:
    while True:
        file.write(b"\0" * 4096)


class SmallDisk:
    """A file system of a hundred pages that can be filled up or made read-only."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._run("mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(place))

    def fill(self) -> None:
        ballast = (self.place / "ballast").open("wb", buffering=0)
        with ballast, pytest.raises(OSError, match="No space left"):
            write_on(ballast)

    def fill_more(self) -> None:
        """Take what has become free since `fill`."""
        more = (self.place / "ballast").open("ab", buffering=0)
        with more, pytest.raises(OSError, match="No space left"):
            write_on(more)

    def empty(self) -> None:
        (self.place / "ballast").unlink()

    def read_only(self) -> None:
        self._run("mount", "-o", "remount,ro", str(self.place))

    def close(self) -> None:
        self._run("umount", str(self.place))

    def _run(self, *argv: str) -> None:
        subprocess.run(argv, check=True, capture_output=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    place = tmp_path / "small"
    place.mkdir()
    small = SmallDisk(place)
    yield small
    small.close()
