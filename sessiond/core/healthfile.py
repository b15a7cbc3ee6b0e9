"""The ``[health]`` table of an agent file: who may ask how the mounts sound, and where.

What a mount's silence is stands there, too: it is the ear's to judge.
"""

from dataclasses import dataclass
from typing import Final

from sessiond.core import namerules as rules
from sessiond.core.filecheck import Table
from sessiond.core.hearing import SilenceRule
from sessiond.core.mistakes import TextRule
from sessiond.units import Address, Decibels, Seconds

_RULE: Final = SilenceRule()


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthConfig:
    """How this host tells of the mounts' sound.

    Attributes:
        listen: ``HOST:PORT`` of the page for monitoring; empty for none.
        silence: What its ear calls silence.
    """

    listen: str = ""
    silence: SilenceRule = _RULE


_LISTEN: Final = TextRule(
    accepts=lambda text: not text or rules.ADDRESS.accepts(text),
    must=f"empty, or {rules.ADDRESS.must}",
)


def read_health(root: Table) -> HealthConfig:
    """Return what an agent file's table says."""
    table = root.table("health")
    return HealthConfig(
        listen=Address(table.text("listen", "", _LISTEN)),
        silence=SilenceRule(
            below_db=Decibels(
                table.number(
                    "silent_below_db",
                    _RULE.below_db,
                    lambda level: -100 <= level <= 0,
                    "a level from -100 to 0 dB",
                )
            ),
            after=Seconds(
                table.number(
                    "silent_after_s",
                    _RULE.after,
                    lambda seconds: 1 <= seconds <= 3600,
                    "a time from 1 to 3600 s",
                )
            ),
        ),
    )
