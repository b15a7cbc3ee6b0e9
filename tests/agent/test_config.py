import os
from pathlib import Path

import pytest

from agent.config import (
    host_defaults,
    load,
    own_address,
    prepare_state_dir,
    read,
    read_studio,
)
from sessiond.core.mistakes import BadFile
from sessiond.core.namerules import is_internet_host
from sessiond.errors import Broken, Refused
from sessiond.places import default_config_file, default_state_dir


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def file(tmp_path: Path, state_dir: Path) -> Path:
    file = tmp_path / "agent.toml"
    file.write_text(f'state_dir = "{state_dir}"\nname = "alice"\n')
    return file


def test_a_file_is_read_and_its_state_folder_made(file: Path, state_dir: Path) -> None:
    config = load(file)
    assert config.name == "alice"
    assert config.state_dir == str(state_dir)
    assert state_dir.stat().st_mode & 0o777 == 0o700
    assert list(state_dir.iterdir()) == []


def test_the_default_file_is_used_when_it_is_there(tmp_path: Path, file: Path) -> None:
    environment = {"HOME": str(tmp_path)}
    place = Path(default_config_file(environment))
    assert place == tmp_path / ".config/sessiond/agent.toml"
    place.parent.mkdir(parents=True)
    file.rename(place)
    assert load(None, environment).name == "alice"


def test_a_mark_at_the_start_of_the_file_is_skipped(file: Path) -> None:
    file.write_text("\ufeff" + file.read_text())
    assert load(file).name == "alice"


def test_mistakes_pass_through(file: Path) -> None:
    file.write_text('nam = "alice"')
    with pytest.raises(BadFile):
        load(file)


@pytest.mark.parametrize("content", [None, b"name = '\xff'"])
def test_a_file_that_is_no_text_is_refused(file: Path, content: bytes | None) -> None:
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(Refused):
        load(file)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(Broken):
        load(tmp_path)


@pytest.mark.parametrize("place", ["/proc/sessiond", "/dev/null/state"])
def test_a_state_folder_that_cannot_be_written_is_named(place: str) -> None:
    with pytest.raises(Broken, match=place) as caught:
        prepare_state_dir(Path(place))
    assert "state_dir" in caught.value.hint


def test_a_state_folder_too_long_for_a_socket_is_refused() -> None:
    with pytest.raises(Refused, match="too long"):
        prepare_state_dir(Path("/tmp") / ("x" * 100))


def test_an_empty_folder_is_closed_to_others(state_dir: Path) -> None:
    state_dir.mkdir(mode=0o755)
    prepare_state_dir(state_dir)
    assert state_dir.stat().st_mode & 0o777 == 0o700


def test_a_folder_with_other_things_keeps_its_permissions(state_dir: Path) -> None:
    state_dir.mkdir(mode=0o755)
    (state_dir / "letters").touch()
    with pytest.raises(Broken, match="other things"):
        prepare_state_dir(state_dir)
    assert state_dir.stat().st_mode & 0o777 == 0o755


def test_a_folder_of_ours_is_closed_again(state_dir: Path) -> None:
    state_dir.mkdir(mode=0o755)
    (state_dir / "run").mkdir()
    prepare_state_dir(state_dir)
    assert state_dir.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("environment", "root", "folder"),
    [
        ({"HOME": "/home/a"}, True, "/var/lib/sessiond"),
        ({"HOME": "/home/a"}, False, "/home/a/.local/state/sessiond"),
        ({"HOME": "/", "XDG_STATE_HOME": "x"}, False, "/.local/state/sessiond"),
        ({"XDG_STATE_HOME": "/x/"}, False, "/x/sessiond"),
    ],
)
def test_the_default_state_folder(
    environment: dict[str, str], root: bool, folder: str
) -> None:
    assert default_state_dir(environment, root=root) == folder


def test_this_machine_has_an_address_and_a_name() -> None:
    assert is_internet_host(own_address())
    assert host_defaults({"HOME": "/h"}).host_name == os.uname().nodename


SECRET = b"0123456789abcdef012345"


def of_studio(file: Path, content: bytes, mode: int = 0o600) -> Path:
    """Have an agent file name a studio's file beside it."""
    file.write_text(f'{file.read_text()}join_token_file = "token"\n')
    token = file.parent / "token"
    token.write_bytes(content)
    token.chmod(mode)
    return token


def test_a_host_of_no_studio_has_no_secret(file: Path) -> None:
    assert read_studio(read(file), file) == b""


@pytest.mark.parametrize("ending", [b"", b"\n", b" \r\n"])
def test_a_studios_secret_is_what_its_file_holds(file: Path, ending: bytes) -> None:
    of_studio(file, SECRET + ending)
    assert read_studio(read(file), file) == SECRET


def test_a_studios_file_may_have_a_path_of_its_own(file: Path, tmp_path: Path) -> None:
    token = of_studio(file, SECRET)
    file.write_text(file.read_text().replace('"token"', f'"{token}"'))
    assert read_studio(read(file), tmp_path / "elsewhere/agent.toml") == SECRET


@pytest.mark.parametrize(
    "content", [b"", b"hackme", SECRET[1:], b"\0" * 32, SECRET + b"\n" + SECRET]
)
def test_what_can_be_guessed_is_no_secret(file: Path, content: bytes) -> None:
    of_studio(file, content)
    with pytest.raises(Refused, match="at least 22 characters") as refused:
        read_studio(read(file), file)
    assert "hackme" not in refused.value.sentence


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_secret_that_others_may_read_is_refused(file: Path, mode: int) -> None:
    token = of_studio(file, SECRET, mode)
    with pytest.raises(Refused, match="may read") as refused:
        read_studio(read(file), file)
    assert refused.value.hint == f"Run `chmod 600 {token}`."


def test_a_studios_file_that_is_missing_is_named(file: Path) -> None:
    of_studio(file, SECRET).unlink()
    with pytest.raises(Refused, match=r"no file .*/token"):
        read_studio(read(file), file)


def test_a_studios_file_that_is_a_folder_is_broken(file: Path) -> None:
    of_studio(file, SECRET).unlink()
    (file.parent / "token").mkdir()
    with pytest.raises(Broken, match="can't be read"):
        read_studio(read(file), file)
