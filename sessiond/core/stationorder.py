"""What the Icecast on a host serves, as values."""

from dataclasses import dataclass, field

from sessiond.core.spec import SessionSpec
from sessiond.core.stamped import Secrets, Station


@dataclass(frozen=True, slots=True, kw_only=True)
class StationOrder:
    """A session's mounts, and where they are to be had."""

    spec: SessionSpec
    station: Station


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptStation:
    """What a station keeps on the air outside sessions.

    Attributes:
        secrets: The passwords of the mounts.
    """

    order: StationOrder
    secrets: Secrets = field(default_factory=Secrets)
