"""What every member knows of every other: few, small, on every heartbeat.

A host writes only its own `HostFacts`; the leader passes all of them on.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from sessiond.core.status import Verdict
from sessiond.units import (
    Address,
    Frames,
    Hertz,
    HostId,
    HostName,
    MountPath,
    UdpPort,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """One host's word about itself.

    Attributes:
        rate_hz: Its JACK server's; 0 while there is none. So is period_frames.
        generations: For each peer, how often this host asked for a new start of
            their link; both sides run the larger of the two numbers.
        busy_ports: UDP ports of its links that a foreign program holds.
        heard: The peers whose sound arrives here over their links.
        silent: The mounts that its ear hears, and hears silent.
    """

    name: HostName
    id: HostId
    address: Address
    reachable: bool = True
    able: bool = False
    rate_hz: Hertz = Hertz(0)
    period_frames: Frames = Frames(0)
    clock: Verdict = Verdict.UNKNOWN
    generations: Mapping[HostName, int] = field(
        default_factory=lambda: MappingProxyType({})
    )
    busy_ports: frozenset[UdpPort] = frozenset()
    heard: frozenset[HostName] = frozenset()
    silent: frozenset[MountPath] = frozenset()
    muted: bool = False
