"""What every test keeps to: none is skipped, none waits blindly, nothing is mocked."""

import ast
from pathlib import Path

from tests.repo.tree import modules, text

# The one place that waits, and a program whose part it is to take its time.
MAY_SLEEP = {"tests/support/eventually.py", "tests/support/fakeproc.py"}


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


def using(*banned: str) -> set[str]:
    """Return the test modules that use one of these words."""
    return {str(p) for p in modules("tests") if not words(p).isdisjoint(banned)}


def test_no_test_gives_up_or_mocks() -> None:
    assert not using("skip", "skipif", "xfail", "importorskip", "mock")


def sleeps(path: Path) -> bool:
    """Tell whether the module sleeps; ``sleep(0)`` only lets the event loop step."""
    nodes = list(ast.walk(ast.parse(text(path))))
    steps = {
        id(node.func)
        for node in nodes
        if isinstance(node, ast.Call)
        and [arg.value for arg in node.args if isinstance(arg, ast.Constant)] == [0]
    }
    return any(
        (
            isinstance(node, ast.Attribute)
            and node.attr == "sleep"
            and id(node) not in steps
        )
        or (isinstance(node, ast.alias) and node.name == "sleep")
        for node in nodes
    )


def test_only_eventually_sleeps() -> None:
    assert {str(p) for p in modules("tests") if sleeps(p)} <= MAY_SLEEP
