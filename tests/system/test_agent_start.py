"""An agent that can't start says so in a sentence, with the right exit code."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.eventually import eventually
from tests.support.jam import Said

pytestmark = [pytest.mark.real, pytest.mark.timeout(90)]

# Below the ephemeral ports; nobody else's in this project.
BUSY, FREE = 17741, 17742


def agent_file(folder: Path, *lines: str, port: int = FREE, state: str = "") -> Path:
    """Write an agent.toml that needs no network; `lines` come first."""
    file = folder / "agent.toml"
    own = (
        *lines,
        f'state_dir = "{state or folder / "state"}"',
        f'listen = "127.0.0.1:{port}"',
        'advertise = "127.0.0.1"',
        "mdns = false",
        "[clock]",
        "servers = []",
    )
    file.write_text("\n".join(own) + "\n")
    return file


def started(file: Path) -> Said:
    """Return how an agent with this file ends by itself."""
    argv = (sys.executable, "-m", "agent", "--config", str(file))
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    return Said(code=done.returncode, out=done.stdout, err=done.stderr)


def says(said: Said, code: int, *words: str) -> bool:
    assert said.code == code, said
    assert said.err.startswith("sessiond-agent: "), said.err
    assert "Traceback" not in said.err, said.err
    for word in words:
        assert word in said.err, said.err
    return "hint: " in said.err


@pytest.fixture
def busy_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", BUSY)):
        yield BUSY


def test_a_busy_port(tmp_path: Path, busy_port: int) -> None:
    file = agent_file(tmp_path, port=busy_port)
    assert says(started(file), 3, str(busy_port))


def test_an_address_of_another_host(tmp_path: Path) -> None:
    file = agent_file(tmp_path)
    file.write_text(file.read_text().replace('"127.0.0.1:', '"203.0.113.7:'))
    assert says(started(file), 3, "203.0.113.7")


def test_a_state_folder_that_cant_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for state in ("/proc/nosuch", f"{tmp_path}/file/state"):
        assert says(started(agent_file(tmp_path, state=state)), 4, state)


def test_a_state_folder_that_is_somebody_elses(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir(mode=0o755)
    (theirs / "letters").touch()
    assert says(started(agent_file(tmp_path, state=str(theirs))), 4, "theirs")
    assert theirs.stat().st_mode & 0o777 == 0o755


def test_a_file_with_mistakes_names_them_all(tmp_path: Path) -> None:
    file = agent_file(tmp_path, 'nmae = "x"', "reachable = 1", 'peers = ["x y"]')
    said = started(file)
    assert says(said, 2, "line 1", "name", "line 2", "reachable", "line 3", "x y")
    assert not (tmp_path / "state").exists()


def test_a_state_that_the_disk_has_damaged(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    (state / "identity.0").write_text("garbage")
    assert says(started(agent_file(tmp_path)), 4, "identity")


def test_a_second_agent_on_one_state_folder(tmp_path: Path) -> None:
    file = agent_file(tmp_path)
    argv = (sys.executable, "-m", "agent", "--config", str(file))
    with (tmp_path / "log").open("wb") as log:
        first = subprocess.Popen(argv, stdout=log, stderr=log, start_new_session=True)
    try:
        eventually((tmp_path / "state" / "agent.sock").is_socket, within=30)
        assert says(started(file), 4, "another agent", str(tmp_path / "state"))
        assert first.poll() is None
    finally:
        first.terminate()
        assert first.wait(20) == 0
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
