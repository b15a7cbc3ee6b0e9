"""What is wrong on the sound's way: links, JACK clients, and the mounts fed here."""

from collections.abc import Iterable, Mapping

from sessiond.core.conditions import Condition, Reason, error, warning
from sessiond.core.linkstats import LinkSeen
from sessiond.core.observed import Observed
from sessiond.core.onair import STALL_SECONDS
from sessiond.core.plan import HostPlan, on_air
from sessiond.core.seats import stands_by
from sessiond.core.signs import asked_for, client_of
from sessiond.core.sourcing import SeatReport, SourceState
from sessiond.core.stamped import LinkPort, StampedSpec
from sessiond.core.status import LinkState
from sessiond.core.titles import TitleHeard
from sessiond.core.view import SessionView
from sessiond.units import HostName, MountPath, ProcName, Seconds


def client_conditions(plan: HostPlan, observed: Observed) -> Iterable[Condition]:
    """Return which of our JACK clients were given another name than they have."""
    graph = observed.graph
    there = {client_of(port) for port in graph.ports} if graph else set()
    ours = {client_of(end) for w in plan.wires for end in (w.source, w.destination)}
    for name in sorted(there - ours):
        asked = asked_for(name)
        if asked in ours:
            yield error(
                Reason.CLIENT_RENAMED,
                f"JACK calls a client {name}, because there is a {asked} already.",
                "End the older one; ours is then started again under its right name.",
            )


def link_conditions(
    view: SessionView, doc: StampedSpec, observed: Observed, now: Seconds
) -> Mapping[HostName, tuple[Condition, ...]]:
    """Return what is wrong with each of this host's links, by peer."""
    ends = ((link, link.peer_of(view.me)) for link in doc.links)
    return {
        peer: tuple(_link(view, link, peer, observed.links[peer], now))
        for link, peer in ends
        if peer is not None and peer in observed.links
    }


def _link(
    view: SessionView, link: LinkPort, peer: HostName, seen: LinkSeen, now: Seconds
) -> Iterable[Condition]:
    mine = view.facts.get(view.me)
    if mine is not None and link.udp_port in mine.busy_ports:
        yield error(
            Reason.UDP_PORT_BUSY,
            f"UDP port {link.udp_port} of the link to {peer} is taken on {view.me} by "
            "another program.",
            "The leader chooses another port; end a JackTrip of your own if it should "
            "not be there.",
        )
    up = seen.state(now) is LinkState.UP
    if seen.mismatch:
        ours = (
            f"{mine.rate_hz} Hz and {mine.period_frames} frames" if mine else "another"
        )
        fate = "sounds with dropouts" if up else "can't start"
        yield error(
            Reason.PERIOD_MISMATCH if up else Reason.LINK_DOWN,
            f"The link to {peer} {fate}: {peer} has {seen.mismatch}, {view.me} runs at "
            f"{ours}.",
            "Give all hosts' JACK servers the same rate and period.",
        )
    elif seen.moved is not None and not up:
        yield warning(
            Reason.LINK_DOWN,
            f"No audio packets arrive from {peer}.",
            f"Check {peer}'s network; the link comes back by itself.",
        )


def mount_conditions(
    view: SessionView, observed: Observed
) -> Mapping[ProcName, tuple[Condition, ...]]:
    """Return what is wrong with each mount that this host feeds, by source process.

    At the standby that is the hidden mount.
    """
    if stands_by(view.leadership, view.me):
        return {n: tuple(_source(n, r.hidden)) for n, r in observed.sources.items()}
    if not on_air(view):
        return {}
    return {
        name: tuple(_source(name, report.primary))
        for name, report in observed.sources.items()
    }


def _source(name: ProcName, report: SeatReport) -> Iterable[Condition]:
    mount = report.path or f"/{name.removeprefix('source-')}"
    if report.state is SourceState.DENIED:
        yield error(
            Reason.SOURCE_DENIED,
            f"Icecast refuses to take {mount}: {report.detail}",
            "Check the source password of the session file.",
        )
    elif report.state is SourceState.REFUSED:
        yield error(
            Reason.MOUNT_HELD_ELSEWHERE,
            f"Another source feeds {mount}: {report.detail}",
            "It is taken over as soon as that source ends.",
        )
    elif report.state is SourceState.LIVE and report.title_refused:
        yield warning(
            Reason.TITLE_NOT_SHOWN,
            f"The title of {mount} is not shown: {report.title_refused}",
            "Let Icecast's sources use its metadata call; it is tried again.",
        )
    if report.state is SourceState.LIVE and is_stalled(report):
        yield error(
            Reason.MOUNT_STALLED,
            f"No bytes reach Icecast on {mount}.",
            f"See the log of {name}; a source that hangs ends itself within 5 s.",
        )


def title_conditions(
    titles: Mapping[MountPath, TitleHeard], now: Seconds
) -> Mapping[MountPath, tuple[Condition, ...]]:
    """Return the mounts on which this host's own listeners see another title."""
    return {
        path: (
            warning(
                Reason.TITLE_NOT_SHOWN,
                f"Listeners of {path} see {_quoted(heard.title)} instead of "
                f"{_quoted(heard.wanted)}.",
                "It is shown as soon as the mount's source can have it shown; the log "
                "of that source may say what is in the way.",
            ),
        )
        for path, heard in titles.items()
        if heard.is_off(now)
    }


def _quoted(title: str) -> str:
    return f"“{title}”" if title else "no title"


def is_stalled(report: SeatReport) -> bool:
    """Tell whether a live seat has sent nothing for longer than music is silent."""
    return report.moved_ago is not None and report.moved_ago > STALL_SECONDS
