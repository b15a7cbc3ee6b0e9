import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessiond.core.mistakes import is_printable, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Künstler: 夜 😀", "Künstler: 夜 😀"),
        ("one\ntwo", "one\ntwo"),
        ("\x1b]0;owned\x07", "\ufffd]0;owned\ufffd"),
        ("a\x9b2Jb\r", "a\ufffd2Jb\ufffd"),
    ],
)
def test_what_would_steer_a_terminal_is_a_mark(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text())
def test_nothing_steers_a_terminal(text: str) -> None:
    assert all(map(is_printable, visible(text).split("\n")))
