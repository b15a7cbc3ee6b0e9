"""How much of the processors' time a virtual machine does not get.

Where others use the same hardware, this machine stands still for tenths of a second
whatever runs on it: sound comes late, and leases run out. Linux counts it as *steal*.

Source: proc_stat(5), ``steal``.
"""

import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import psutil

from sessiond.units import Seconds

_EVERY: Final = 1.0

# Of one second. A calm machine of two cores shows up to 0.15; above 0.25 a timer of the
# highest priority came 50 to 330 ms late, again and again.
ROBBED: Final = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """The share of the second that ended at this moment, 0 to 1."""

    at: Seconds
    share: float


class StealWatch:
    """Notes each second what share went to others, from `__enter__` to `__exit__`.

    Attributes:
        notes: What has been noted so far.
    """

    def __init__(self) -> None:
        self.notes: list[Note] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="steal", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def worst_since(self, at: float) -> float:
        """Return the share of the worst second since then, 0 to 1; 0 for none yet.

        Args:
            at: Monotonic, seconds.
        """
        return max((note.share for note in self.notes if note.at >= at), default=0.0)

    def _run(self) -> None:
        psutil.cpu_times_percent()
        while not self._over.wait(_EVERY):
            share = psutil.cpu_times_percent().steal / 100
            self.notes.append(Note(at=Seconds(time.monotonic()), share=share))
