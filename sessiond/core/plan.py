"""What should run on a host: derived anew each turn, never stored, never sent.

`plan_host` is the same pure function on every host and in ``sessiond check``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from sessiond.core.argv import (
    JACKD_ENV,
    QT_ENV,
    jack_env,
    jackd_argv,
    jacktrip_argv,
    link_client,
    own_argv,
)
from sessiond.core.configfile import JackStart
from sessiond.core.earplan import ear_procs, filler_ear
from sessiond.core.jackgraph import Wire
from sessiond.core.mixmatrix import MixOrder, mix_order
from sessiond.core.namerules import split_address
from sessiond.core.proc import (
    JackAnswers,
    PortsAppear,
    ProcPlan,
    Program,
    SocketAnswers,
    Stage,
)
from sessiond.core.seats import stands_by
from sessiond.core.sourcing import SourceOrder, order_for
from sessiond.core.spec import MountSpec
from sessiond.core.stamped import LinkPort, StampedSpec
from sessiond.core.stationorder import StationOrder
from sessiond.core.stationplan import radio_script, station_order, station_procs
from sessiond.core.view import SessionView
from sessiond.core.wires import MIXDOWN, link_receive, link_send
from sessiond.core.wiring import wires_of
from sessiond.units import Address, Frames, HostName, ProcName

JACKD = ProcName("jackd")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPlan:
    """Everything that one host should be doing.

    Attributes:
        procs: In start order, by name within a stage.
        wires: Between ports that may not be there yet.
        mix: What the mix-down should do; None without one.
        sources: What each source process should encode now, here on the air or as
            the standby; which seats it may feed, its leases say.
        station: What the Icecast on this host serves, if this host runs one.
        radio: The filler's script; empty without a filler.
    """

    procs: tuple[ProcPlan, ...] = ()
    wires: frozenset[Wire] = frozenset()
    mix: MixOrder | None = None
    sources: Mapping[ProcName, SourceOrder] = field(
        default_factory=lambda: MappingProxyType({})
    )
    station: StationOrder | None = None
    radio: str = ""

    def proc(self, name: ProcName) -> ProcPlan | None:
        """Return the planned process of that name, or None."""
        return next((p for p in self.procs if p.name == name), None)


def plan_host(view: SessionView) -> HostPlan:
    """Return what this view's host should be doing now."""
    if view.leaving:
        return HostPlan()
    doc = view.running
    jack = _jackd(view, doc)
    station = station_order(view, doc)
    radio = radio_script(view.setup, station)
    airing = station_procs(view.setup, station, radio)
    if doc is None:
        procs = (*jack, *airing, *filler_ear(view, radio))
        return HostPlan(procs=_in_order(procs), station=station, radio=radio)
    links = _my_links(view, doc)
    mixes = _mixes(view, doc)
    mix = mix_order(doc.spec) if mixes else None
    feeding = on_air(view) or stands_by(view.leadership, view.me)
    orders = _sources(view, doc) if feeding else {}
    procs = (
        *jack,
        *airing,
        *(_link(view, doc, link) for link in links),
        *((_mixdown(view),) if mix else ()),
        *(_source(view, source_name(mount)) for mount in doc.spec.mounts if mix),
        *ear_procs(view, doc),
    )
    return HostPlan(
        procs=_in_order(procs),
        wires=wires_of(view, doc, mixing=mix is not None),
        mix=mix,
        sources=MappingProxyType(orders),
        station=station,
        radio=radio,
    )


def _in_order(procs: Iterable[ProcPlan]) -> tuple[ProcPlan, ...]:
    return tuple(sorted(procs, key=lambda p: (p.stage, p.name)))


def on_air(view: SessionView) -> bool:
    """Tell whether this host has the right to feed the session's mounts."""
    return view.leadership is not None and view.leadership.right


def socket_path(view: SessionView, name: ProcName) -> str:
    """Return where a process of ours is steered."""
    return f"{view.setup.run_folder}/{name}.sock"


def source_name(mount: MountSpec) -> ProcName:
    """Return the name of the process that feeds this mount."""
    return ProcName(f"source-{mount.file_name}")


def generation(view: SessionView, peer: HostName) -> int:
    """Return how often the link to `peer` was started anew by agreement.

    Both sides take the larger of what the two of them ask for.
    """
    mine = view.facts.get(view.me)
    theirs = view.facts.get(peer)
    return max(
        mine.generations.get(peer, 0) if mine else 0,
        theirs.generations.get(view.me, 0) if theirs else 0,
    )


def _jackd(view: SessionView, doc: StampedSpec | None) -> tuple[ProcPlan, ...]:
    audio = view.setup.audio
    if audio.start is JackStart.NEVER or view.foreign_jack:
        return ()
    rate = doc.spec.rate_hz if doc else audio.rate_hz
    period = (doc.spec.period_frames if doc else Frames(0)) or audio.period_frames
    return (
        ProcPlan(
            name=JACKD,
            program=Program.JACKD,
            stage=Stage.JACK,
            argv=jackd_argv(view.setup, rate, period),
            env=JACKD_ENV,
            ready=JackAnswers(),
        ),
    )


def _mixes(view: SessionView, doc: StampedSpec) -> bool:
    """Tell whether this host mixes: on the air, or about to be, or next in line.

    A mix-down, and source processes without an order, that run before they are
    needed take their starts out of every takeover. Before there is a leader or a
    standby, the best rank stands in, and whoever mixes goes on: an agent that was
    restarted knows no leader in its first turn, and its mounts are on the air.
    Who is next in line starts only once somebody is on the air: until then every
    listener waits for the first, and on one computer they would share its cores.
    """
    lead = view.leadership
    if lead is None or not doc.spec.mounts:
        return False
    others = (name for name in doc.spec.preference if name != lead.leader)
    best = next(others, None)
    if lead.right or view.me == lead.leader:
        return True
    if lead.leader is None:
        return view.mixing or view.me == best
    due = view.mixing or lead.broadcaster is not None
    return due and view.me == (lead.standby or best)


def _my_links(view: SessionView, doc: StampedSpec) -> tuple[LinkPort, ...]:
    return tuple(link for link in doc.links if link.peer_of(view.me) is not None)


def _peer(view: SessionView, link: LinkPort) -> HostName:
    return link.b if link.a == view.me else link.a


def _link(view: SessionView, doc: StampedSpec, link: LinkPort) -> ProcPlan:
    peer = _peer(view, link)
    settings = doc.spec.links
    ports = (
        *link_send(peer, settings.channels),
        *link_receive(peer, settings.channels),
    )
    server_host = None if link.server == view.me else _address(view, doc, peer)
    return ProcPlan(
        name=ProcName(link_client(peer)),
        program=Program.JACKTRIP,
        stage=Stage.LINKS,
        argv=jacktrip_argv(peer, server_host, link.udp_port, settings),
        env={**_client_env(view), **QT_ENV},
        needs=frozenset(p.name for p in _jackd(view, doc)),
        ready=PortsAppear(frozenset(ports)),
        generation=generation(view, peer),
    )


def _client_env(view: SessionView) -> dict[str, str]:
    """Return the environment of a JACK client that reads the period only once.

    FFmpeg loses half the audio after a change and JackTrip ends: another period is
    another process (field notes on FFmpeg).
    """
    mine = view.facts.get(view.me)
    period = str(mine.period_frames if mine else 0)
    return {**jack_env(view.setup.audio), "SESSIOND_PERIOD_FRAMES": period}


def _address(view: SessionView, doc: StampedSpec, peer: HostName) -> str:
    """Return the peer's host as last heard, else as stamped, else its bare name."""
    facts = view.facts.get(peer)
    member = doc.member(peer)
    found = facts.address if facts else member.address if member else None
    return (host_part(found) if found else None) or peer


def host_part(address: Address) -> str | None:
    """Return ``HOST`` of ``HOST:PORT``, without the brackets of IPv6.

    None for what is no address: no argument list has a word that a peer made up.
    """
    found = split_address(address)
    return None if found is None else found[0]


def _mixdown(view: SessionView) -> ProcPlan:
    name = ProcName(MIXDOWN)
    return ProcPlan(
        name=name,
        program=Program.MIXDOWN,
        stage=Stage.MIXDOWN,
        argv=own_argv(view.setup, Program.MIXDOWN, name, socket_path(view, name)),
        env=jack_env(view.setup.audio),
        needs=frozenset(p.name for p in _jackd(view, view.running)),
        ready=SocketAnswers(),
    )


def _source(view: SessionView, name: ProcName) -> ProcPlan:
    return ProcPlan(
        name=name,
        program=Program.SOURCE,
        stage=Stage.SOURCES,
        argv=own_argv(view.setup, Program.SOURCE, name, socket_path(view, name)),
        env=_client_env(view),
        needs=frozenset(p.name for p in _jackd(view, view.running)),
        ready=SocketAnswers(),
    )


def _sources(view: SessionView, doc: StampedSpec) -> dict[ProcName, SourceOrder]:
    if doc.station is None:
        return {}
    user = doc.spec.icecast.source_user if doc.spec.icecast else "source"
    mine = view.facts.get(view.me)
    rate = mine.rate_hz if mine and mine.rate_hz else doc.spec.rate_hz
    return {
        source_name(mount): order_for(
            mount,
            station=doc.station,
            user=user,
            rate_hz=rate,
            session=doc.spec.name,
            host=view.me,
            encoder=view.encoders.get(mount.path, 0),
            title=doc.titles.get(mount.path, ""),
        )
        for mount in doc.spec.mounts
    }
