"""A wall clock that a test may step, for the Python programs with this on their path.

The file named by ``STEPPED_CLOCK`` holds how many seconds the clock is ahead; it is
read each time. Only the wall clock is touched, and only as Python reads it: what other
programs read, libfaketime steps (`tests.faults.breaking.WallClock`). libfaketime on an
agent would not do, because gRPC's waits go around it.
"""

import os
import time

_FILE = os.environ["STEPPED_CLOCK"]
_NANOSECONDS = time.time_ns


def _time_ns() -> int:
    with open(_FILE) as file:  # noqa: PTH123  imports as little as it can
        return _NANOSECONDS() + int(file.read()) * 10**9


def _time() -> float:
    return _time_ns() / 1e9


time.time_ns = _time_ns
time.time = _time  # noqa: TID251  it is this clock that is stepped
