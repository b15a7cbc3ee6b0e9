"""Whether a member is there: apart from the election, which judges it.

So the command line can show it without loading an elector.
"""

from enum import StrEnum


class Liveness(StrEnum):
    """How long a member has been silent."""

    ALIVE = "alive"
    SUSPECT = "suspect"
    GONE = "gone"
