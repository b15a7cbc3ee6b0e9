"""The clock that an agent and its sources share.

Both read the kernel's boot clock: monotonic, the same for all processes of a
computer, and (other than CLOCK_MONOTONIC) going on while a laptop sleeps, so that a
lease does not survive a night in a bag.
"""

import time

from sessiond.units import Seconds


def lease_clock() -> Seconds:
    """Return the seconds since boot, sleep included."""
    return Seconds(time.clock_gettime(time.CLOCK_BOOTTIME))
