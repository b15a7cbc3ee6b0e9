import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessiond.core.specwriter import toml
from sessiond.core.tomllines import lines_of, nearest_line

TEXT = '''\
# a comment = 1
name = "a # b"
"quoted key" = 'x'  # trailing
long = """
[not.a.header]
key = "no"
"""
list = [
  "one",  # [
  "two", [
    3,
  ],
]

[table]
a.b.c = { d = 1, e = [ { f = 2 } ] }
[[mount]]
path = "/a.ogg"
[mount.gains_db]
bob = 1
[[mount]]
path = """/b
.ogg\\""""

[mount.gains_db]
bob = 1
[[mount.inner]]
x = 1979-05-27 07:32:00
[[mount.inner]]
y = -inf
'''


@pytest.mark.parametrize(
    ("place", "line"),
    [
        (("name",), 2),
        (("quoted key",), 3),
        (("long",), 4),
        (("list",), 8),
        (("list", 0), 9),
        (("list", 1), 10),
        (("list", 2, 0), 11),
        (("table",), 15),
        (("table", "a", "b", "c"), 16),
        (("table", "a", "b", "c", "e", 0, "f"), 16),
        (("mount", 0), 17),
        (("mount", 0, "path"), 18),
        (("mount", 0, "gains_db", "bob"), 20),
        (("mount", 1, "path"), 22),
        (("mount", 1, "gains_db"), 25),
        (("mount", 1, "inner", 0, "x"), 28),
        (("mount", 1, "inner", 1, "y"), 30),
    ],
)
def test_every_key_has_its_line(place: tuple[str | int, ...], line: int) -> None:
    tomllib.loads(TEXT)
    assert lines_of(TEXT)[place] == line


def test_windows_line_ends_count_once() -> None:
    assert lines_of("a = 1\r\nb = 2\r\n")["b",] == 2


def test_a_place_without_a_line_has_its_tables() -> None:
    lines = lines_of("\n[icecast]\nport = 1\n")
    assert nearest_line(lines, ("icecast", "host")) == 2
    assert nearest_line(lines, ("elsewhere",)) == 1


_values = st.recursive(
    st.text(max_size=6) | st.integers(0, 9) | st.booleans(),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)


@given(st.lists(_values, max_size=6))
def test_lines_follow_any_value(values: list[object]) -> None:
    text = "".join(f"key_{i} = {toml(value)}\n" for i, value in enumerate(values))
    tomllib.loads(text)
    found = lines_of(text)
    for index in range(len(values)):
        assert found[f"key_{index}",] == index + 1
