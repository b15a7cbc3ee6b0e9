"""What every file of the repository keeps to."""

import re
from pathlib import Path

import pytest

from tests.repo.tree import generated, text, tracked

# Each with a class of one character, so that this file does not find itself.
INDEX_HOST = re.compile(r"py[p]i|python[h]osted|npm[j]s|crates[.]io", re.IGNORECASE)
MACHINE_PATH = re.compile(r"(?<![\w.}])/(work|root|home|Users)/(?=\w)")

CORE_LINES = 300
LINES = 500


@pytest.fixture(params=[p for p in tracked() if not generated(p)], ids=str)
def path(request: pytest.FixtureRequest) -> Path:
    found = request.param
    assert isinstance(found, Path)
    return found


def test_names_no_package_index_and_no_place_on_one_machine(path: Path) -> None:
    content = text(path)
    assert not INDEX_HOST.search(content)
    assert not MACHINE_PATH.search(content)


def test_is_short_enough_to_be_read_at_once(path: Path) -> None:
    core = path.is_relative_to("sessiond/core") and path.suffix == ".py"
    lines, limit = len(text(path).splitlines()), CORE_LINES if core else LINES
    assert lines <= limit
