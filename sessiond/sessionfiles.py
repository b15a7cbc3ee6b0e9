"""A session file and the passwords beside it, as they lie on somebody's disk."""

from pathlib import Path
from types import MappingProxyType
from typing import Final

from sessiond.core.mistakes import BadFile
from sessiond.core.specfile import SpecFile, parse_spec
from sessiond.core.stamped import Secrets
from sessiond.errors import Broken, Refused
from sessiond.units import MountPath

# Icecast 2.4 reads a request's head into 4 KiB; base64 adds a third to a password.
LONGEST_PASSWORD: Final = 256


def read_spec(path: Path) -> SpecFile:
    """Return what a session file says.

    Raises:
        Refused: It is missing, no text, or has mistakes (`BadFile`).
        Broken: It may not be read.
    """
    content = _read(path, "session file")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        raise Refused(
            f"The session file {path} is not UTF-8 text.", "Save it as UTF-8."
        ) from e
    try:
        return parse_spec(text)
    except BadFile as e:
        raise BadFile(f"session file {path}", e.mistakes) from e


def read_secrets(file: SpecFile, beside: Path) -> Secrets:
    """Return the passwords that a session file names; empty where it names none.

    Args:
        file: What the session file says.
        beside: The session file's path; relative names start from its folder.

    Raises:
        Refused: A password file is missing or holds no password.
        Broken: It may not be read.
    """
    folder = beside.parent
    names = file.password_files
    mounts = {
        path: _password(folder / name, f"{path}'s source password")
        for path, name in names.mounts.items()
    }
    return Secrets(
        source=_optional(folder, names.source, "source password"),
        admin=_optional(folder, names.admin, "administrator's password"),
        mounts=MappingProxyType(mounts),
    )


def require_passwords(file: SpecFile) -> None:
    """Refuse a file that leaves Icecast's source password out for some mount.

    A session with an Icecast of its own needs none: passwords are made for it.

    Raises:
        Refused: Names the mounts and the key.
    """
    if file.spec.icecast is None or file.password_files.source is not None:
        return
    without = [m.path for m in file.spec.mounts if m.path not in _with_password(file)]
    if without:
        raise Refused(
            f"No password is given for {', '.join(without)}.",
            "Name a file with source_password_file in [icecast].",
        )


def _with_password(file: SpecFile) -> frozenset[MountPath]:
    return frozenset(file.password_files.mounts)


def _optional(folder: Path, name: str | None, what: str) -> str:
    return "" if name is None else _password(folder / name, what)


def _password(path: Path, what: str) -> str:
    """Return the file's one line; exactly one line end at its end is not part of it."""
    content = _read(path, f"file of the {what},")
    line = content.removesuffix(b"\n")
    if line != content:
        line = line.removesuffix(b"\r")
    fault = _fault(line)
    if fault:
        raise Refused(
            f"The {what} in {path} {fault}.", "The file holds the password alone."
        )
    return line.decode()


def _fault(line: bytes) -> str:
    """Return why this is no password, as the end of a sentence; empty if it is one."""
    if not line:
        return "is empty"
    if len(line) > LONGEST_PASSWORD:
        return f"is longer than {LONGEST_PASSWORD} bytes"
    if any(byte in line for byte in b"\n\r\0"):
        return "has a line break or a NUL in it"
    try:
        line.decode()
    except UnicodeDecodeError:
        return "is not UTF-8 text"
    return ""


def _read(path: Path, what: str) -> bytes:
    try:
        with path.open("rb") as file:
            # More than any of our files may hold, whatever the path leads to.
            return file.read(1024 * 1024)
    except FileNotFoundError as e:
        raise Refused(f"There is no {what} {path}.", "Look at its path.") from e
    except IsADirectoryError as e:
        raise Refused(f"{path} is a folder, not a {what.rstrip(',')}.", "") from e
    except OSError as e:
        raise Broken(
            f"The {what} {path} can't be read: {e.strerror}.",
            "Look at its owner and permissions.",
        ) from e
