"""The clocks of this computer: one to decide by, one to be compared with others."""

import time
from typing import Final

from sessiond.units import Seconds

NANOSECONDS: Final = 1_000_000_000


class MonotonicClock:
    """The clock of every lease, timer and deadline: it never steps."""

    def now(self) -> Seconds:
        """Return the monotonic time since boot, in seconds."""
        return Seconds(time.monotonic())


class SystemWallClock:
    """The clock that NTP sets; it may step at any moment, so it decides nothing.

    Only for the four timestamps by which two hosts find how far their clocks differ.
    """

    def now(self) -> Seconds:
        """Return the wall-clock time since 1970 (UTC), in seconds."""
        return Seconds(time.time_ns() / NANOSECONDS)
