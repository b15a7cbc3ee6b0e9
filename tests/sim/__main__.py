"""Play many schedules, or replay one: ``python -m tests.sim --seed 7``."""

import argparse
import sys

from tests.sim.schedule import Schedule, run


def main() -> int:
    """Run from the command line; 1 when an invariant did not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim")
    parser.add_argument("--schedules", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="replay this one, with its transcript")
    arguments = parser.parse_args()
    write = sys.stdout.write
    if arguments.seed is not None:
        result = Schedule(arguments.seed).play()
        write("\n".join(result.log) + "\n" + (result.breach or "all held") + "\n")
        return int(bool(result.breach))
    first = arguments.first
    breaches, totals = run(range(first, first + arguments.schedules))
    for name, count in sorted(totals.items()):
        write(f"{name}: {count}\n")
    for result in breaches:
        write(f"seed {result.seed}: {result.breach}\n")
    write(f"{len(breaches)} breaches\n")
    return int(bool(breaches))


if __name__ == "__main__":
    sys.exit(main())
