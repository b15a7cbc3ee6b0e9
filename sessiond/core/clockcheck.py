"""Judge a clock by honest bounds: how far it can be from true time, and who lies.

NTP. Every server's answer is an interval that should hold the true offset. True time is
where a majority of the intervals overlap: `judge` returns the shortest interval with
every point that more than half of the servers allow, so it holds the true offset as
long as more than half are honest. (The place where *most* overlap is narrower, but two
liars can move it away from the truth.) A server whose interval lies outside is a false
ticker. One server is believed; two must agree.

Peers. Two hosts exchange four timestamps on each heartbeat; the exchange with the
shortest delay has the tightest bound.

Source: RFC 5905 section 11.2.1 and figure 4; Marzullo 1984; Mills 1991, clock filter.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sessiond.core.spec import ClockSettings
from sessiond.core.status import Verdict
from sessiond.units import Seconds

# A host asks each server every ASK_EVERY: two answers in a row may be lost before one
# is too old, and when all are, a condition shows within 60 s of the last answer.
ASK_EVERY: Final = Seconds(16.0)
MAX_AGE: Final = Seconds(50.0)

# RFC 5905 PHI: how fast a computer's clock may drift while nobody looks, s/s.
DRIFT: Final = 15e-6

# RFC 5905 NSTAGE: the clock filter's depth; at one heartbeat a second it also forgets
# the time before a step of either clock within 8 s.
EXCHANGES_KEPT: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class NtpSample:
    """One answer of one NTP server.

    Attributes:
        taken: When, on this host's monotonic clock.
        offset: The server's clock minus ours.
        bound: Root dispersion + delay/2: how far the offset may be off.
    """

    server: str
    taken: Seconds
    offset: Seconds
    bound: Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockVerdict:
    """What several servers agree on, and who lies.

    Attributes:
        offset: True time minus our clock, as estimated; None while unknown.
        bound: How far the offset may be off; None while unknown.
        servers: How many answered lately.
        reason: One sentence; empty when all is well.
    """

    verdict: Verdict = Verdict.UNKNOWN
    offset: Seconds | None = None
    bound: Seconds | None = None
    servers: int = 0
    falsetickers: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Interval:
    server: str
    low: float
    high: float


def newest(samples: Sequence[NtpSample]) -> tuple[NtpSample, ...]:
    """Return the newest sample of each server, by server name."""
    by_server: dict[str, NtpSample] = {}
    for sample in sorted(samples, key=lambda s: s.taken):
        by_server[sample.server] = sample
    return tuple(by_server[name] for name in sorted(by_server))


def judge(
    samples: Sequence[NtpSample], now: Seconds, settings: ClockSettings
) -> ClockVerdict:
    """Return how far this host's clock may be trusted, and which servers lie.

    Args:
        samples: Any number a server, any order; may be empty.
        now: This host's monotonic clock; samples older than `MAX_AGE` are ignored.
        settings: |offset| + bound from `warn` on is a warning, from `fail` on a fail.

    Returns:
        A verdict whose bound is never less than the best server's own.

    Source: see the module.
    """
    fresh = [s for s in newest(samples) if now - s.taken <= MAX_AGE]
    intervals = tuple(_interval(s, now) for s in fresh)
    if not intervals:
        return ClockVerdict(reason=_why_no_answer(samples))
    agreed = _majority(intervals)
    if agreed is None:
        return ClockVerdict(servers=len(fresh), reason=_disagreement(intervals))
    offset = (agreed.low + agreed.high) / 2
    best = min((i.high - i.low) / 2 for i in intervals)
    bound = max((agreed.high - agreed.low) / 2, best)
    verdict, reason = _measure(Seconds(offset), Seconds(bound), settings)
    return ClockVerdict(
        verdict=verdict,
        offset=Seconds(offset),
        bound=Seconds(bound),
        servers=len(fresh),
        falsetickers=tuple(
            i.server for i in intervals if i.high < agreed.low or i.low > agreed.high
        ),
        reason=reason,
    )


def _interval(sample: NtpSample, now: Seconds) -> _Interval:
    """Return where the true offset is now, if this server is honest."""
    reach = abs(sample.bound) + DRIFT * max(0.0, now - sample.taken)
    return _Interval(sample.server, sample.offset - reach, sample.offset + reach)


def _majority(intervals: Sequence[_Interval]) -> _Interval | None:
    """Return the shortest interval with all points in more than half of these.

    An interval holds both its ends, so at one point starts are counted before ends.
    """
    needed = len(intervals) // 2 + 1
    starts = [(i.low, False) for i in intervals]
    ends = [(i.high, True) for i in intervals]
    depth, inside = 0, list[float]()
    for point, is_end in sorted(starts + ends):
        depth += not is_end
        if depth >= needed:
            inside.append(point)
        depth -= is_end
    return _Interval("", inside[0], inside[-1]) if inside else None


def _measure(
    offset: Seconds, bound: Seconds, settings: ClockSettings
) -> tuple[Verdict, str]:
    reach = abs(offset) + bound
    if reach < min(settings.warn, settings.fail):
        return Verdict.OK, ""
    failed = reach >= settings.fail
    limit = settings.fail if failed else settings.warn
    sentence = (
        f"the clock may be {_ms(reach)} ms off "
        f"(offset {_ms(offset)} ms, bound {_ms(bound)} ms), limit {_ms(limit)} ms"
    )
    return Verdict.FAIL if failed else Verdict.WARN, sentence


def _why_no_answer(samples: Sequence[NtpSample]) -> str:
    if not samples:
        return "no time server has answered yet"
    return f"no time server has answered for {MAX_AGE:g} s"


def _disagreement(intervals: Sequence[_Interval]) -> str:
    names = ", ".join(
        f"{i.server} {_ms((i.low + i.high) / 2)} ms"
        for i in sorted(intervals, key=lambda i: i.server)
    )
    return f"the time servers disagree and none has a majority: {names}"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.3g}"


def peer_offset(
    t1: Seconds, t2: Seconds, t3: Seconds, t4: Seconds
) -> tuple[Seconds, Seconds] | None:
    """Return a peer's clock minus ours, and the bound: half the round trip.

    Args:
        t1: Our wall clock when we sent; so is t4 when the answer came.
        t2: The peer's wall clock when it received; so is t3 when it answered.
        t3: See t2.
        t4: See t1.

    Returns:
        None when no network could make these, because a clock stepped in between.

    Source: RFC 5905 section 8.
    """
    delay = (t4 - t1) - (t3 - t2)
    if not (delay >= 0 and t4 >= t1 and t3 >= t2):
        return None
    return Seconds(((t2 - t1) + (t3 - t4)) / 2), Seconds(delay / 2)


@dataclass(frozen=True, slots=True)
class PeerClock:
    """The last exchanges with one peer, newest last: (offset, bound) each."""

    exchanges: tuple[tuple[Seconds, Seconds], ...] = ()

    def heard(self, exchange: tuple[Seconds, Seconds] | None) -> "PeerClock":
        """Return this with one more exchange; None, a step, forgets all before."""
        if exchange is None:
            return PeerClock()
        return PeerClock((*self.exchanges, exchange)[-EXCHANGES_KEPT:])

    @property
    def best(self) -> tuple[Seconds, Seconds] | None:
        """The newest offset of those with the smallest bound; None without any."""
        return min(reversed(self.exchanges), key=lambda e: e[1], default=None)
