"""Putting what rows have shown into docs/reliability.md: one line of a table a case.

The lines stand between two comments; one that was not measured now stays as it is, and
all else on the page is written by people.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.faults.measure import Case, Shown
from tests.support.steal import ROBBED

PAGE: Final = Path("docs/reliability.md")

_HEAD: Final = (
    *("row", "fault", "goal", "runs", "silence p50 / p95 / max, ms"),
    *("recovery p50 / p95 / max, s", "longest without bytes, s", "holds", "note"),
)
_BEGIN: Final = "<!-- rows -->"
_END: Final = "<!-- end of rows -->"
_ROW: Final = re.compile(r"(\d+)(\w?)(.*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of a case.

    Attributes:
        shown: What came of it; None where it came to no end.
        missed: The sentences by which it failed.
        stolen: The share of the processors' time that others had in its worst second.
    """

    shown: Shown | None
    missed: tuple[str, ...]
    stolen: float = 0.0

    @property
    def says_something(self) -> bool:
        """Tell whether the machine was there all the time, well or ill as it went."""
        return self.stolen < ROBBED


def line_of(case: Case, runs: Sequence[Run], note: str = "") -> tuple[str, ...]:
    """Return the cells of a case's line."""
    shown = [run.shown for run in runs if run.shown is not None]
    # Nobody hears less than this, and no player plays it so exactly.
    silences = [1000 * one.silence for one in shown]
    recoveries = [one.recovery for one in shown if one.recovery is not None]
    gap = max((one.gap for one in shown), default=math.nan)
    why = sorted({sentence for run in runs for sentence in run.missed})
    words = [word for word in (case.also, *why, note) if word]
    judged = case.goal.silence is not None
    return (
        case.row,
        case.fault,
        case.goal.text,
        str(len(runs)),
        spread(silences, 0) if judged else "",
        spread(recoveries, 1),
        f"{gap:.1f}" if judged and shown else "",
        verdict(case, runs),
        "; ".join(words).replace("|", "/").replace("\n", " "),
    )


def verdict(case: Case, runs: Sequence[Run]) -> str:
    """Return whether a case holds; its goals for time are 95th percentiles.

    Source: election.md, "Fault table".
    """
    held = sum(not run.missed for run in runs)
    late = sum(bool(run.shown and case.goal.is_only_late(run.shown)) for run in runs)
    if held == len(runs):
        return "yes"
    at_p95 = held + late == len(runs) and late <= len(runs) // 20
    return f"{'at p95' if at_p95 else '**no**'}: {held} of {len(runs)}"


def spread(values: Sequence[float], digits: int) -> str:
    """Return median, 95th percentile and maximum; empty for no values."""
    if not values:
        return ""
    ranked = sorted(values)
    wanted = (percentile(ranked, 50), percentile(ranked, 95), ranked[-1])
    return " / ".join(f"{value:.{digits}f}" for value in wanted)


def percentile(ranked: Sequence[float], percent: int) -> float:
    """Return the smallest value that this share of all does not exceed."""
    return ranked[max(math.ceil(len(ranked) * percent / 100), 1) - 1]


def write(lines: Sequence[tuple[str, ...]], page: Path = PAGE) -> None:
    """Put lines into the page's table, each in the place of its row's older one."""
    text = page.read_text()
    before, _, rest = text.partition(_BEGIN)
    old, _, after = rest.partition(_END)
    rows = {cells[0]: cells for cells in _cells(old)} | {one[0]: one for one in lines}
    ordered = sorted(rows.values(), key=lambda cells: _order(cells[0]))
    page.write_text(f"{before}{_BEGIN}\n{_table(ordered)}\n{_END}{after}")


def _cells(table: str) -> list[tuple[str, ...]]:
    rows = [line for line in table.splitlines() if line.startswith("|")][2:]
    return [tuple(cell.strip() for cell in row[1:-1].split("|")) for row in rows]


def _order(row: str) -> tuple[int, str, str]:
    found = _ROW.fullmatch(row)
    assert found is not None, row
    return int(found[1]), found[2], found[3]


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    lines = (_HEAD, tuple("---" for _ in _HEAD), *rows)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
