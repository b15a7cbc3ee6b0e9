"""Judge a clock by honest bounds (values now; the judgement is below them)."""

from collections.abc import Sequence
from dataclasses import dataclass

from sessiond.core.status import Verdict
from sessiond.units import Seconds


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
    """What several servers agree on, and who lies."""

    verdict: Verdict = Verdict.UNKNOWN
    offset: Seconds | None = None
    bound: Seconds | None = None
    servers: int = 0
    falsetickers: tuple[str, ...] = ()
    reason: str = ""


def newest(samples: Sequence[NtpSample]) -> tuple[NtpSample, ...]:
    """Return the newest sample of each server, by server name."""
    by_server: dict[str, NtpSample] = {}
    for sample in sorted(samples, key=lambda s: s.taken):
        by_server[sample.server] = sample
    return tuple(by_server[name] for name in sorted(by_server))
