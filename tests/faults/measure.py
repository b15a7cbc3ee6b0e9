"""What a fault did to the listeners, what it may do, and whether the two agree."""

import itertools
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from sessiond.units import Seconds
from tests.faults.audience import Holding, Look
from tests.support.ear import Heard, play_out

# Shorter silences are the player's own rounding: a page of Ogg is 20 to 200 ms long
# and its arrival is noted to the millisecond.
_INAUDIBLE: Final = Seconds(0.02)

# Where a burst reaches back to the beginning of a mount, it begins like this: a moment
# of sound until its mix-down is told to fade it in, then next to nothing.
_BEGINNING: Final = Seconds(0.5)

# A row's one run in the tests may be on a machine that is busy with much else; `make
# faults`, which plays it many times, judges by the goal itself.
_SLACK: Final = 1.5

# Icecast 2.4.4's log, level 3: a source asks, is refused, goes; a command comes.
_ASKS: Final = re.compile(r'Source logging in at mountpoint "([^"]+)"')
_REFUSED: Final = re.compile(r"Mountpoint (\S+) in use")
_GOES: Final = re.compile(r'Source(?: from \S+)? at "([^"]+)" exiting')
_STARTS: Final = " server started"
_KILLS: Final = re.compile(r"Received admin command killsource on mount")
_TERM: Final = re.compile(r"event='leadership'.* term=(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What came of one fault.

    Attributes:
        silence: Of the listener who had most of it: late and decoded, seconds.
        gap: The longest time without a byte at any listener.
        dropped: Whether Icecast ended a listener's connection.
        recovery: From the fault (or its cure, where the row says so) until the primary
            mount had a new source; None where the old one stayed.
        switches: How often the primary mount went from a host to another.
        terms: How many terms higher the highest is than before.
        kills: How many killsource commands Icecast got.
        shared: A sentence for each moment at which a mount had two sources.
    """

    silence: Seconds
    gap: Seconds
    dropped: bool
    recovery: Seconds | None
    switches: int
    terms: int
    kills: int
    shared: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What a row of the fault table asks for; None asks for nothing.

    Attributes:
        silence: At most, seconds.
        gap: Without bytes at most, seconds.
        recovery: At most, seconds; a mount that kept its source has none.
        switches: At most.
        terms: At most.
        kills: At most.
        kept: Whether the primary mount's source has to stay the same one.
        may_drop: Whether listeners may lose their connection.
    """

    silence: float | None = None
    gap: float | None = None
    recovery: float | None = None
    switches: int | None = None
    terms: int | None = None
    kills: int | None = None
    kept: bool = False
    may_drop: bool = False

    def missed(self, shown: Shown, slack: float = 1.0) -> tuple[str, ...]:
        """Return a sentence for everything that was not met; empty is good.

        Args:
            shown: What came of the fault.
            slack: How many times longer than asked everything may take.
        """
        return tuple(self._missed(shown, slack))

    def _missed(self, shown: Shown, slack: float) -> Iterator[str]:
        took = shown.recovery or 0.0
        limits = (
            (f"{shown.silence:.2f} s of silence", shown.silence, self.silence, slack),
            (f"{shown.gap:.1f} s without bytes", shown.gap, self.gap, slack),
            (f"recovery in {took:.2f} s", took, self.recovery, slack),
            (f"{shown.switches} switches", shown.switches, self.switches, 1.0),
            (f"{shown.terms} new terms", shown.terms, self.terms, 1.0),
            (f"{shown.kills} killsource commands", shown.kills, self.kills, 1.0),
        )
        for words, found, limit, times in limits:
            if limit is not None and found > limit * times + _INAUDIBLE:
                yield f"{words}, not {limit:g}"
        if self.kept and shown.recovery is not None:
            yield "the primary mount got another source"
        if shown.dropped and not self.may_drop:
            yield "a listener was dropped"
        yield from shown.shared

    def is_only_late(self, shown: Shown) -> bool:
        """Tell whether nothing but a recovery or the bytes came later than asked."""
        timeless = replace(self, gap=None, recovery=None)
        return bool(self.missed(shown)) and not timeless.missed(shown)

    @property
    def text(self) -> str:
        """The goal in a few words, for the table."""
        return "; ".join(self._words())

    def _words(self) -> Iterator[str]:
        if self.silence is not None:
            yield f"silence ≤ {self.silence:g} s" if self.silence else "0 silence"
        if self.gap is not None:
            yield f"bytes again ≤ {self.gap:g} s"
        if self.recovery is not None:
            yield f"recovery ≤ {self.recovery:g} s"
        if self.kept:
            yield "same source"
        if self.switches is not None:
            yield f"switches ≤ {self.switches}" if self.switches else "no switch"
        if self.terms is not None:
            yield f"new terms ≤ {self.terms}" if self.terms else "no new term"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A row of the fault table, or one of its variants, ready to be played.

    Attributes:
        row: As in the table, with the variant: ``3 hot``.
        fault: What is done, in a few words.
        goal: What must show.
        play: Plays it in a folder of its own; an AssertionError is a row not met.
        also: What `play` itself sees to, for the table.
    """

    row: str
    fault: str
    goal: Goal
    play: Callable[[Path], Shown]
    also: str = ""

    def judge(self, shown: Shown) -> None:
        """Fail unless what was shown is what must show, on a busy machine."""
        missed = self.goal.missed(shown, _SLACK)
        assert not missed, f"row {self.row}: {'; '.join(missed)}; {shown}"


def hold(case: Case, folder: Path) -> None:
    """Fail unless a case holds."""
    case.judge(case.play(folder))


# --- from raw material to figures --------------------------------------------------


def silence_of(heard: Heard, until: float | None = None) -> Seconds:
    """Return a listener's silence so far; one whose bytes have ended goes on waiting.

    Args:
        heard: What came.
        until: The end of the run, monotonic; now by default.
    """
    if not heard.chunks:
        return Seconds(float("inf"))
    played = play_out(heard)
    # The burst may reach back to where the stream itself began, which no fault did.
    begun = sum(span.duration for span in played.silent if span.start < _BEGINNING)
    ran = (time.monotonic() if until is None else until) - heard.chunks[0][0]
    return Seconds(played.silence - begun + max(0.0, ran - played.duration))


def switches_in(looks: Sequence[Look], path: str) -> int:
    """Return how often a mount went from a host to another, whatever lay between."""
    hosts = [held.host for held in holdings(looks, path)]
    return sum(a != b for a, b in itertools.pairwise(hosts))


def holdings(looks: Sequence[Look], path: str) -> list[Holding]:
    """Return a mount's sources as they were seen, the moments without one left out.

    So are the first moments of a source, when Icecast does not yet say whose it is.
    """
    seen = (look.mounts[path] for look in looks if look.mounts and path in look.mounts)
    return [held for held in seen if held.host]


def recovered_at(
    looks: Sequence[Look], path: str, old: Holding, since: float
) -> Seconds | None:
    """Return when a mount was first seen with another source than `old`."""
    for look in looks:
        held = (look.mounts or {}).get(path)
        if look.at >= since and held is not None and held.host and held != old:
            return look.at
    return None


def shared_in(log: str) -> tuple[str, ...]:
    """Return a sentence for each source that Icecast took while it had another.

    A source that asks has been accepted once Icecast has not refused it.

    Source: invariant 3.
    """
    sources: Counter[str] = Counter()
    found = []
    for line in log.splitlines():
        if _STARTS in line:
            sources.clear()
        elif asks := _ASKS.search(line):
            path = asks[1]
            if sources[path] > 1:
                found.append(f"two sources on {path} before: {line}")
            sources[path] += 1
        elif gone := _REFUSED.search(line) or _GOES.search(line):
            sources[gone[1]] -= 1
    found += [f"two sources on {path}" for path, n in sources.items() if n > 1]
    return tuple(found)


def kills_in(log: str) -> int:
    """Return how many sources Icecast was asked to kill."""
    return len(_KILLS.findall(log))


def highest_term(logs: Sequence[str]) -> int:
    """Return the highest term that any agent's log names; 0 for none."""
    return max((int(t) for log in logs for t in _TERM.findall(log)), default=0)
