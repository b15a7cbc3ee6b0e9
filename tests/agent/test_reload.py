"""What an agent file may say otherwise while its agent runs."""

import socket
from pathlib import Path

import pytest

from agent.config import read
from agent.notify import Notifier
from agent.reload import changed_keys, may_restart
from sessiond.core.mistakes import BadFile
from sessiond.errors import Refused, Unavailable

# Below the ephemeral ports; nobody else's in this project.
BUSY = 17751


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "agent.toml"
    write(file)
    return file


def write(file: Path, *lines: str, name: str = "alice", state: str = "state") -> None:
    first = (f'name = "{name}"', f'state_dir = "{file.parent / state}"')
    file.write_text("\n".join((*first, 'advertise = "127.0.0.1"', *lines)) + "\n")


def test_a_file_that_is_as_it_was_changes_nothing(file: Path) -> None:
    assert changed_keys(file, read(file)) == ()


def test_what_changed_is_named_with_its_table(file: Path) -> None:
    running = read(file)
    write(file, "mdns = false", "[audio]", 'device = "hw:2"')
    assert set(changed_keys(file, running)) == {"mdns", "audio.device"}
    assert may_restart(file, running, Notifier({}))


@pytest.mark.parametrize(("key", "word"), [("name", "name"), ("state", "state_dir")])
def test_what_a_running_agent_must_keep_is_refused(
    file: Path, key: str, word: str
) -> None:
    running = read(file)
    write(file, "mdns = false", **{key: "other"})
    with pytest.raises(Refused, match=word):
        changed_keys(file, running)
    assert not may_restart(file, running, Notifier({}))
    assert not (file.parent / "other").exists()


def test_every_mistake_is_written_into_the_log(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    running = read(file)
    write(file, "mdn = 1", "reachable = 7")
    with pytest.raises(BadFile):
        changed_keys(file, running)
    assert not may_restart(file, running, Notifier({}))
    said = capsys.readouterr().out
    assert "line 4" in said
    assert "line 5" in said


def test_a_file_that_has_gone_leaves_the_agent_as_it_is(file: Path) -> None:
    running = read(file)
    file.unlink()
    assert not may_restart(file, running, Notifier({}))


def test_a_port_that_somebody_else_has_is_refused(file: Path) -> None:
    running = read(file)
    write(file, f'listen = "127.0.0.1:{BUSY}"')
    busy = pytest.raises(Unavailable, match=str(BUSY))
    with socket.create_server(("127.0.0.1", BUSY)), busy:
        changed_keys(file, running)
    assert changed_keys(file, running) == ("listen",)


def test_a_port_that_is_ours_already_is_not_tried(file: Path) -> None:
    write(file, f'listen = "127.0.0.1:{BUSY}"')
    running = read(file)
    write(file, f'listen = "0.0.0.0:{BUSY}"')
    with socket.create_server(("127.0.0.1", BUSY)):
        assert changed_keys(file, running) == ("listen",)


def test_an_agent_goes_on_as_before_when_its_studios_file_is_bad(file: Path) -> None:
    running = read(file)
    write(file, 'join_token_file = "nowhere"')
    assert not may_restart(file, running, Notifier({}))
