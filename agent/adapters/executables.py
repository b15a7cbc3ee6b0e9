"""Where the few programs lie that we start: found once, and no others are started.

A name is looked for in the absolute folders of the PATH that this process began with; a
relative one would be whatever folder we happen to be in. What was found stays: nothing
that comes earlier on some PATH later is ever taken for it. What was missing is looked
for again when it is needed, so that installing it is all that a person has to do.
"""

import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from sessiond.errors import Broken

PACKAGES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "jackd": "jackd2",
        "jacktrip": "jacktrip",
        "ffmpeg": "ffmpeg",
        "icecast2": "icecast2",
    }
)
"""The Debian package of each program that a session can need."""

# What ties a source's FFmpeg to it, part of every Debian; and what only stations need.
_ALSO: Final[Mapping[str, str]] = MappingProxyType(
    {"setpriv": "util-linux", "liquidsoap": "liquidsoap"}
)


class Executables:
    """The table of programs; argument lists name them, and only here is a path.

    Args:
        path: As in ``$PATH``.
        own: Our own interpreter, which argument lists name by its path.
    """

    def __init__(self, path: str | None = None, own: str = sys.executable) -> None:
        given = os.environ.get("PATH", os.defpath) if path is None else path
        self._path = os.pathsep.join(_absolute(given.split(os.pathsep)))
        self._own = own
        self._packages = {**PACKAGES, **_ALSO}
        self._found: dict[str, str] = {}
        for name in self._packages:
            self.find(name)

    def find(self, name: str) -> str | None:
        """Return where a program of the table is; None while it is missing."""
        if name not in self._packages:
            return None
        if name not in self._found and (place := self._look(name)):
            self._found[name] = place
        return self._found.get(name)

    def of(self, program: str) -> str:
        """Return the file to execute for an argument list's first word.

        Raises:
            Broken: It is no program that we start, or it is missing.
        """
        if program == self._own:
            return program
        if found := self.find(program):
            return found
        package = self._packages.get(program)
        hint = f"sudo apt install {package}" if package else "report this"
        lack = "is missing" if package else "is none that an agent starts"
        raise Broken(f"the program {program} {lack}", hint)

    def _look(self, name: str) -> str | None:
        # An empty path would stand for the system's default one.
        return shutil.which(name, path=self._path) if self._path else None


def _absolute(folders: Iterable[str]) -> list[str]:
    return [folder for folder in folders if Path(folder).is_absolute()]


def programs() -> Mapping[str, Path | None]:
    """Return where each program of `PACKAGES` is now; None where it is missing."""
    table = Executables()
    found = {name: table.find(name) for name in PACKAGES}
    return {name: Path(path) if path else None for name, path in found.items()}
