"""Row 17: kill -9 between any two state writes; the real elector on the real disk."""

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from tests.faults.measure import Case, Goal, Shown, hold
from tests.faults.unheard import UNHEARD
from tests.faults.voter import CAROL, STEPS

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

SEEDS = range(6)
LIVES = 40


def lines_of(folder: Path, seed: int) -> list[dict[str, Any]]:
    """Return what a voter said in all of its lives."""
    argv = (sys.executable, "-m", "tests.faults.voter", str(folder), str(seed))
    done = subprocess.run(
        (*argv, str(LIVES)), capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, f"seed {seed}: {done.stderr[-2000:]}"
    return [json.loads(line) for line in done.stdout.splitlines()]


def require_one_vote_a_term(said: list[dict[str, Any]], seed: int) -> None:
    votes: defaultdict[int, set[str]] = defaultdict(set)
    for line in said:
        if "vote" in line:
            votes[line["vote"]].add(line["for"])
    twice = {term: names for term, names in votes.items() if len(names) > 1}
    assert not twice, f"seed {seed}: two votes in a term: {twice}"
    given = set().union(*votes.values())
    assert given == {"alice", "bob", CAROL}, f"seed {seed} votes for {given} only"


def require_terms_never_fall(said: list[dict[str, Any]], seed: int) -> None:
    """Fail if a life began with less than an earlier one had told anybody."""
    told = 0
    for line in said:
        if "term" in line:
            assert line["term"] >= told, f"seed {seed}: {line} after term {told}"
        told = max(told, line.get("term", 0), line.get("vote", 0))


def play(folder: Path) -> Shown:
    killed = 0
    for seed in SEEDS:
        said = lines_of(folder / str(seed), seed)
        killed += said.pop()["killed"]
        require_one_vote_a_term(said, seed)
        require_terms_never_fall(said, seed)
    assert killed > len(SEEDS) * LIVES / 2, f"only {killed} writes were cut off"
    return UNHEARD


CASE = Case(
    row="17",
    fault=f"kill -9 between any two of the {len(STEPS)} steps of a state write",
    goal=Goal(),
    play=play,
    also=f"{len(SEEDS) * LIVES} lives of a voter: its state always loads, its term "
    "never falls, never two votes in a term",
)
CASES = (CASE,)


def test_a_voter_killed_between_any_two_writes_never_votes_twice_in_a_term(
    tmp_path: Path,
) -> None:
    hold(CASE, tmp_path)
