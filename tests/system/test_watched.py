"""A real agent under a service manager, whose part the test plays."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.eventually import eventually, steadily

pytestmark = [pytest.mark.real, pytest.mark.timeout(90)]

# Below the ephemeral ports; nobody else's in this project.
PORT, OTHER_PORT = 17752, 17753
PERIOD = 2.0
WITHIN = 30


class Watched:
    """An agent, its file, and what it has said to its service manager so far."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "agent.toml"
        self.log = folder / "log"
        self.said: list[str] = []
        self.write()
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._line.bind(str(folder / "notify"))
        self._line.setblocking(False)
        concerns = {
            "NOTIFY_SOCKET": str(folder / "notify"),
            "WATCHDOG_USEC": str(int(PERIOD * 1_000_000)),
        }
        with self.log.open("wb") as log:
            self.agent = subprocess.Popen(
                (sys.executable, "-m", "agent", "--config", str(self.file)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **concerns},
                # Without a terminal, as under systemd.
                start_new_session=True,
            )

    def write(self, *lines: str, port: int = PORT) -> None:
        own = (
            *lines,
            'name = "alice"',
            f'state_dir = "{self.file.parent / "state"}"',
            f'listen = "127.0.0.1:{port}"',
            'advertise = "127.0.0.1"',
            "mdns = false",
            "[clock]",
            "servers = []",
        )
        self.file.write_text("\n".join(own) + "\n")

    def heard(self, word: str) -> int:
        """Return how often the agent has said this by now."""
        while True:
            try:
                self.said += self._line.recv(4096).decode().split("\n")
            except BlockingIOError:
                return self.said.count(word)

    def hears(self, word: str, times: int = 1) -> None:
        eventually(lambda: self.heard(word) >= times, within=WITHIN)

    def close(self) -> None:
        self.agent.send_signal(signal.SIGCONT)
        self.agent.kill()
        self.agent.wait(10)
        self._line.close()


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    watched = Watched(tmp_path)
    try:
        watched.hears("READY=1")
        yield watched
    finally:
        watched.close()


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def test_it_is_ready_once_it_answers_and_then_lives(watched: Watched) -> None:
    assert answers(PORT)
    watched.hears("WATCHDOG=1", times=6)
    assert watched.heard("READY=1") == 1


def test_a_hung_agent_gives_no_sign_of_life(watched: Watched) -> None:
    watched.agent.send_signal(signal.SIGSTOP)
    eventually(lambda: field(watched.agent.pid, "State") == "T", within=WITHIN)
    before = watched.heard("WATCHDOG=1")
    steadily(lambda: watched.heard("WATCHDOG=1") == before, during=2 * PERIOD)
    watched.agent.send_signal(signal.SIGCONT)
    watched.hears("WATCHDOG=1", times=before + 2)


def test_a_changed_file_is_taken_over_in_place(watched: Watched) -> None:
    watched.write(port=OTHER_PORT)
    watched.agent.send_signal(signal.SIGHUP)
    watched.hears("READY=1", times=2)
    order = [word for word in watched.said if word in ("READY=1", "RELOADING=1")]
    assert order == ["READY=1", "RELOADING=1", "READY=1"]
    assert answers(OTHER_PORT)
    assert not answers(PORT)
    assert watched.agent.poll() is None
    assert "changed=('listen',)" in watched.log.read_text()
    alive = watched.heard("WATCHDOG=1")
    watched.hears("WATCHDOG=1", times=alive + 4)


def test_a_broken_file_changes_nothing_and_each_mistake_is_told(
    watched: Watched,
) -> None:
    watched.write("nmae = 1", "reachable = 7")
    watched.agent.send_signal(signal.SIGHUP)
    watched.hears("READY=1", times=2)
    log = watched.log.read_text()
    assert "nmae" in log
    assert "reachable" in log
    assert log.count("agent.ready") == 1
    assert answers(PORT)
    alive = watched.heard("WATCHDOG=1")
    watched.hears("WATCHDOG=1", times=alive + 4)


def test_an_agent_that_is_told_to_end_says_so_and_ends(watched: Watched) -> None:
    watched.agent.send_signal(signal.SIGTERM)
    assert watched.agent.wait(WITHIN) == 0
    assert watched.heard("STOPPING=1") == 1


def test_signals_that_meet_an_agent_between_two_lives_are_kept(
    watched: Watched,
) -> None:
    for _ in range(3):
        watched.agent.send_signal(signal.SIGHUP)
    watched.hears("RELOADING=1")
    eventually(lambda: is_starting(watched.agent.pid), within=WITHIN)
    watched.agent.send_signal(signal.SIGHUP)
    watched.agent.send_signal(signal.SIGTERM)
    assert watched.agent.wait(WITHIN) == 0
    assert watched.heard("STOPPING=1") == 1


def is_starting(pid: int) -> bool:
    """Whether the hang-up signal is blocked: only between two lives."""
    blocked = int(field(pid, "SigBlk"), 16)
    return bool(blocked & (1 << (signal.SIGHUP - 1)))


def field(pid: int, name: str) -> str:
    """Return the first word of a field of /proc/PID/status (proc(5))."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(f"{name}:"))
    return line.split()[1]
