"""The listener page: its files, and putting them where a web server has its own.

The page is plain HTML, CSS and modules in ``web``, the same for every session but for
`MOUNTS`, which the caller renders (`sessiond.core.page`).
"""

from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from sessiond.core.page import MOUNTS

# Whoever serves the page is another user.
_FOLDER_MODE: Final = 0o755
_FILE_MODE: Final = 0o644


def write_page(folder: Path, mounts: str) -> None:
    """Write the page and its `MOUNTS`; what is there already stays as it is.

    Args:
        folder: The server's web folder; made if need be.
        mounts: The text of `MOUNTS`.

    Raises:
        OSError: It can't be written.
    """
    for name, content in _files(files(__name__) / "web", ""):
        write_anew(folder / name, content)
    write_anew(folder / MOUNTS, mounts.encode())


def write_anew(file: Path, content: bytes) -> None:
    """Write a file that others read, at once and whole, unless it is so already.

    Raises:
        OSError: It can't be written.
    """
    if file.is_file() and not file.is_symlink() and file.read_bytes() == content:
        return
    _open_folder(file.parent)
    fresh = file.with_name(f".{file.name}.new")
    fresh.write_bytes(content)
    fresh.chmod(_FILE_MODE)
    fresh.replace(file)


def _open_folder(folder: Path) -> None:
    """Make a folder, and those above it, for everybody to look into."""
    if folder.is_dir():
        return
    _open_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    folder.chmod(_FOLDER_MODE)


def _files(folder: Traversable, under: str) -> Iterator[tuple[str, bytes]]:
    for each in folder.iterdir():
        name = f"{under}{each.name}"
        if each.is_dir():
            yield from _files(each, f"{name}/")
        else:
            yield name, each.read_bytes()
