"""This host's own state: the one place where what the agent knows is kept.

Everything here is written by the agent's event loop alone. `Host.view` freezes it into
the value that a turn decides on.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from agent.doors import Clock, Store
from sessiond.core.argv import bind_port, link_client, link_peer
from sessiond.core.clockcheck import ClockVerdict
from sessiond.core.conditions import Condition
from sessiond.core.configfile import AgentConfig
from sessiond.core.earplan import EAR
from sessiond.core.election import Leadership
from sessiond.core.encodercare import EncoderCare
from sessiond.core.facts import HostFacts
from sessiond.core.judge_audio import JACK_STALLED_AFTER
from sessiond.core.observed import Observed
from sessiond.core.onair import MountSeen
from sessiond.core.plan import HostPlan
from sessiond.core.procstates import Lifecycle
from sessiond.core.sourcing import SourceReport
from sessiond.core.spec import Codec
from sessiond.core.stamped import Secrets, StampedSpec
from sessiond.core.stationorder import KeptStation
from sessiond.core.status import ClockStatus, HostSighting, LinkState, Verdict
from sessiond.core.titles import TitleHeard
from sessiond.core.view import HostSetup, SessionView
from sessiond.core.wires import MIXDOWN
from sessiond.errors import Refused
from sessiond.units import (
    Address,
    Frames,
    Hertz,
    HostId,
    HostName,
    MountPath,
    ProcName,
    Seconds,
    UdpPort,
)
from sessiond.version import VERSION
from sessiond.wire.identity import Identity

# Two looks at rest, with room for a slow answer.
STATION_LIMIT: Final = Seconds(5.0)


@dataclass(slots=True, kw_only=True)
class Host:
    """What one agent knows and is, between two turns.

    Attributes:
        identity: Its key and certificate.
        studio: The studio's secret; empty for a host of no studio.
        consented: See `SessionView`.
        left: A session that its owner left while nobody could be told.
        muted_by_owner: See `Home`.
        kept: What its station keeps on the air outside a session; None for nothing.
        secrets: Icecast's passwords of the session named in `secrets_of`.
        peer_facts: Each member's own word, newest.
        peer_offsets: Each member's clock minus ours, with its bound.
        codecs_missing: What FFmpeg can't encode here.
        generations: How often this host asked for a new start of each link.
        plan: Of the last turn.
        observed: Of the last turn.
        conditions: Of the last turn.
        jack_since: When the JACK server was first seen in its present life.
        store_error: Why the last write failed; empty when nothing is unstored.
        unstored: Documents that could not be stored, newest version, by name.
        leadership: Asks the present elector; None outside a session.
        stored: Asks it for the document alone.
        mounts: Icecast's status as last read; None when it did not answer.
        titles: What this host's own listeners see on the mounts.
        sources: What each source process last reported.
        station_heard: When Icecast last answered.
        station_denied: Why it did not let us act on a mount; empty when it did.
        encoder_care: When encoders were started anew, as listeners heard nothing.
        turns: How many have been taken.
        settled: True when the last turn had no effect.
    """

    config: AgentConfig
    identity: Identity
    setup: HostSetup
    clock: Clock
    store: Store
    boot_id: str = ""
    studio: bytes = field(default=b"", repr=False)
    codecs_missing: frozenset[Codec] = frozenset()
    consented: bool = True
    leaving: bool = False
    left: str = ""
    muted: bool = False
    muted_by_owner: bool = False
    conflict: bool = False
    kept: KeptStation | None = None
    secrets: Secrets = field(default_factory=Secrets)
    secrets_of: str = ""
    peer_facts: dict[HostName, HostFacts] = field(default_factory=dict)
    peer_offsets: dict[HostName, tuple[Seconds, Seconds]] = field(default_factory=dict)
    generations: dict[HostName, int] = field(default_factory=dict)
    clock_verdict: ClockVerdict = field(default_factory=ClockVerdict)
    plan: HostPlan = field(default_factory=HostPlan)
    observed: Observed = field(default_factory=Observed)
    lifecycles: Mapping[ProcName, Lifecycle] = field(default_factory=dict)
    restarts: dict[ProcName, int] = field(default_factory=dict)
    conditions: tuple[Condition, ...] = ()
    jack_since: Seconds | None = None
    store_error: str = ""
    unstored: dict[str, bytes] = field(default_factory=dict)
    leadership: Callable[[], Leadership | None] = lambda: None
    stored: Callable[[], StampedSpec | None] = lambda: None
    mounts: tuple[MountSeen, ...] | None = None
    titles: Mapping[MountPath, TitleHeard] = field(default_factory=dict)
    sources: Mapping[ProcName, SourceReport] = field(default_factory=dict)
    station_heard: Seconds | None = None
    station_denied: str = ""
    encoder_care: EncoderCare = field(default_factory=EncoderCare)
    turns: int = 0
    settled: bool = False

    @property
    def name(self) -> HostName:
        """This host's name."""
        return self.config.name

    @property
    def id(self) -> HostId:
        """Who this host is to others, whatever it is called."""
        return self.identity.id

    @property
    def address(self) -> Address:
        """Where other agents reach this one."""
        return self.config.address

    @property
    def document(self) -> StampedSpec | None:
        """The session's document as this host has stored it; None without one."""
        return self.stored()

    def sighting(self) -> HostSighting:
        """Return how this agent introduces itself."""
        doc = self.document
        busy = doc is not None and not doc.stopped
        return HostSighting(
            name=self.name,
            id=self.id,
            address=self.config.address,
            session=doc.spec.name if doc and busy else "",
            version=VERSION,
        )

    def view(self) -> SessionView:
        """Freeze everything that a plan depends on."""
        lead = self.leadership()
        owns_jack = "jackd" in self.observed.procs
        return SessionView(
            setup=self.setup,
            stamped=lead.stamped if lead else None,
            leadership=lead,
            facts={**self.peer_facts, self.name: self.facts()},
            liveness=dict(lead.liveness) if lead else {},
            clock=self.clock_status(),
            muted=self.muted,
            consented=self.consented,
            leaving=self.leaving,
            foreign_jack=self.observed.graph is not None and not owns_jack,
            mixing=MIXDOWN in self.observed.procs,
            listening=EAR in self.observed.procs,
            encoders=self.encoder_care.generations,
            conflict=self.conflict,
            kept=self.kept.order if self.kept else None,
            station_denied=self.station_denied,
        )

    def facts(self) -> HostFacts:
        """Return this host's word about itself."""
        graph = self.observed.graph
        return HostFacts(
            name=self.name,
            id=self.id,
            address=self.config.address,
            reachable=self.config.reachable,
            able=self.able(),
            rate_hz=graph.rate_hz if graph else Hertz(0),
            period_frames=graph.period_frames if graph else Frames(0),
            clock=self.clock_verdict.verdict,
            generations=self._generations(),
            busy_ports=self._busy_ports(),
            muted=self.muted,
            heard=self._heard(),
            silent=frozenset(
                sound.path
                for sound in self.observed.sounds or ()
                if sound.silent and sound.progressing
            ),
        )

    def able(self) -> bool:
        """Tell whether this host could broadcast now."""
        doc = self.document
        if doc is None or doc.stopped or not self.consented or self.leaving:
            return False
        if not doc.spec.mounts:
            return True
        return (
            self.observed.graph is not None
            and self.observed.jack_still < JACK_STALLED_AFTER
            and not self.codecs_missing & {mount.codec for mount in doc.spec.mounts}
            and self.secrets_of == doc.spec.name
            and self.hears_station()
            and not (
                doc.spec.clock.required and self.clock_verdict.verdict is Verdict.FAIL
            )
        )

    def _generations(self) -> dict[HostName, int]:
        """Return the largest number asked for, or run with, of each link.

        What runs may have been agreed upon before this agent began.
        """
        asked = dict(self.generations)
        for name, state in self.lifecycles.items():
            peer, running = link_peer(name), state.plan.generation
            if peer is not None and running > asked.get(peer, 0):
                asked[peer] = running
        return asked

    def _heard(self) -> frozenset[HostName]:
        now = self.clock.now()
        links = self.observed.links.items()
        return frozenset(p for p, seen in links if seen.state(now) is LinkState.UP)

    def _busy_ports(self) -> frozenset[UdpPort]:
        """Return the ports that our links could not bind: as they were started."""
        busy = (peer for peer, seen in self.observed.links.items() if seen.port_busy)
        states = (self.lifecycles.get(ProcName(link_client(peer))) for peer in busy)
        ports = (bind_port(state.plan.argv) for state in states if state is not None)
        return frozenset(port for port in ports if port is not None)

    def sources_running(self) -> frozenset[ProcName]:
        """Return the source processes that the last turn saw."""
        return frozenset(n for n in self.observed.procs if n.startswith("source-"))

    def password(
        self, path: MountPath, address: str, port: int, *, tls: bool
    ) -> str | None:
        """Return a mount's source password; None for an Icecast that it is not for."""
        if not self.secrets.is_for(address, port, tls=tls):
            return None
        return self.secrets.for_mount(path)

    def hears_station(self) -> bool:
        """Tell whether Icecast answered lately."""
        heard = self.station_heard
        return heard is not None and self.clock.now() - heard < STATION_LIMIT

    def clock_status(self) -> ClockStatus:
        """Return the clock's verdict as it is shown."""
        verdict = self.clock_verdict
        return ClockStatus(
            verdict=verdict.verdict,
            offset_ms=_milli(verdict.offset),
            bound_ms=_milli(verdict.bound),
            servers=verdict.servers,
            falsetickers=verdict.falsetickers,
            peers_offset_ms={
                name: round(offset * 1000, 3)
                for name, (offset, _) in self.peer_offsets.items()
            },
        )


def no_session(host: Host) -> Refused:
    """Return the answer to what only a session's host can do."""
    return Refused(
        f"{host.name} is in no session.", "Create one with `sessiond create FILE`."
    )


def require_part(host: Host, doc: StampedSpec) -> None:
    """Return if a session that goes on does so with this host.

    Raises:
        Refused: This host was taken out of it.
    """
    if not doc.stopped and doc.member(host.name) is None:
        raise Refused(
            f"{host.name} belongs to {doc.spec.name} no longer.",
            "Join it again with a link of `sessiond invite`.",
        )


def _milli(value: Seconds | None) -> float | None:
    return None if value is None else round(value * 1000, 3)
