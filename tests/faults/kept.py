"""Runs kept in a file, one a line, so that many short sittings make one table."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.faults.measure import Case, Shown
from tests.faults.page import Run


def keep(file: Path, case: Case, run: Run) -> None:
    """Add a run of a case to the file."""
    shown = asdict(run.shown) if run.shown else None
    line = {"row": case.row, "shown": shown, "missed": run.missed, "stolen": run.stolen}
    with file.open("a") as lines:
        lines.write(json.dumps(line) + "\n")


def kept(file: Path, case: Case) -> list[Run]:
    """Return the runs of a case that a file holds; judged anew, by today's goal."""
    if not file.exists():
        return []
    found = map(json.loads, file.read_text().splitlines())
    return [_run(one, case) for one in found if one["row"] == case.row]


def _run(one: dict[str, Any], case: Case) -> Run:
    raw = one["shown"]
    if raw is None:
        return Run(shown=None, missed=tuple(one["missed"]), stolen=one["stolen"])
    shown = Shown(**{**raw, "shared": tuple(raw["shared"])})
    return Run(shown=shown, missed=case.goal.missed(shown), stolen=one["stolen"])
