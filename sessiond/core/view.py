"""One turn's input: everything a host knows of its session, as one frozen value."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from sessiond.core.configfile import AudioConfig
from sessiond.core.election import Leadership, Liveness
from sessiond.core.facts import HostFacts
from sessiond.core.hearing import SilenceRule
from sessiond.core.stamped import StampedSpec
from sessiond.core.stationfile import StationConfig
from sessiond.core.stationorder import StationOrder
from sessiond.core.status import ClockStatus
from sessiond.units import HostName, MountPath


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSetup:
    """What a plan needs to know of its own host and of nobody else's.

    Attributes:
        python: The interpreter that runs our own programs.
        run_folder: Where steering sockets lie.
        station_folder: Where an embedded Icecast reads its configuration; its own
            user must be able to, so it lies outside the state folder.
        may_realtime: Whether the system grants real-time scheduling here.
        silence: What this host's ear calls silence.
        keeps: What this host's station keeps on the air; None for a host that has none.
        filler_user: Whom Liquidsoap runs as; empty: as the agent.
        is_root: The agent runs as root.
    """

    name: HostName
    audio: AudioConfig = field(default_factory=AudioConfig)
    python: str = "python3"
    run_folder: str = "run"
    station_folder: str = "station"
    may_realtime: bool = False
    silence: SilenceRule = field(default_factory=SilenceRule)
    keeps: StationConfig | None = None
    filler_user: str = ""
    is_root: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionView:
    """The snapshot that one turn decides on.

    Attributes:
        stamped: None while the host is in no session.
        facts: The newest facts of each member that was ever heard, ours included.
        liveness: What the elector knows of each member.
        consented: False from a boot until a member was heard or the owner resumed:
            until then this host starts nothing, so no microphone is open.
        leaving: The agent is about to end, with all that it runs.
        foreign_jack: A JACK server runs here that we did not start.
        mixing: A mix-down of ours runs here already.
        listening: So does an ear.
        encoders: How often each mount's encoder was started anew because listeners
            heard nothing.
        conflict: A losing document of a partition lies beside ours.
        kept: What its station serves outside a session; None for nothing.
        station_denied: Why Icecast does not let this host end sources and move
            listeners; empty while it does.
    """

    setup: HostSetup
    stamped: StampedSpec | None = None
    leadership: Leadership | None = None
    facts: Mapping[HostName, HostFacts] = field(
        default_factory=lambda: MappingProxyType({})
    )
    liveness: Mapping[HostName, Liveness] = field(
        default_factory=lambda: MappingProxyType({})
    )
    clock: ClockStatus = field(default_factory=ClockStatus)
    muted: bool = False
    consented: bool = True
    leaving: bool = False
    foreign_jack: bool = False
    mixing: bool = False
    listening: bool = False
    encoders: Mapping[MountPath, int] = field(
        default_factory=lambda: MappingProxyType({})
    )
    conflict: bool = False
    kept: StationOrder | None = None
    station_denied: str = ""

    @property
    def me(self) -> HostName:
        """This host's name."""
        return self.setup.name

    @property
    def running(self) -> StampedSpec | None:
        """The session's document while it asks something of this host."""
        doc = self.stamped
        if doc is None or doc.stopped or self.me not in doc.spec.host_names:
            return None
        return doc if self.consented and not self.leaving else None
