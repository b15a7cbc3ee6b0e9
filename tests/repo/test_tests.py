"""What every test keeps to: none is skipped, none waits blindly, nothing is mocked."""

import ast
from pathlib import Path

import pytest

from tests.repo.tree import modules, text

# The one place that waits, and a program whose part it is to take its time.
MAY_SLEEP = {"tests/support/eventually.py", "tests/support/fakeproc.py"}
GIVING_UP = {"skip", "skipif", "xfail", "importorskip"}


def words(path: Path) -> set[str]:
    """Return every name and attribute that the module uses or imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(text(path))):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.alias(name=name):
                found.update(name.split("."))
            case ast.ImportFrom(module=str(name)):
                found.update(name.split("."))
            case _:
                pass
    return found


@pytest.mark.parametrize("path", modules("tests"), ids=str)
def test_no_test_gives_up_or_mocks(path: Path) -> None:
    assert not words(path) & (GIVING_UP | {"mock"})


@pytest.mark.parametrize("path", modules("tests"), ids=str)
def test_only_eventually_sleeps(path: Path) -> None:
    if str(path) not in MAY_SLEEP:
        assert "sleep" not in words(path)
