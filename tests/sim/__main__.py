"""Play many histories, or replay one.

python -m tests.sim --schedules 1000            row 25, whatever happens
python -m tests.sim --row 9b --schedules 100    one row of the fault table
python -m tests.sim --row all --schedules 100   every row
python -m tests.sim --row 9b --seed 7           one history, with its transcript
"""

import argparse
import gc
import sys
from math import inf
from time import monotonic

from tests.sim.results import Tally
from tests.sim.rows import ROWS, play

# A history's objects point at each other and all go at once: looking for garbage while
# it plays costs a tenth of the time.
COLLECT_EVERY = 20
TELL_EVERY = 1000


def main() -> int:
    """Run from the command line; 1 when something did not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim")
    parser.add_argument("--row", default="25", choices=[*ROWS, "all"])
    parser.add_argument("--schedules", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seconds", type=float, default=inf, help="end after so many")
    parser.add_argument("--seed", type=int, help="replay this one, with its transcript")
    arguments = parser.parse_args()
    if arguments.seed is not None:
        result = play(arguments.row, arguments.seed, quiet=False)
        sys.stdout.write("\n".join((*result.log, result.breach or "all held", "")))
        return int(bool(result.breach))
    rows = list(ROWS) if arguments.row == "all" else [arguments.row]
    gc.disable()
    broken = 0
    for row in rows:
        began = monotonic()
        tally = many(row, arguments.first, arguments.schedules, arguments.seconds)
        lines = (f"row {row}: {ROWS[row].title}", *tally.lines())
        sys.stdout.write("\n  ".join(lines) + f"\n  {monotonic() - began:.1f} s\n")
        sys.stdout.flush()
        broken += len(tally.breaches)
    return int(broken > 0)


def many(row: str, first: int, schedules: int, seconds: float) -> Tally:
    """Play histories of a row until there are enough, or time is over."""
    tally = Tally()
    ends = monotonic() + seconds
    for seed in range(first, first + schedules):
        if monotonic() >= ends:
            break
        result = play(row, seed)
        tally.add(result)
        if result.breach:
            sys.stderr.write(f"row {row} seed {seed}: {result.breach}\n")
        if seed % COLLECT_EVERY == 0:
            gc.collect()
        if (seed + 1) % TELL_EVERY == 0:
            sys.stderr.write(f"{seed + 1 - first} played\n")
    return tally


if __name__ == "__main__":
    sys.exit(main())
