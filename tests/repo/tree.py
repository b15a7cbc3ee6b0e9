"""The repository as files, for the tests that read it."""

import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]

# What is made and not written; everything of it is in .gitignore too.
_MADE: Final = re.compile(r"/(\.venv|__pycache__|build|dist|\.[a-z_]+_cache|\.git)/")


@cache
def tracked() -> tuple[Path, ...]:
    """Return the repository's files, relative to `ROOT`; in an archive all files."""
    if (ROOT / ".git").exists():
        # The repository may belong to somebody else than who tests it.
        git = ("git", "-c", f"safe.directory={ROOT}", "ls-files", "-z")
        listed = subprocess.run(git, cwd=ROOT, check=True, capture_output=True).stdout
        names = [Path(name) for name in listed.decode().split("\0") if name]
    else:
        names = [p.relative_to(ROOT) for p in ROOT.rglob("*") if p.is_file()]
    return tuple(
        sorted(n for n in names if (ROOT / n).is_file() and not _MADE.search(f"/{n}"))
    )


def modules(*folders: str) -> tuple[Path, ...]:
    """Return the Python modules below these folders that people wrote."""
    return tuple(
        path
        for path in tracked()
        if path.suffix == ".py" and path.parts[0] in folders and not generated(path)
    )


def generated(path: Path) -> bool:
    """Tell whether this file is made from proto/."""
    return path.parts[:2] == ("sessiond", "v1")


def text(path: Path) -> str:
    """Return a tracked file's text; bytes that are no UTF-8 fail the test."""
    return (ROOT / path).read_text(encoding="utf-8")
