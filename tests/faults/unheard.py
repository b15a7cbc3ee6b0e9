"""What comes of a fault at which nobody listens: rows that are about one agent."""

from typing import Final

from sessiond.units import Seconds
from tests.faults.measure import Shown

UNHEARD: Final = Shown(
    silence=Seconds(0.0),
    gap=Seconds(0.0),
    dropped=False,
    recovery=None,
    switches=0,
    terms=0,
    kills=0,
    shared=(),
)
