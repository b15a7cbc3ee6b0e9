from dataclasses import replace
from itertools import pairwise
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessiond.core.election import Liveness
from sessiond.core.linkcare import (
    DEAF_LIMIT,
    FIRST_WAIT,
    GROWN_LIMIT,
    LAST_WAIT,
    SLACK_PACKETS,
    WELL_AFTER,
    LinkCare,
    LinkSight,
    is_expected,
    is_hung,
    tend,
)
from sessiond.core.linkstats import SILENT_AFTER, LinkSeen
from sessiond.units import Hertz, Seconds
from tests.core.examples import ALICE, BOB, NOW, facts

QUEUE: Final = 4
WELL: Final = LinkSight(
    seen=LinkSeen(held=QUEUE), running=True, expected=True, queue_packets=QUEUE
)


def heard(at: float, held: int = QUEUE) -> LinkSight:
    when = Seconds(at)
    return replace(WELL, seen=LinkSeen(packets=9, moved=when, told=when, held=held))


def deaf(at: float, **fields: bool) -> LinkSight:
    """Return a link whose process tells that nothing arrives."""
    seen = LinkSeen(packets=9, moved=Seconds(NOW - 100), told=Seconds(at))
    return replace(WELL, seen=seen, **fields)


def restarts(sights: dict[float, LinkSight]) -> list[float]:
    """Return when, after NOW, a new start was asked for."""
    care, asked = LinkCare(), []
    for after, sight in sights.items():
        tended = tend(care, sight, Seconds(NOW + after))
        care = tended.care
        if tended.restart:
            asked.append(after)
    return asked


def each_second(sight: str, upto: int) -> dict[float, LinkSight]:
    make = {"deaf": deaf, "grown": lambda at: heard(at, QUEUE + SLACK_PACKETS + 1)}
    return {float(n): make[sight](NOW + n) for n in range(upto)}


def test_a_link_that_sounds_is_left_alone() -> None:
    assert restarts({float(n): heard(NOW + n) for n in range(300)}) == []


@pytest.mark.parametrize(
    ("fault", "limit"), [("deaf", DEAF_LIMIT), ("grown", GROWN_LIMIT)]
)
def test_a_fault_that_lasts_is_met_by_one_new_start(fault: str, limit: float) -> None:
    assert restarts(each_second(fault, int(limit))) == []
    assert restarts(each_second(fault, int(limit) + 1)) == [limit]


def test_a_fault_that_goes_by_itself_is_borne() -> None:
    faults = each_second("deaf", int(DEAF_LIMIT))
    well = {DEAF_LIMIT: heard(NOW + DEAF_LIMIT)}
    again = {DEAF_LIMIT + 1 + n: deaf(NOW + DEAF_LIMIT + 1 + n) for n in (0, 1, 2, 3)}
    assert restarts(faults | well | again) == []


def test_a_queue_at_the_sessions_depth_has_not_grown() -> None:
    most = QUEUE + SLACK_PACKETS
    assert restarts({float(n): heard(NOW + n, most) for n in range(60)}) == []


@pytest.mark.parametrize("missing", ["running", "expected"])
def test_who_can_not_sound_is_not_blamed(missing: str) -> None:
    sights = {float(n): deaf(NOW + n, **{missing: False}) for n in range(60)}
    assert restarts(sights) == []


def test_a_process_that_tells_nothing_is_not_called_deaf() -> None:
    silent = replace(WELL, seen=LinkSeen(packets=9, moved=NOW, told=NOW))
    assert restarts({SILENT_AFTER + n: silent for n in range(60)}) == []


def test_a_peer_that_was_never_heard_is_deaf_too() -> None:
    never = replace(WELL, seen=LinkSeen())
    assert restarts({float(n): never for n in range(5)}) == [DEAF_LIMIT]


def test_restarts_that_do_not_help_come_ever_more_seldom() -> None:
    asked = restarts(each_second("deaf", 1000))
    pauses = [after - before for before, after in pairwise(asked)]
    assert pauses[:4] == [FIRST_WAIT, 2 * FIRST_WAIT, 4 * FIRST_WAIT, 8 * FIRST_WAIT]
    assert set(pauses[4:]) == {LAST_WAIT}


def test_who_was_well_for_long_has_all_patience_again() -> None:
    care = LinkCare(wait=LAST_WAIT, not_before=Seconds(NOW + 1000))
    care = tend(care, heard(NOW), NOW).care
    later = Seconds(NOW + WELL_AFTER)
    assert tend(care, heard(later - 1), Seconds(later - 1)).care.wait == LAST_WAIT
    assert tend(care, heard(later), later).care == LinkCare(well_since=NOW)


@given(st.lists(st.sampled_from(["well", "deaf", "grown"]), max_size=300))
def test_no_fault_makes_a_link_flap(faults: list[str]) -> None:
    """Two restarts are at least the first wait apart, and five a whole minute."""
    kinds = {
        "well": heard,
        "deaf": deaf,
        "grown": lambda at: heard(at, QUEUE + SLACK_PACKETS + 1),
    }
    sights = {float(n): kinds[fault](NOW + n) for n, fault in enumerate(faults)}
    asked = restarts(sights)
    assert all(b - a >= FIRST_WAIT for a, b in pairwise(asked))
    assert all(b - a >= 60 for a, b in zip(asked, asked[4:], strict=False))


@pytest.mark.parametrize(
    ("liveness", "rate", "expected"),
    [
        (Liveness.ALIVE, 48000, True),
        (Liveness.ALIVE, 0, False),
        (Liveness.SUSPECT, 48000, False),
        (None, 48000, False),
    ],
)
def test_sound_is_expected_of_who_is_alive_and_has_jack(
    liveness: Liveness | None, rate: int, expected: bool
) -> None:
    theirs = facts(BOB, rate_hz=Hertz(rate))
    assert is_expected(theirs, liveness) is expected
    assert not is_expected(None, liveness)


def test_who_is_silent_there_and_here_hangs() -> None:
    sight = heard(NOW)
    late = Seconds(NOW + SILENT_AFTER)
    deaf_peer, hearing_peer = facts(BOB), facts(BOB, heard=frozenset({ALICE}))
    assert is_hung(ALICE, sight, deaf_peer, late)
    assert not is_hung(ALICE, sight, deaf_peer, NOW)
    assert not is_hung(ALICE, sight, hearing_peer, late), "only its log is full"
    assert not is_hung(ALICE, sight, None, late)
    assert not is_hung(ALICE, replace(sight, expected=False), deaf_peer, late)
    never = replace(WELL, seen=LinkSeen())
    assert not is_hung(ALICE, never, deaf_peer, late), "it waits for its peer"
