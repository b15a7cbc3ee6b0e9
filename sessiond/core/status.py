"""What people and scripts are shown: one value, rendered as table, JSON or metrics.

The values mirror ``status --json`` (docs: interfaces); `HostStatus` is written by
its host alone, everything else is put together from those by `overview`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from sessiond.core.conditions import Condition
from sessiond.core.hearing import MountSound
from sessiond.core.holder import Role
from sessiond.core.liveness import Liveness
from sessiond.core.spec import Codec
from sessiond.core.stamped import Stamp
from sessiond.units import (
    Address,
    Decibels,
    Frames,
    Hertz,
    HostId,
    HostName,
    Kbps,
    MountPath,
    ProcName,
    SessionName,
    UdpPort,
)


class Phase(StrEnum):
    """How far the session as a whole is."""

    FORMING = "forming"
    JAMMING = "jamming"
    ON_AIR = "on-air"
    DEGRADED = "degraded"
    OFF_AIR = "off-air"
    STOPPED = "stopped"


class Verdict(StrEnum):
    """How far a host's clock may be trusted."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"


class LinkState(StrEnum):
    """``up`` only while the peer's packets go on arriving at both ends."""

    UP = "up"
    CONNECTING = "connecting"
    DOWN = "down"


class MountState(StrEnum):
    """What a listener of the mount would meet."""

    LIVE = "live"
    STALLED = "stalled"
    DOWN = "down"
    HELD_ELSEWHERE = "held-elsewhere"


class ProcState(StrEnum):
    """Where in its lifecycle a proc is."""

    STARTING = "starting"
    RUNNING = "running"
    BACKING_OFF = "backing-off"
    STOPPING = "stopping"
    STOPPED = "stopped"
    GAVE_UP = "gave-up"


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioStatus:
    """A host's JACK server; rate and period are 0 while it is absent.

    Attributes:
        dsp_load: Share of a period that JACK's clients use, 0…1.
    """

    jack_server: str
    rate_hz: Hertz = Hertz(0)
    period_frames: Frames = Frames(0)
    xruns: int = 0
    dsp_load: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockStatus:
    """A host's clock; the offset is NTP's minus ours, the bound what it may be off."""

    verdict: Verdict = Verdict.UNKNOWN
    offset_ms: float | None = None
    bound_ms: float | None = None
    servers: int = 0
    falsetickers: tuple[str, ...] = ()
    peers_offset_ms: Mapping[HostName, float] = field(
        default_factory=lambda: MappingProxyType({})
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcStatus:
    """One process of a host; pid is 0 while there is none."""

    name: ProcName
    program: str
    pid: int
    state: ProcState
    restarts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkEnd:
    """One host's side of a link, as that host hears it."""

    peer: HostName
    state: LinkState
    rtt_ms: float | None = None
    latency_ms: float | None = None
    glitches_per_min: int = 0
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StripLevel:
    """How loud one host's strip is in the mix-down."""

    host: HostName
    peak_db: Decibels
    rms_db: Decibels


@dataclass(frozen=True, slots=True, kw_only=True)
class MountEnd:
    """What the broadcaster knows of a mount that it feeds."""

    path: MountPath
    state: MountState
    peak_db: Decibels | None = None
    title: str = ""
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TitleShown:
    """What a host's own listener sees as a mount's title.

    Attributes:
        title: Empty where the mount shows none.
    """

    path: MountPath
    title: str = ""
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HostStatus:
    """All that one host says of itself.

    Attributes:
        id: None while the host was not found yet; so is the address.
        session: Empty while the host is in no session.
        state: How the host that was asked sees this one.
        sounds: What its ear hears, if it has one.
        titles: Of the mounts that this host listens to.
    """

    name: HostName
    id: HostId | None
    address: Address | None
    session: str = ""
    stamp: Stamp | None = None
    state: Liveness = Liveness.ALIVE
    voter: bool = False
    muted: bool = False
    audio: AudioStatus
    clock: ClockStatus = ClockStatus()
    procs: tuple[ProcStatus, ...] = ()
    links: tuple[LinkEnd, ...] = ()
    mounts: tuple[MountEnd, ...] = ()
    strips: tuple[StripLevel, ...] = ()
    sounds: tuple[MountSound, ...] = ()
    conditions: tuple[Condition, ...] = ()
    titles: tuple[TitleShown, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkStatus:
    """One link, from what both of its hosts say."""

    a: HostName
    b: HostName
    state: LinkState
    udp_port: UdpPort
    rtt_ms: float | None = None
    latency_ms: float | None = None
    glitches_per_min: int = 0
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MountStatus:
    """One mount, from Icecast and from the host that feeds it.

    Attributes:
        host: Who feeds it; None while nobody does.
        listeners: Our own are not counted.
        sound: What an ear of the session hears; None while none listens.
        heard_by: Whose ear.
        title: As a listener of ours is shown it.
    """

    path: MountPath
    url: str
    state: MountState
    host: HostName | None
    format: Codec
    bitrate_kbps: Kbps | None
    listeners: int = 0
    peak_db: Decibels | None = None
    title: str = ""
    conditions: tuple[Condition, ...] = ()
    sound: MountSound | None = None
    heard_by: HostName | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStatus:
    """The one picture of a session."""

    session: SessionName
    stamp: Stamp
    phase: Phase
    leader: HostName | None = None
    role: Role | None = None
    broadcaster: HostName | None = None
    standby: HostName | None = None
    hosts: tuple[HostStatus, ...] = ()
    links: tuple[LinkStatus, ...] = ()
    mounts: tuple[MountStatus, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSighting:
    """An agent found on this network.

    Attributes:
        session: The session that it is in; empty when it is free.
        version: Its program version.
    """

    name: HostName
    id: HostId
    address: Address
    session: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of ``doctor``: what was looked at, whether it is well, and the cure."""

    subject: str
    verdict: Verdict
    sentence: str
    hint: str = ""
