"""What a measurement gives: rows of a table, and how numbers are written in it."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

HEAD: Final = ("figure", "measured", "goal", "note")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure.

    Attributes:
        measured: With its unit; `spread` writes it.
        goal: Empty where there is none: a peer, a floor, something to compare with.
    """

    figure: str
    measured: str
    goal: str = ""
    note: str = ""


def spread(values: Sequence[float], unit: str, digits: int = 2) -> str:
    """Return the median, the extremes and the count; at least one value."""
    middle = f"{statistics.median(values):.{digits}f} {unit}"
    if len(values) == 1:
        return middle
    low, high = (f"{value:.{digits}f}" for value in (min(values), max(values)))
    return f"{middle} ({low}–{high}, {len(values)} runs)"


def ratio(ours: Sequence[float], peer: Sequence[float]) -> str:
    """Return the quotient of the medians."""
    return f"{statistics.median(ours) / statistics.median(peer):.2f}"


def table(rows: Sequence[Row]) -> str:
    """Return a Markdown table with aligned columns, one line a row."""
    cells = [(r.figure, r.measured, r.goal, r.note) for r in rows]
    widths = [max(map(len, column)) for column in zip(HEAD, *cells, strict=True)]
    lines = [HEAD, tuple("-" * width for width in widths), *cells]
    return "\n".join(
        "| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines
    )
