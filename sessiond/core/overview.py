"""Put one session's picture together from what its hosts say of themselves."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from sessiond.core.conditions import Severity
from sessiond.core.facts import HostFacts
from sessiond.core.heardmounts import heard_mounts
from sessiond.core.liveness import Liveness
from sessiond.core.onair import MountSeen
from sessiond.core.spec import MountSpec
from sessiond.core.stamped import LinkPort, StampedSpec, Station
from sessiond.core.status import (
    AudioStatus,
    HostStatus,
    LinkEnd,
    LinkState,
    LinkStatus,
    MountEnd,
    MountState,
    MountStatus,
    Phase,
    SessionStatus,
    TitleShown,
)
from sessiond.core.view import SessionView
from sessiond.units import Frames, HostName


def overview(
    view: SessionView,
    doc: StampedSpec,
    reports: Mapping[HostName, HostStatus],
    mounts: tuple[MountSeen, ...] | None,
    *,
    was_on_air: bool,
) -> SessionStatus:
    """Return the picture of a session.

    Args:
        view: This host's.
        doc: The running document.
        reports: Each member's own status, as far as it answered.
        mounts: What Icecast shows; None when it did not answer.
        was_on_air: A mount was live before: silence now is a loss, no beginning.
    """
    lead = view.leadership
    hosts = tuple(
        _host(name, doc, reports.get(name), view) for name in doc.spec.host_names
    )
    links = tuple(_link(link, reports) for link in doc.links)
    everywhere = (lead.standby or lead.leader) if lead else None
    shown = tuple(
        _mount(m, doc, reports, mounts, _own_listeners(m, doc, reports, everywhere))
        for m in doc.spec.mounts
    )
    shown = heard_mounts(shown, reports)
    broadcaster = shown[0].host if shown else None
    role = lead.role if lead else None
    return SessionStatus(
        session=doc.spec.name,
        stamp=doc.stamp,
        phase=Phase.OFF_AIR
        if was_on_air and _is_silent(doc, shown)
        else _phase(doc, hosts, links, shown, lead.standby if lead else None),
        leader=lead.leader if lead else None,
        role=role,
        broadcaster=broadcaster,
        standby=lead.standby if lead else None,
        hosts=hosts,
        links=links,
        mounts=shown,
    )


def odd_ones_out(
    doc: StampedSpec, facts: Mapping[HostName, HostFacts]
) -> tuple[frozenset[HostName], Frames]:
    """Return the hosts whose period differs, and the period that the session has.

    That is the spec's, or what most hosts have; of two as common the smaller.
    """
    periods = {
        name: facts[name].period_frames
        for name in doc.spec.host_names
        if name in facts and facts[name].period_frames
    }
    usual = doc.spec.period_frames
    if not usual and periods:
        counted = Counter(periods.values())
        usual = min(counted, key=lambda period: (-counted[period], period))
    odd = frozenset(name for name, period in periods.items() if period != usual)
    return odd, usual


def listen_url(station: Station, mount: MountSpec) -> str:
    """Return where listeners tune in."""
    scheme = "https" if station.tls else "http"
    host = f"[{station.address}]" if ":" in station.address else station.address
    return f"{scheme}://{host}:{station.port}{mount.path}"


def _host(
    name: HostName, doc: StampedSpec, report: HostStatus | None, view: SessionView
) -> HostStatus:
    if report is not None:
        return report
    member = doc.member(name)
    return HostStatus(
        name=name,
        id=member.id if member else None,
        address=member.address if member else None,
        state=view.liveness.get(name, Liveness.GONE),
        audio=AudioStatus(jack_server=""),
    )


_WORST = (LinkState.DOWN, LinkState.CONNECTING, LinkState.UP)


def _link(link: LinkPort, reports: Mapping[HostName, HostStatus]) -> LinkStatus:
    ends = (_end(link.a, link.b, reports), _end(link.b, link.a, reports))
    known = [end for end in ends if end is not None]
    worst = min((e.state for e in known), key=_WORST.index, default=LinkState.DOWN)
    state = worst if len(known) == len(ends) else LinkState.DOWN
    return LinkStatus(
        a=link.a,
        b=link.b,
        state=state,
        udp_port=link.udp_port,
        rtt_ms=_largest(end.rtt_ms for end in known),
        latency_ms=_largest(end.latency_ms for end in known),
        glitches_per_min=sum(end.glitches_per_min for end in known),
        conditions=tuple(sorted({c for end in known for c in end.conditions})),
    )


def _end(
    host: HostName, peer: HostName, reports: Mapping[HostName, HostStatus]
) -> LinkEnd | None:
    report = reports.get(host)
    ends = report.links if report else ()
    return next((end for end in ends if end.peer == peer), None)


def _largest(values: Iterable[float | None]) -> float | None:
    return max((v for v in values if v is not None), default=None)


def _mount(
    mount: MountSpec,
    doc: StampedSpec,
    reports: Mapping[HostName, HostStatus],
    mounts: tuple[MountSeen, ...] | None,
    own_listeners: int,
) -> MountStatus:
    seen = next((m for m in mounts or () if m.path == mount.path), None)
    label = seen.holder if seen else None
    holder = label.host if label and label.session == doc.spec.name else None
    end = _mount_end(mount, reports.get(holder) if holder else None)
    shown = [t for r in reports.values() for t in r.titles if t.path == mount.path]
    wrong = {c for told in (end, *shown) if told for c in told.conditions}
    return MountStatus(
        path=mount.path,
        url=listen_url(doc.station, mount) if doc.station else "",
        state=_mount_state(seen, holder, end),
        host=holder,
        format=mount.codec,
        bitrate_kbps=mount.bitrate_kbps,
        listeners=max(0, seen.listeners - own_listeners) if seen else 0,
        peak_db=end.peak_db if end else None,
        title=_title(seen, shown),
        conditions=tuple(sorted(wrong)),
    )


def _title(seen: MountSeen | None, shown: Sequence[TitleShown]) -> str:
    """Return what listeners see, a filler's too; Icecast's word while none is ours."""
    if shown:
        return shown[0].title
    return seen.title if seen else ""


def _mount_end(mount: MountSpec, report: HostStatus | None) -> MountEnd | None:
    ends = report.mounts if report else ()
    return next((end for end in ends if end.path == mount.path), None)


def _mount_state(
    seen: MountSeen | None, holder: HostName | None, end: MountEnd | None
) -> MountState:
    if seen is None:
        return MountState.DOWN
    if holder is None:
        return MountState.HELD_ELSEWHERE
    return end.state if end is not None else MountState.LIVE


def _own_listeners(
    mount: MountSpec,
    doc: StampedSpec,
    reports: Mapping[HostName, HostStatus],
    everywhere: HostName | None,
) -> int:
    """Return how many agents listen to a mount: every voter to the primary.

    One host listens to all of them: the standby, or the leader without one.
    """
    if doc.spec.primary != mount:
        return int(everywhere in reports)
    return sum(1 for report in reports.values() if report.voter)


def _phase(
    doc: StampedSpec,
    hosts: tuple[HostStatus, ...],
    links: tuple[LinkStatus, ...],
    mounts: tuple[MountStatus, ...],
    standby: HostName | None,
) -> Phase:
    if doc.stopped:
        return Phase.STOPPED
    live = [m.state is MountState.LIVE for m in mounts]
    linked = all(link.state is LinkState.UP for link in links)
    if any(live):
        # A link may sound and yet not be as asked, with periods that differ.
        asked = not any(
            condition.severity is Severity.ERROR
            for link in links
            for condition in link.conditions
        )
        standing_by = not _lacks_standby(doc, hosts, standby)
        whole = all(live) and linked and asked and standing_by
        return Phase.ON_AIR if whole else Phase.DEGRADED
    # A host alone has no links to wait for.
    present = any(host.state is Liveness.ALIVE for host in hosts)
    return Phase.JAMMING if linked and present else Phase.FORMING


def _is_silent(doc: StampedSpec, mounts: tuple[MountStatus, ...]) -> bool:
    live = any(mount.state is MountState.LIVE for mount in mounts)
    return bool(mounts) and not live and not doc.stopped


def _lacks_standby(
    doc: StampedSpec, hosts: tuple[HostStatus, ...], standby: HostName | None
) -> bool:
    """Tell whether the standby is missing though another host could be it."""
    alive = {h.name for h in hosts if h.state is Liveness.ALIVE}
    could = [n for n in doc.spec.preference if n in alive]
    return standby is None and len(could) > 1
