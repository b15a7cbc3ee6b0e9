"""`make faults ROW=n RUNS=k`: play rows of the fault table many times.

    python -m tests.faults [--row ROW]… [--runs N] [--dry] [--logs FOLDER] [--kept FILE]

A row is a number with its letter (``9b``), or with its variant (``"3 hot"``); without
one, all are played. Each goes into the table of docs/reliability.md; `--dry` only
prints it, `--logs` keeps what the hosts wrote. With `--kept` the runs of earlier
sittings count too, and `--runs 0` only writes them down. A run in which others had a
quarter of the processors' time in any second does not count and is played again, twice
as many as asked for at most. Needs root and the programs that the tests need.
"""

import argparse
import importlib
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from sessiond.errors import SessiondError
from tests.faults.kept import keep, kept
from tests.faults.measure import Case
from tests.faults.page import Run, line_of, write
from tests.support.steal import StealWatch


def wanted(asked: list[str]) -> Iterator[Case]:
    """Yield the cases of these rows, or of all where none is named, by file."""
    rows = {row.split()[0] for row in asked}
    for file in sorted(Path(__file__).parent.glob("test_row*.py")):
        row = file.stem.removeprefix("test_row").partition("_")[0].lstrip("0")
        if not asked or row in rows:
            module = importlib.import_module(f"tests.faults.{file.stem}")
            yield from (c for c in getattr(module, "CASES", ()) if named(c, asked))


def named(case: Case, asked: list[str]) -> bool:
    """Tell whether a case is among those asked for, by its row or its variant."""
    return not asked or case.row in asked or case.row.split()[0] in asked


def play(case: Case, runs: int, logs: Path | None) -> Iterator[Run]:
    """Yield as many runs of a case as are asked for; a failed one is a result, too.

    A run in which others had the machine says nothing, however it went. It is yielded
    and another one played for it, until as many of those have come as were asked for.

    Args:
        case: What to play.
        runs: How many.
        logs: Where the hosts' logs are to stay; None for nowhere.
    """
    good = 0
    with StealWatch() as steal:
        for number in range(2 * runs):
            began = time.monotonic()
            run = _play(case, logs and logs / f"run-{number + 1}")
            run = replace(run, stolen=steal.worst_since(began))
            yield run
            good += run.says_something
            if good == runs:
                return


def _play(case: Case, logs: Path | None) -> Run:
    if logs is not None:
        here = logs / case.row.replace(" ", "-")
        here.mkdir(parents=True)
        return _played(case, here)
    with tempfile.TemporaryDirectory(prefix="sessiond-faults-") as folder:
        return _played(case, Path(folder))


def _played(case: Case, folder: Path) -> Run:
    try:
        shown = case.play(folder)
    except (AssertionError, SessiondError) as e:
        sys.stderr.write(f"{case.row}: {e}\n")
        return Run(shown=None, missed=(_short(str(e)),))
    return Run(shown=shown, missed=case.goal.missed(shown))


def _short(sentence: str) -> str:
    """Return the first line of what went wrong, without its wait."""
    return sentence.split("\n", 1)[0].rpartition("last: ")[2][:200]


def main() -> None:
    """Play what was asked for and write down what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("--row", action="append", default=[])
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--dry", action="store_true", help="write nothing")
    parser.add_argument("--logs", type=Path, help="keep the hosts' logs there")
    parser.add_argument("--kept", type=Path, help="where runs are kept")
    asked = parser.parse_args()
    for case in wanted(asked.row):
        runs = kept(asked.kept, case) if asked.kept else []
        for number, run in enumerate(play(case, asked.runs, asked.logs), 1):
            runs.append(run)
            if asked.kept:
                keep(asked.kept, case, run)
            sys.stdout.write(f"{case.row}, run {number}: {run}\n")
            sys.stdout.flush()
        counted = [run for run in runs if run.says_something]
        if not counted:
            continue
        line = line_of(case, counted)
        sys.stdout.write(" | ".join(line) + "\n")
        if not asked.dry:
            write([line])


if __name__ == "__main__":
    main()
