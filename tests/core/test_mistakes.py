import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessiond.core.mistakes import escaped, is_printable, shown, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Künstler: 夜 😀", "Künstler: 夜 😀"),
        ("one\ntwo", "one\ntwo"),
        ("\x1b]0;owned\x07", "\ufffd]0;owned\ufffd"),
        ("a\x9b2Jb\r", "a\ufffd2Jb\ufffd"),
        ("alice\u200b", "alice\ufffd"),
        ("\u202eecila\U000e0061", "\ufffdecila\ufffd"),
    ],
)
def test_what_would_steer_a_terminal_is_a_mark(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_what_can_not_be_printed_is_escaped_as_in_toml() -> None:
    assert escaped("夜 a\x9b\u202e\U000e0061") == r"夜 a\u009B\u202E\U000E0061"
    assert shown("a\u200b") == r'"a\u200B"'


@given(st.text())
def test_nothing_steers_a_terminal(text: str) -> None:
    assert all(map(is_printable, visible(text).split("\n")))
