"""Seeded histories against the invariants that `core.election` opens with.

A breach prints its row and seed; ``python -m tests.sim --row R --seed N`` replays it.
"""

import pytest

from tests.sim.results import Tally
from tests.sim.rows import ROWS, play

# Few enough for every run of the suite; many more by ``python -m tests.sim``.
BATCH = 25
SEEDS = {"11": 2, "20": 2, "25": 0}
EACH = 6


def told(tally: Tally) -> list[str]:
    return [f"row {r.row} seed {r.seed}: {r.breach}" for r in tally.breaches]


@pytest.mark.parametrize("first", range(0, 4 * BATCH, BATCH))
def test_all_invariants_hold_whatever_happens(first: int) -> None:
    tally = Tally()
    for seed in range(first, first + BATCH):
        tally.add(play("25", seed))
    assert not told(tally), "replay with: python -m tests.sim --row R --seed N"


@pytest.mark.parametrize("row", [row for row in ROWS if row != "25"])
def test_row_of_the_fault_table_shows_what_it_must(row: str) -> None:
    tally = Tally()
    for seed in range(SEEDS.get(row, EACH)):
        tally.add(play(row, seed))
    assert not told(tally), "replay with: python -m tests.sim --row R --seed N"
