"""The lab's one way to wait for the world: look again until it is as wanted."""

import time
from collections.abc import Callable
from typing import Final

from sessiond.errors import Unavailable
from sessiond.units import Seconds

# A tenth of the shortest start that the lab waits for (a JACK server's, 0.1 s).
_LOOK_EVERY: Final = 0.01


def until(condition: Callable[[], bool], *, within: Seconds, what: str) -> None:
    """Return once `condition` holds.

    Args:
        condition: Cheap to ask; asked every 10 ms.
        within: How long to go on asking, seconds.
        what: What is awaited, as the subject of a sentence: "jackd on alice".

    Raises:
        Unavailable: Time ran out.
    """
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            raise Unavailable(f"{what} was not ready within {within:g} s.")
        time.sleep(_LOOK_EVERY)
