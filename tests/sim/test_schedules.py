"""Seeded histories against the invariants that `core.election` opens with.

A breach prints its seed; ``python -m tests.sim --seed N`` replays it.
"""

import pytest

from tests.sim.schedule import run

# Few enough for every run of the suite; many more by ``python -m tests.sim``.
BATCH = 20


@pytest.mark.parametrize("first", range(0, 5 * BATCH, BATCH))
def test_invariants_1_2_3_5_and_6_hold_whatever_happens(first: int) -> None:
    breaches, totals = run(range(first, first + BATCH))
    told = [f"seed {result.seed}: {result.breach}" for result in breaches]
    assert not told, f"{told}; replay with: python -m tests.sim --seed N"
    assert totals["schedules"] == BATCH
