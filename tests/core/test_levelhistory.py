"""A mix-down's levels over its socket, and stitched together by an ear."""

import json
import math

import pytest

from sessiond.core.levelhistory import (
    KEPT,
    LevelHistory,
    Slot,
    history_document,
    levels_of,
    merged,
    parse_history,
)
from sessiond.errors import Refused
from sessiond.units import Decibels, Frames, Hertz, Seconds


def slot(*levels: float, frames: int = 4800) -> Slot:
    return Slot(frames=Frames(frames), rms_db=tuple(map(Decibels, levels)))


HISTORY = LevelHistory(
    buses=("mix.ogg", "solo.ogg"),
    rate_hz=Hertz(48000),
    since=Frames(2400),
    slots=(slot(-20, -math.inf), slot(-21.25, -40, frames=4864)),
)


def test_what_is_told_is_read() -> None:
    told = json.loads(json.dumps(history_document(HISTORY), allow_nan=False))
    assert parse_history(told) == HISTORY
    assert parse_history({**told, "slots": []}).slots == ()


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        {"slots": []},
        {"buses": ["mix.ogg"], "rate_hz": 0, "since": 0, "slots": []},
        {"buses": ["mix.ogg"], "rate_hz": 48000, "since": -1, "slots": []},
        {"buses": [3], "rate_hz": 48000, "since": 0, "slots": []},
        {"buses": ["m"], "rate_hz": 48000, "since": 0, "slots": [[0, [-1]]]},
        {"buses": ["m"], "rate_hz": 48000, "since": 0, "slots": [[4800, [-1, -2]]]},
        {"buses": ["m"], "rate_hz": 48000, "since": 0, "slots": [[4800, ["loud"]]]},
        {"buses": ["m"], "rate_hz": 48000, "since": 0, "slots": [[4800, [True]]]},
        {"buses": ["m"], "rate_hz": 48000, "since": 0, "slots": ["slot"]},
        {"buses": ["m"], "rate_hz": 48000, "since": 0, "slots": [[99999, [-1]]]},
    ],
)
def test_anything_else_is_refused(wrong: object) -> None:
    with pytest.raises(Refused):
        parse_history(wrong)


def test_each_slot_has_its_time() -> None:
    told = levels_of(HISTORY, "mix.ogg", Seconds(100))
    assert [at for at, _ in told] == pytest.approx([99.95 - 0.2 - 64 / 48000, 99.85])
    assert [level for _, level in told] == [-21.25, -20.0]
    assert levels_of(HISTORY, "other.ogg", Seconds(100)) == ()


def pairs(first: int, last: int) -> tuple[tuple[Seconds, Decibels], ...]:
    return tuple((Seconds(n / 10), Decibels(-n)) for n in range(first, last))


def test_answers_that_overlap_are_stitched() -> None:
    late = tuple((Seconds(at + 0.01), level) for at, level in pairs(8, 20))
    assert merged(pairs(0, 10), late) == (*pairs(0, 8), *late)
    assert merged((), pairs(0, 3)) == pairs(0, 3)
    assert merged(pairs(0, 3), ()) == pairs(0, 3)


def test_a_minute_is_kept() -> None:
    whole = merged(pairs(0, 700), pairs(700, 702))
    assert whole[0][0] == pytest.approx(70.1 - KEPT, abs=0.15)
    assert whole[-1][0] == pytest.approx(70.1)
