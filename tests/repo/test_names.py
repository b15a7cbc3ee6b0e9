"""Names say what a thing is; words that fit everything say nothing."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.repo.tree import modules, text

BANNED = {
    "manager",
    "handler",
    "helper",
    "util",
    "utils",
    "misc",
    "base",
    "common",
    "data",
    "info",
    "object",
}
BANNED_STARTS = ("do_", "process_")
WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def names(path: Path) -> Iterator[str]:
    """Yield the module's name and the names that it defines."""
    yield path.stem
    for node in ast.walk(ast.parse(text(path))):
        if isinstance(node, Definition):
            yield node.name


def is_empty(name: str) -> bool:
    words = {word.lower() for word in WORDS.findall(name)}
    return bool(words & BANNED) or name.lstrip("_").startswith(BANNED_STARTS)


def test_no_name_holds_an_empty_word() -> None:
    found = {
        f"{path}: {name}"
        for path in modules("sessiond", "agent", "tests")
        for name in names(path)
        if is_empty(name)
    }
    assert not found
