"""What the operator asked for: one frozen value, and nothing of how it is done.

The session file's syntax is in `specfile`; what a leader adds (members, link
ports, the station) is in `stamped`. Defaults here are those of a session file.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from sessiond.units import (
    Address,
    Decibels,
    Frames,
    Hertz,
    HostName,
    Kbps,
    MountPath,
    Seconds,
    SessionName,
)

EVERYONE: Final = "*"
"""In a mount's sources: all hosts of the session, also those added later."""

# Four hosts in a mesh are six links, three a host; five would be four a host,
# and each costs every musician an uplink of 1.5 Mbit/s at 48 kHz stereo.
MESH_LIMIT: Final = 4


class TopologyChoice(StrEnum):
    """Which pairs of hosts are linked."""

    AUTO = "auto"
    MESH = "mesh"
    STAR = "star"


class StandbyMode(StrEnum):
    """How much the standby does before it is needed."""

    HOT = "hot"
    WARM = "warm"
    COLD = "cold"


class NetworkProfile(StrEnum):
    """Which set of election timers a session runs on."""

    LAN = "lan"
    WIFI = "wifi"


class Codec(StrEnum):
    """What a mount is encoded in; Vorbis, Opus and FLAC travel in Ogg."""

    VORBIS = "vorbis"
    OPUS = "opus"
    FLAC = "flac"
    MP3 = "mp3"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRef:
    """A host as the operator named it; the address picks one of two namesakes."""

    name: HostName
    address: Address | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSettings:
    """What every JackTrip process of the session is started with."""

    channels: int = 2
    queue_packets: int = 4
    redundancy: int = 1
    bit_depth: int = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockSettings:
    """How far a clock's bound may lie from true time."""

    warn: Seconds = Seconds(0.005)
    fail: Seconds = Seconds(0.05)
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BroadcastSettings:
    """Who should broadcast, who must not, and on which timers."""

    prefer: tuple[HostName, ...] = ()
    never: frozenset[HostName] = frozenset()
    standby: StandbyMode = StandbyMode.HOT
    network: NetworkProfile = NetworkProfile.LAN


@dataclass(frozen=True, slots=True, kw_only=True)
class IcecastServer:
    """Somebody's Icecast; its passwords travel apart, as `Secrets`."""

    host: str
    port: int = 8000
    tls: bool = False
    source_user: str = "source"
    admin_user: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MountSpec:
    """One mix that listeners can tune into.

    Attributes:
        sources: Host names in the file's order, or `EVERYONE` alone.
        gains_db: Only the hosts whose gain is not 0 dB.
        bitrate_kbps: None for FLAC.
    """

    path: MountPath
    codec: Codec
    bitrate_kbps: Kbps | None
    sources: tuple[HostName, ...] = (HostName(EVERYONE),)
    gains_db: Mapping[HostName, Decibels] = field(
        default_factory=lambda: MappingProxyType({})
    )
    name: str = ""
    description: str = ""
    genre: str = ""
    public: bool = False
    source_user: str | None = None

    @property
    def file_name(self) -> str:
        """The path without its slash: what ports and processes are named after."""
        return self.path[1:]

    @property
    def standby_path(self) -> MountPath:
        """The hidden mount that takes this one's listeners: ``/dj1-standby.ogg``."""
        return self._beside("standby")

    @property
    def filler_path(self) -> MountPath:
        """The hidden mount of what plays while nobody does: ``/dj1-filler.ogg``."""
        return self._beside("filler")

    def _beside(self, what: str) -> MountPath:
        stem, dot, ending = self.path.rpartition(".")
        return MountPath(f"{stem}-{what}{dot}{ending}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSpec:
    """The session that the operator asked for.

    Attributes:
        period_frames: 0 leaves it at what most hosts have.
        icecast: None means embedded: the creating host runs Icecast.
        mounts: In the file's order; the first is the primary.
    """

    name: SessionName
    hosts: tuple[HostRef, ...]
    topology: TopologyChoice = TopologyChoice.AUTO
    rate_hz: Hertz = Hertz(48000)
    period_frames: Frames = Frames(0)
    links: LinkSettings = LinkSettings()
    clock: ClockSettings = ClockSettings()
    broadcast: BroadcastSettings = BroadcastSettings()
    icecast: IcecastServer | None = None
    mounts: tuple[MountSpec, ...] = ()

    @property
    def host_names(self) -> tuple[HostName, ...]:
        """All hosts, in the file's order."""
        return tuple(host.name for host in self.hosts)

    @property
    def primary(self) -> MountSpec | None:
        """The mount whose holder is the broadcaster; None in a session without."""
        return self.mounts[0] if self.mounts else None

    @property
    def preference(self) -> tuple[HostName, ...]:
        """Every host that may broadcast, most wanted first."""
        prefer = self.broadcast.prefer
        rest = (name for name in self.host_names if name not in prefer)
        return tuple(n for n in (*prefer, *rest) if n not in self.broadcast.never)

    def heard_on(self, mount: MountSpec) -> tuple[HostName, ...]:
        """Return the hosts whose strips feed this mount, in the session's order."""
        if EVERYONE in mount.sources:
            return self.host_names
        return tuple(name for name in self.host_names if name in mount.sources)
