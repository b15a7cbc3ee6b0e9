from pathlib import Path

import pytest

from sessiond.core.filecheck import LONGEST_FILE
from sessiond.core.mistakes import BadFile
from sessiond.core.specfile import PasswordFiles, SpecFile
from sessiond.core.stamped import Secrets
from sessiond.errors import Broken, Refused
from sessiond.sessionfiles import read_secrets, read_spec
from tests.cli import pictures

SPEC = pictures.STAMPED.spec


def password_in(folder: Path, content: bytes) -> str:
    (folder / "p").write_bytes(content)
    file = SpecFile(spec=SPEC, password_files=PasswordFiles(source="p"))
    return read_secrets(file, folder / "session.toml").source


@pytest.mark.parametrize(
    ("content", "password"),
    [
        (b"hackme", "hackme"),
        (b"hackme\n", "hackme"),
        (b"hackme\r\n", "hackme"),
        (b" a b \n", " a b "),
        (b"-x", "-x"),
        (b"'\"#@^%&<>$`\\:\t", "'\"#@^%&<>$`\\:\t"),
        ("schlüssel".encode(), "schlüssel"),
        (b"x" * 256, "x" * 256),
    ],
)
def test_a_password_is_carried_exactly(
    tmp_path: Path, content: bytes, password: str
) -> None:
    assert password_in(tmp_path, content) == password


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"\r\n", b"a\n\n", b"a\nb", b"a\rb", b"a\0", b"\xff", b"x" * 257],
)
def test_what_is_no_password_is_refused_without_showing_it(
    tmp_path: Path, content: bytes
) -> None:
    with pytest.raises(Refused, match="source password") as caught:
        password_in(tmp_path, content)
    assert "xxx" not in caught.value.sentence


def test_a_missing_password_file_is_named(tmp_path: Path) -> None:
    file = SpecFile(spec=SPEC, password_files=PasswordFiles(admin="gone"))
    with pytest.raises(Refused, match="administrator's password"):
        read_secrets(file, tmp_path / "session.toml")


def test_an_absolute_name_is_taken_as_it_is(tmp_path: Path) -> None:
    place = tmp_path / "elsewhere"
    place.write_text("x")
    files = PasswordFiles(mounts={pictures.MIX: str(place)})
    secrets = read_secrets(
        SpecFile(spec=SPEC, password_files=files), Path("session.toml")
    )
    assert secrets == Secrets(mounts={pictures.MIX: "x"})
    assert "x" not in repr(secrets)


def test_a_session_file_with_mistakes_is_named(tmp_path: Path) -> None:
    path = tmp_path / "jam.toml"
    path.write_text("nam = 1")
    with pytest.raises(BadFile, match=r"jam\.toml has 3 mistakes"):
        read_spec(path)


def test_a_session_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "jam.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(Refused, match="UTF-8"):
        read_spec(path)


def test_a_file_that_no_session_needs_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "jam.toml"
    path.write_text("#" * (LONGEST_FILE + 1))
    with pytest.raises(BadFile) as caught:
        read_spec(path)
    assert "longer than 256 KiB" in f"{caught.value.sentence} {caught.value.hint}"


def test_a_folder_is_no_session_file(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="folder"):
        read_spec(tmp_path)


def test_a_file_that_cannot_be_read_is_broken(tmp_path: Path) -> None:
    path = tmp_path / "loop"
    path.symlink_to(path)
    with pytest.raises(Broken, match="can't be read"):
        read_spec(path)
