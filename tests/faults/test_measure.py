"""What the harness makes of logs, looks and bytes."""

from contextlib import nullcontext
from pathlib import Path

import pytest

from sessiond.units import Seconds
from tests.faults.audience import Holding, Look
from tests.faults.kept import keep, kept
from tests.faults.measure import (
    Case,
    Goal,
    Shown,
    highest_term,
    hold,
    kills_in,
    recovered_at,
    shared_in,
    silence_of,
    switches_in,
)
from tests.faults.page import Run, line_of, spread, verdict, write
from tests.support.ear import Heard

ASKS = 'INFO connection/_handle_source_request Source logging in at mountpoint "/m" x'
REFUSED = "WARN connection/source_startup Mountpoint /m in use"
GOES = 'INFO source/source_shutdown Source from 10.77.0.1 at "/m" exiting'
STARTS = "INFO main/main Icecast 2.4.4 server started"

A = Holding(host="alice", term=1, started="10:00:00")
B = Holding(host="bob", term=2, started="10:00:05")


def looks(*held: Holding | None) -> list[Look]:
    return [
        Look(at=Seconds(float(n)), mounts={} if one is None else {"/m": one})
        for n, one in enumerate(held)
    ]


@pytest.mark.parametrize(
    ("lines", "shared"),
    [
        ((ASKS, GOES, ASKS), False),
        ((ASKS, ASKS, REFUSED, GOES, ASKS), False),
        ((ASKS, STARTS, ASKS), False),
        ((ASKS, ASKS), True),
        ((ASKS, ASKS, GOES, ASKS), True),
    ],
)
def test_two_sources_are_seen_in_icecasts_log(
    lines: tuple[str, ...], shared: bool
) -> None:
    assert bool(shared_in("\n".join(lines))) == shared


def test_kills_and_terms_are_read_from_logs() -> None:
    kill = 'Received admin command killsource on mount "/m"'
    assert kills_in(f"{kill}\n{GOES}\n{kill}") == 2
    log = "event='leadership' why='x' term=4 leader='bob'\nevent='other' term=9"
    assert highest_term([log, ""]) == 4
    assert highest_term([]) == 0


def test_a_switch_is_a_change_of_host_and_a_recovery_a_change_of_source() -> None:
    again = Holding(host="alice", term=1, started="10:00:09")
    coming = Holding(host="", term=0, started="")
    seen = looks(A, None, B, B, coming, again)
    assert switches_in(seen, "/m") == 2
    assert recovered_at(seen, "/m", A, since=1.0) == 2.0
    assert recovered_at(looks(A, None, again), "/m", A, since=0.0) == 2.0
    assert recovered_at(looks(A, None, A), "/m", A, since=0.0) is None


def test_a_listener_that_gets_no_more_hears_silence() -> None:
    heard = Heard(asked_at=Seconds(0.0))
    assert silence_of(heard, until=5.0) == float("inf")
    heard.chunks.append((Seconds(1.0), b""))
    assert silence_of(heard, until=5.0) == 4.0


def shown(
    silence: float = 0.0, recovery: float | None = 1.0, switches: int = 1
) -> Shown:
    return Shown(
        silence=Seconds(silence),
        gap=Seconds(0.2),
        dropped=False,
        recovery=None if recovery is None else Seconds(recovery),
        switches=switches,
        terms=1,
        kills=1,
        shared=(),
    )


def test_a_goal_names_everything_that_was_missed() -> None:
    assert not Goal(silence=0.0, recovery=1.0, switches=1, terms=1).missed(shown(0.01))
    strict = Goal(silence=0.0, recovery=0.5, switches=0, terms=0, kills=0, kept=True)
    assert len(strict.missed(shown(0.1))) == 6
    assert not strict.missed(shown(recovery=None))[3:]


def test_runs_are_kept_for_another_sitting_and_judged_anew(tmp_path: Path) -> None:
    file = tmp_path / "runs"
    loose = Case(row="4", fault="f", goal=Goal(), play=lambda _: shown())
    keep(file, loose, Run(shown=shown(recovery=3.0), missed=()))
    keep(file, loose, Run(shown=None, missed=("it fell over",)))
    strict = Case(row="4", fault="f", goal=Goal(recovery=2.0), play=lambda _: shown())
    first, second = kept(file, strict)
    assert first.shown == shown(recovery=3.0)
    assert first.missed
    assert second.missed == ("it fell over",)
    assert kept(tmp_path / "none", strict) == []


def test_a_busy_machine_may_take_longer_but_not_switch_more() -> None:
    goal = Goal(recovery=1.0, switches=0)
    assert len(goal.missed(shown(recovery=1.4))) == 2
    assert len(goal.missed(shown(recovery=1.4), slack=1.5)) == 1
    assert Goal(silence=0.0).missed(shown(0.1), slack=1.5)


def test_a_spread_is_median_percentile_and_maximum() -> None:
    assert spread([], 1) == ""
    assert spread([3.0], 1) == "3.0 / 3.0 / 3.0"
    assert spread([float(n) for n in range(1, 21)], 0) == "10 / 19 / 20"


@pytest.mark.parametrize(
    ("odd", "holds"),
    [
        (shown(), "yes"),
        (shown(recovery=3.0), "at p95: 19 of 20"),
        (shown(silence=0.5), "**no**: 19 of 20"),
        (shown(recovery=3.0, switches=2), "**no**: 19 of 20"),
        (None, "**no**: 19 of 20"),
    ],
)
def test_one_of_twenty_runs_may_be_late_and_nothing_else(
    odd: Shown | None, holds: str
) -> None:
    goal = Goal(silence=0.0, recovery=2.0, switches=1)
    case = Case(row="4", fault="f", goal=goal, play=lambda _: shown())
    runs = [Run(shown=shown(), missed=())] * 19
    missed = ("it fell over",) if odd is None else goal.missed(odd)
    assert verdict(case, [*runs, Run(shown=odd, missed=missed)]) == holds
    assert verdict(case, [Run(shown=odd, missed=missed)]) != "at p95: 0 of 1"


def test_a_case_is_one_line_of_the_page_and_replaces_its_older_one(
    tmp_path: Path,
) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- rows -->\n<!-- end of rows -->\nafter\n")
    goal = Goal(recovery=2.0)
    case = Case(row="10", fault="f", goal=goal, play=lambda _: shown())
    other = Case(row="9b", fault="g", goal=goal, play=lambda _: shown())
    write([line_of(case, [Run(shown=shown(), missed=())])], page)
    write([line_of(other, [Run(shown=None, missed=("a|b",))])], page)
    write([line_of(case, [Run(shown=shown(recovery=1.5), missed=())] * 2)], page)
    text = page.read_text()
    rows = [line for line in text.splitlines() if line.startswith("|")][2:]
    assert [row.split(" | ")[0] for row in rows] == ["| 9b", "| 10"]
    assert "1.5 / 1.5 / 1.5" in rows[1]
    assert "**no**: 0 of 1" in rows[0]
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")


@pytest.mark.parametrize(("recovery", "holds"), [(1.4, True), (1.6, False)])
def test_a_case_is_played_in_its_folder_and_judged(
    tmp_path: Path, recovery: float, holds: bool
) -> None:
    folders: list[Path] = []

    def play(folder: Path) -> Shown:
        folders.append(folder)
        return shown(recovery=recovery)

    case = Case(row="1", fault="x", goal=Goal(recovery=1.0), play=play)
    expected = nullcontext() if holds else pytest.raises(AssertionError, match="row 1")
    with expected:
        hold(case, tmp_path)
    assert folders == [tmp_path]
