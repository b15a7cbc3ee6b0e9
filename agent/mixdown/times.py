"""How long the process callback takes, counted without making anything."""

from array import array
from typing import Final

import numpy as np

# Longer than the longest period anybody mixes at (1024 frames are 21 ms); what takes
# longer counts as this, its true length is in `max_us`.
_LONGEST_US: Final = 25_000


class CallbackTimes:
    """A count for each microsecond; a share of callbacks is found when asked for."""

    def __init__(self) -> None:
        self._counts = array("Q", bytes(8 * (_LONGEST_US + 1)))
        self.count = 0
        self.max_us = 0

    def note(self, taken_ns: int) -> None:
        """Count one callback; made for JACK's thread."""
        us = taken_ns // 1000
        self.count += 1
        self.max_us = max(self.max_us, us)
        self._counts[min(_LONGEST_US, us)] += 1

    def quantile_us(self, share: float) -> int:
        """Return the time that this share (0 to 1) of the callbacks did not exceed."""
        # In few long steps, each of which keeps JACK's thread from Python's lock for
        # no more than 20 µs.
        upto = np.cumsum(np.frombuffer(self._counts, dtype=np.uint64))
        return int(np.searchsorted(upto, share * float(upto[-1])))
