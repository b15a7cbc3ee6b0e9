"""docs/limits.md says what is true: each bound's value, and a test for it."""

import ast
import re
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

from tests.repo.tree import ROOT, text

PAGE = Path("docs/limits.md")
ROW = re.compile(r"^\| `([\w.]+)` \| (\d+) \| ([^|]+) \| `([^`]+)` \|$", re.MULTILINE)
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")

LIMITS = ROW.findall(text(PAGE))


@cache
def names_in(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text())
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, kinds))


@pytest.mark.parametrize(("name", "value", "beyond", "test"), LIMITS)
def test_a_limit_has_the_value_that_the_page_gives(
    name: str, value: str, beyond: str, test: str
) -> None:
    module, _, constant = name.rpartition(".")
    assert getattr(import_module(module), constant) == int(value)
    assert beyond.strip()
    assert TEST.fullmatch(f"`{test}`")


def test_every_row_is_read() -> None:
    rows = [line for line in text(PAGE).splitlines() if line.startswith("| `")]
    assert len(rows) == len(LIMITS) > 25


def test_every_test_that_the_page_names_is_there() -> None:
    found = TEST.findall(text(PAGE))
    missing = [f"{path}::{name}" for path, name in found if name not in names_in(path)]
    assert found
    assert not missing
