"""`make bench`: the figures of docs/performance.md; a table, never a pass or a fail.

    python -m tests.bench [--only NAME]… [--runs N] [--seconds N] [--write]

Needs root and the programs that the tests need. A line on stderr says what is being
measured, and how busy the machine was before and after it, and what share of its
processors' time others had in the worst second.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from tests.bench import (
    command,
    going_live,
    joining,
    latency,
    listeners,
    mixdown,
    quickstart,
    rest,
    station,
    takeover,
)
from tests.bench.figures import Row, table
from tests.bench.page import write
from tests.support.steal import StealWatch

Measure = Callable[[int, float], list[Row]]


def _mixdown(_runs: int, seconds: float) -> list[Row]:
    rows = mixdown.measure(seconds)
    return [Row(figure=name, measured=value, goal=goal) for name, value, goal in rows]


FIGURES: Final[Mapping[str, Measure]] = {
    "quickstart": lambda runs, _: quickstart.measure(runs),
    "create": lambda runs, _: going_live.measure(runs),
    "takeover": lambda runs, _: takeover.measure(runs),
    "rest": lambda _, seconds: rest.measure(seconds),
    "mixdown": _mixdown,
    "latency": lambda runs, _: latency.measure(runs),
    "join": lambda runs, _: joining.measure(runs),
    "station": lambda runs, _: station.measure(runs),
    "listeners": lambda _, seconds: listeners.measure(seconds),
    "status": lambda runs, _: command.measure(2 * runs),
}


def _measured(name: str, runs: int, seconds: float) -> list[Row]:
    """Return a group's rows; the first says how much of the machine was there."""
    before, began = os.getloadavg()[0], time.monotonic()
    sys.stderr.write(f"{name}: load {before:.1f}\n")
    with StealWatch() as steal:
        first, *others = FIGURES[name](runs, seconds)
        stolen = f"others had up to {steal.worst_since(began):.0%}"
    load = f"load {before:.1f} → {os.getloadavg()[0]:.1f}, {stolen}"
    return [replace(first, note="; ".join(filter(None, (first.note, load)))), *others]


def main() -> None:
    """Measure, print the table, and put it into the page if asked to."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("--only", action="append", choices=list(FIGURES))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--write", action="store_true", help="into the page")
    asked = parser.parse_args()
    groups = {
        name: _measured(name, asked.runs, asked.seconds)
        for name in asked.only or FIGURES
    }
    rows = [row for group in groups.values() for row in group]
    sys.stdout.write(table(rows) + "\n")
    if asked.write:
        write(groups)


if __name__ == "__main__":
    main()
