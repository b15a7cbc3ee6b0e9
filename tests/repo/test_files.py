"""What every file of the repository keeps to."""

import re
from pathlib import Path

from tests.repo.tree import generated, text, tracked

# Each with a class of one character, so that this file does not find itself.
INDEX_HOST = re.compile(r"py[p]i|python[h]osted|npm[j]s|crates[.]io", re.IGNORECASE)
MACHINE_PATH = re.compile(r"(?<![\w.}])/(work|root)/(?=\w)")

CORE_LINES = 300
LINES = 500


WRITTEN = [path for path in tracked() if not generated(path)]


def test_no_file_names_a_package_index_or_a_place_on_one_machine() -> None:
    found = {
        f"{path}: {match[0]}"
        for path in WRITTEN
        for pattern in (INDEX_HOST, MACHINE_PATH)
        if (match := pattern.search(text(path)))
    }
    assert not found


def test_every_file_is_short_enough_to_be_read_at_once() -> None:
    too_long = {
        f"{path}: {lines} lines"
        for path in WRITTEN
        if (lines := len(text(path).splitlines())) > limit(path)
    }
    assert not too_long


def limit(path: Path) -> int:
    core = path.is_relative_to("sessiond/core") and path.suffix == ".py"
    return CORE_LINES if core else LINES
