"""What a simulated history came to, and many of them together."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from sessiond.core.holder import Role
from tests.sim.world import World


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a history came to; `breach` is empty when everything held.

    Attributes:
        silence: The longest time that the listener went without bytes.
        took: Of each takeover that no second fault disturbed: who, and how long the
            primary had been without bytes by then.
    """

    row: str
    seed: int
    hosts: int
    hot: bool
    wifi: bool
    breach: str
    settled_after: float
    seconds: float
    terms: int
    puts: int
    switches: int
    parted: int
    needless: int
    silence: float
    took: tuple[tuple[Role, float], ...]
    log: tuple[str, ...]


def result_of(
    world: World,
    *,
    row: str,
    hosts: int,
    hot: bool,
    breach: str,
    wifi: bool = False,
    settled_after: float = 0.0,
    since: float = 0.0,
    terms: int = 0,
) -> Result:
    """Return what a world came to since an instant, when it had seen some terms."""
    puts = [put for put in world.puts if put.at >= since]
    switches = [put for put in puts if put.is_switch]
    return Result(
        row=row,
        seed=world.seed,
        hosts=hosts,
        hot=hot,
        wifi=wifi,
        breach=breach,
        settled_after=settled_after,
        seconds=world.now,
        terms=len(world.leaders) - terms,
        puts=len(puts),
        switches=len(switches),
        parted=sum(put.needless and put.parted for put in switches),
        needless=sum(put.needless and not put.parted for put in switches),
        silence=world.station.silence(since, world.now),
        took=tuple((put.role, put.took) for put in switches if put.undisturbed),
        log=tuple(world.log),
    )


def quantile(values: list[float], share: float) -> float:
    """Return the value that a share of them does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def figures(values: list[float]) -> str:
    """Return p50, p95, p99 and the largest."""
    if not values:
        return "none"
    parts = [f"{quantile(values, share):.2f}" for share in (0.5, 0.95, 0.99)]
    return " ".join([*parts, f"{max(values):.2f}"])


@dataclass
class Tally:
    """Many results of one row, as few numbers."""

    totals: Counter[str] = field(default_factory=Counter)
    silence: dict[str, list[float]] = field(default_factory=dict)
    took: dict[str, list[float]] = field(default_factory=dict)
    breaches: list[Result] = field(default_factory=list)
    needless: list[int] = field(default_factory=list)

    def add(self, result: Result) -> None:
        """Count a result in."""
        totals = self.totals
        totals["schedules"] += 1
        totals[f"of {result.hosts} hosts"] += 1
        totals["virtual seconds"] += round(result.seconds)
        for name in ("terms", "puts", "switches", "parted", "needless"):
            totals[name] += getattr(result, name)
        kind = ("hot" if result.hot else "cold") + " wifi" * result.wifi
        self.silence.setdefault(kind, []).append(result.silence)
        for role, took in result.took:
            self.took.setdefault(f"{kind}, by a {role}", []).append(took)
        if result.needless:
            self.needless.append(result.seed)
        if result.breach:
            self.breaches.append(result)

    def lines(self) -> Iterable[str]:
        """Return what it all came to, one sentence a line; p50 p95 p99 max."""
        totals = self.totals
        yield ", ".join(f"{count} {name}" for name, count in totals.items() if count)
        for kind, silences in sorted(self.silence.items()):
            yield f"{kind}: seconds without bytes {figures(silences)}"
        for kind, took in sorted(self.took.items()):
            yield f"{kind}: {len(took)} takeovers after {figures(took)} s"
        if self.needless:
            yield f"seeds with a needless switch: {self.needless}"
        for result in self.breaches:
            yield f"row {result.row} seed {result.seed}: {result.breach}"
        yield f"{len(self.breaches)} breaches"
