"""The world as one turn finds it, as one value: what `agent.observe` gathers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from sessiond.core.hearing import MountSound
from sessiond.core.jackgraph import JackGraph
from sessiond.core.linkstats import LinkSeen
from sessiond.core.mixmatrix import MixReport
from sessiond.core.onair import MountSeen
from sessiond.core.proc import ProcSeen
from sessiond.core.procsight import SpawnFailed
from sessiond.core.sourcing import SourceOrder, SourceReport
from sessiond.units import Frames, HostName, ProcName, Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """The world as one turn finds it.

    Attributes:
        graph: None without a JACK server.
        failed: Spawns of the last turn that came to nothing.
        links: One for each link process, by peer.
        mix: None while no mix-down answers.
        sources: One for each source process that answers.
        ordered: What each source process was last told to feed.
        mounts: What Icecast shows; None while it does not answer.
        sounds: What this host's ear hears; None while no ear answers.
        jack_still: For how long JACK's own count of frames has stood still.
        mix_behind: Frames that JACK has counted since the mix-down last mixed any.
        deaf: Processes that once answered on their socket and now did not.
        hung: Peers whose link's process here writes no more, while they hear nothing.
    """

    procs: Mapping[ProcName, ProcSeen] = field(
        default_factory=lambda: MappingProxyType({})
    )
    graph: JackGraph | None = None
    failed: Mapping[ProcName, SpawnFailed] = field(
        default_factory=lambda: MappingProxyType({})
    )
    links: Mapping[HostName, LinkSeen] = field(
        default_factory=lambda: MappingProxyType({})
    )
    mix: MixReport | None = None
    sources: Mapping[ProcName, SourceReport] = field(
        default_factory=lambda: MappingProxyType({})
    )
    ordered: Mapping[ProcName, SourceOrder] = field(
        default_factory=lambda: MappingProxyType({})
    )
    mounts: tuple[MountSeen, ...] | None = None
    sounds: tuple[MountSound, ...] | None = None
    jack_still: Seconds = Seconds(0)
    mix_behind: Frames = Frames(0)
    deaf: frozenset[ProcName] = frozenset()
    hung: frozenset[HostName] = frozenset()
