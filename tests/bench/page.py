"""Putting tables into docs/performance.md; all else on the page is written by people.

Each group of figures stands between two comments and is replaced as a whole, with the
machine that it was measured on; groups that were not measured stay as they are.
"""

import os
import platform
import re
import subprocess
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Final

from tests.bench.figures import Row, table

PAGE: Final = Path("docs/performance.md")

_PROGRAMS: Final[Mapping[str, tuple[str, ...]]] = {
    "jackd": ("jackd", "--version"),
    "JackTrip": ("jacktrip", "--version"),
    "FFmpeg": ("ffmpeg", "-version"),
    "Icecast": ("icecast2", "-v"),
}
_NUMBER: Final = re.compile(r"\d+(?:\.\d+)+")


def machine() -> str:
    """Return this machine and its programs as a sentence."""
    cpu = re.search(r"^model name\s*: (.*)$", _text("/proc/cpuinfo"), re.MULTILINE)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    programs = ", ".join(f"{name} {_version(argv)}" for name, argv in _PROGRAMS.items())
    libraries = ", ".join(f"{name} {version(name)}" for name in ("grpcio", "numpy"))
    return (
        f"{cpu[1] if cpu else platform.machine()}, {os.cpu_count()} cores, "
        f"{memory:.0f} GiB; Linux {platform.release()}; Python "
        f"{platform.python_version()}, {libraries}; {programs}"
    )


def write(groups: Mapping[str, list[Row]], page: Path = PAGE) -> None:
    """Replace the groups' tables on the page; new ones come at its end."""
    text = page.read_text()
    for name, rows in groups.items():
        begin, end = f"<!-- figures: {name} -->", f"<!-- end: {name} -->"
        block = f"{begin}\n{table(rows)}\n\nMeasured on {_today()}: {machine()}.\n{end}"
        there = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        if there.search(text):
            # No template: a backslash in a figure is a backslash.
            before, after = there.split(text, maxsplit=1)
            text = f"{before}{block}{after}"
        else:
            text = f"{text.rstrip()}\n\n{block}\n"
    page.write_text(text)


def _today() -> str:
    # For readers only.
    return time.strftime("%Y-%m-%d", time.gmtime())


def _text(path: str) -> str:
    return Path(path).read_text()


def _version(argv: tuple[str, ...]) -> str:
    said = subprocess.run(argv, capture_output=True, text=True, check=False)
    found = _NUMBER.search(said.stdout + said.stderr)
    return found[0] if found else "unknown"
