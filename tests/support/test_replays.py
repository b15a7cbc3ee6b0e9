"""How often a failed test is played, and what is said about it."""

import time

import pytest

from tests.support.eventually import eventually
from tests.support.replays import Replays
from tests.support.steal import ROBBED, StealWatch

pytest_plugins = ("pytester",)

FAILS = """
def test_holds():
    pass

def test_fails():
    assert False
"""


class Stolen(StealWatch):
    """A machine of which this share is missing until a play has seen it."""

    def __init__(self, *shares: float) -> None:
        super().__init__()
        self.shares = list(shares)

    def worst_since(self, at: float) -> float:
        return self.shares.pop(0) if len(self.shares) > 1 else self.shares[0]


def play(
    pytester: pytest.Pytester, steal: StealWatch, *options: str
) -> tuple[dict[str, int], str]:
    """Return how many plays came to what, and all that was printed."""
    pytester.makepyfile(FAILS)
    bare = ("-p", "no:xdist", "-p", "no:asyncio", *options)
    result = pytester.runpytest_inprocess(*bare, plugins=[Replays(steal)])
    return result.parseoutcomes(), str(result.stdout)


def test_on_a_calm_machine_a_failed_test_is_played_twice(
    pytester: pytest.Pytester,
) -> None:
    outcomes, _ = play(pytester, Stolen(0.0), "--reruns", "1")
    assert outcomes == {"passed": 1, "failed": 1, "rerun": 1}


def test_while_the_machine_is_not_its_own_it_is_played_four_times(
    pytester: pytest.Pytester,
) -> None:
    # Asked for the report and for the verdict, then calm enough to begin anew.
    robbed = Stolen(ROBBED, ROBBED, *[0.0, ROBBED, ROBBED] * 3)
    outcomes, printed = play(pytester, robbed, "--reruns", "1")
    assert outcomes == {"passed": 1, "failed": 1, "rerun": 3}
    assert printed.count("test_fails: in the worst second of a failed play 25% of") == 3
    # deploy/test looks for these words.
    assert printed.count("test_fails: in the worst second of the last 25% of") == 1


def test_without_reruns_nothing_is_played_twice(pytester: pytest.Pytester) -> None:
    outcomes, _ = play(pytester, Stolen(1.0))
    assert outcomes == {"passed": 1, "failed": 1}


def test_the_watch_takes_note_of_this_machine_every_second() -> None:
    began = time.monotonic()
    with StealWatch() as watch:
        eventually(lambda: len(watch.notes) == 2, within=10.0)
    assert all(
        began + 1.0 <= note.at and 0.0 <= note.share <= 1.0 for note in watch.notes
    )
