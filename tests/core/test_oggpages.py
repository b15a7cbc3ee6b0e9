import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessiond.core.oggpages import (
    OggPages,
    begins_chain,
    begins_packet,
    ends_packet,
    granule,
)


def page(
    *lacing: int, flags: int = 0, position: int = 0, body: bytes | None = None
) -> bytes:
    fixed = struct.pack("<4sBBqIII", b"OggS", 0, flags, position, 7, 0, 0)
    filled = b"x" * sum(lacing) if body is None else body
    return fixed + bytes([len(lacing), *lacing]) + filled


ONE, EMPTY, TWO = page(4), page(), page(255, 3, position=960)
STREAM = ONE + EMPTY + TWO


@given(cuts=st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_pages_come_out_whole_however_they_came_in(cuts: list[int]) -> None:
    pages = OggPages()
    edges = [0, *sorted(cuts), len(STREAM)]
    found = [page for a, b in pairwise(edges) for page in pages.feed(STREAM[a:b])]
    assert found == [ONE, EMPTY, TWO]


def test_bytes_between_pages_are_dropped() -> None:
    assert OggPages().feed(b"noise" + ONE + b"OggOgg" + TWO) == [ONE, TWO]


@pytest.mark.parametrize(
    ("one", "begins", "fresh", "whole", "position"),
    [
        (page(4, flags=2), True, True, True, 0),
        (page(4, flags=1, position=960), False, False, True, 960),
        (page(4, 255, position=-1), False, True, False, -1),
        (page(255, 0, position=2**40), False, True, True, 2**40),
        (page(), False, True, True, 0),
    ],
)
def test_a_page_says_where_it_stands(
    one: bytes, begins: bool, fresh: bool, whole: bool, position: int
) -> None:
    assert begins_chain(one) is begins
    assert begins_packet(one) is fresh
    assert ends_packet(one) is whole
    assert granule(one) == position
