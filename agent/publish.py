"""What this host says of itself, and the picture of the session that it puts together.

A status is pulled: whoever is asked asks the members, so that heartbeats stay small.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Final

from agent.adapters.icecast import IcecastDoor
from agent.bell import TurnBell
from agent.host import Host, no_session, require_part
from agent.membership import Membership
from sessiond.core.argv import link_client
from sessiond.core.conditions import Condition
from sessiond.core.election import Liveness
from sessiond.core.hearing import MountSound
from sessiond.core.judge_hearing import hearing_conditions
from sessiond.core.judge_paths import (
    is_stalled,
    link_conditions,
    mount_conditions,
    title_conditions,
)
from sessiond.core.linkstats import LinkSeen
from sessiond.core.mixmatrix import MixReport
from sessiond.core.observed import Observed
from sessiond.core.onair import MountSeen
from sessiond.core.overview import overview
from sessiond.core.plan import on_air, source_name
from sessiond.core.procstates import Running, named
from sessiond.core.sourcing import SourceReport, SourceState
from sessiond.core.spec import MountSpec
from sessiond.core.stamped import StampedSpec
from sessiond.core.status import (
    AudioStatus,
    HostStatus,
    LinkEnd,
    LinkState,
    MountEnd,
    MountState,
    ProcStatus,
    SessionStatus,
    StripLevel,
    TitleShown,
)
from sessiond.errors import SessiondError, Unavailable
from sessiond.units import Frames, Hertz, HostName, ProcName, Seconds

REPORT_WITHIN: Final = Seconds(0.8)
# A watcher sees levels move; more often would only flicker.
WATCH_EVERY: Final = Seconds(1.0)
# Each makes a picture a second, for which every member is asked.
MOST_WATCHERS: Final = 32


class Publisher:
    """Answers for this host and for its session.

    Args:
        host: This host.
        membership: Returns the present one; None outside a session.
    """

    def __init__(
        self,
        *,
        host: Host,
        icecast: IcecastDoor,
        membership: Callable[[], Membership | None],
    ) -> None:
        self._host = host
        self._icecast = icecast
        self._membership = membership
        self._was_on_air = ""
        self._watchers: set[TurnBell] = set()

    def ring(self) -> None:
        """Have every watcher look: a turn has ended."""
        for bell in self._watchers:
            bell()

    def own(self) -> HostStatus:
        """Return what this host says of itself."""
        host = self._host
        doc = host.document
        graph = host.observed.graph
        return HostStatus(
            name=host.name,
            id=host.id,
            address=host.config.address,
            session=doc.spec.name if doc and not doc.stopped else "",
            stamp=doc.stamp if doc else None,
            voter=doc is not None and host.name in doc.voters,
            muted=host.muted,
            audio=AudioStatus(
                jack_server=host.setup.audio.jack_server,
                rate_hz=graph.rate_hz if graph else Hertz(0),
                period_frames=graph.period_frames if graph else Frames(0),
                xruns=graph.xruns if graph else 0,
                dsp_load=round(graph.dsp_load, 4) if graph else 0.0,
            ),
            clock=host.clock_status(),
            procs=self._procs(),
            links=self._links(doc) if doc and not doc.stopped else (),
            mounts=self._mounts(doc) if doc and on_air(host.view()) else (),
            strips=_strips(host.observed.mix),
            sounds=_sounds(host.observed),
            conditions=host.conditions,
            titles=self._titles() if doc and not doc.stopped else (),
        )

    async def status(self) -> SessionStatus:
        """Return the picture of this host's session.

        Raises:
            Refused: It is in none, or no longer.
        """
        host, membership = self._host, self._membership()
        doc = host.document
        if membership is None or doc is None:
            raise no_session(host)
        require_part(host, doc)
        reports, mounts = await asyncio.gather(
            self._reports(membership, doc), self._seen(doc)
        )
        picture = overview(
            host.view(),
            doc,
            reports,
            mounts,
            was_on_air=doc.spec.name == self._was_on_air,
        )
        if any(mount.state is MountState.LIVE for mount in picture.mounts):
            self._was_on_air = doc.spec.name
        return picture

    async def watch(self) -> AsyncGenerator[SessionStatus, None]:
        """Yield the picture now and whenever it has changed.

        Raises:
            Refused: This host is in no session, or no longer.
            Unavailable: Too many are watching.
        """
        if len(self._watchers) >= MOST_WATCHERS:
            raise Unavailable(
                f"{len(self._watchers)} are watching here already.",
                "Ask another host with --agent, or end one of them.",
            )
        bell = TurnBell(asyncio.get_running_loop())
        self._watchers.add(bell)
        shown: SessionStatus | None = None
        try:
            while True:
                picture = await self.status()
                if picture != shown:
                    shown = picture
                    yield picture
                await bell.wait(WATCH_EVERY)
        finally:
            self._watchers.discard(bell)

    async def _reports(
        self, membership: Membership, doc: StampedSpec
    ) -> Mapping[HostName, HostStatus]:
        others = [n for n in doc.spec.host_names if n != self._host.name]
        answers = await asyncio.gather(
            *(self._report(membership, name) for name in others)
        )
        found = {n: a for n, a in zip(others, answers, strict=True) if a is not None}
        if self._host.name in doc.spec.host_names:
            found[self._host.name] = self.own()
        return found

    async def _report(
        self, membership: Membership, name: HostName
    ) -> HostStatus | None:
        line = membership.lines.line(name)
        lead = membership.elector.leadership
        if line is None or lead.liveness.get(name) is Liveness.GONE:
            return None
        with suppress(SessiondError):
            return await line.report(membership.name, within=REPORT_WITHIN)
        return None

    async def _seen(self, doc: StampedSpec) -> tuple[MountSeen, ...] | None:
        if doc.station is None or doc.stopped:
            return None
        with suppress(SessiondError):
            return await self._icecast.mounts(doc.station)
        return None

    def _procs(self) -> tuple[ProcStatus, ...]:
        host = self._host
        shown = []
        for name, state in sorted(host.lifecycles.items()):
            seen = host.observed.procs.get(name)
            alive = seen is not None and seen.exit_code is None
            shown.append(
                ProcStatus(
                    name=name,
                    program=state.plan.program.value,
                    pid=seen.identity.pid if seen and alive else 0,
                    state=named(state),
                    restarts=host.restarts.get(name, 0),
                )
            )
        return tuple(shown)

    def _links(self, doc: StampedSpec) -> tuple[LinkEnd, ...]:
        host, now = self._host, self._host.clock.now()
        wrong = link_conditions(host.view(), doc, host.observed, now)
        ends = []
        for link in doc.links:
            peer = link.peer_of(host.name)
            if peer is None:
                continue
            seen = host.observed.links.get(peer)
            ends.append(
                LinkEnd(
                    peer=peer,
                    state=self._link_state(peer, seen, now),
                    rtt_ms=self._round_trip(peer),
                    latency_ms=self._latency(peer, now),
                    glitches_per_min=seen.glitches_per_min(now) if seen else 0,
                    conditions=wrong.get(peer, ()),
                )
            )
        return tuple(ends)

    def _link_state(
        self, peer: HostName, seen: LinkSeen | None, now: Seconds
    ) -> LinkState:
        """Return a link's state; one that JACK has under another name is not up."""
        state = self._host.lifecycles.get(ProcName(link_client(peer)))
        if seen is None:
            return LinkState.DOWN
        return seen.state(now) if isinstance(state, Running) else LinkState.CONNECTING

    def _latency(self, peer: HostName, now: Seconds) -> float | None:
        """Return how late the peer's sound is here: its queue, and half the round trip.

        The network's part is left out where it is not known, between two that follow.
        """
        graph, seen = self._host.observed.graph, self._host.observed.links.get(peer)
        if graph is None or seen is None or seen.state(now) is not LinkState.UP:
            return None
        queue = seen.queue(graph.rate_hz, graph.period_frames)
        if queue is None:
            return None
        return round(1000 * queue + (self._round_trip(peer) or 0) / 2, 2)

    def _round_trip(self, peer: HostName) -> float | None:
        """Return the fastest of the last heartbeats, which only leaders exchange."""
        lead = self._host.leadership()
        timed = lead is not None and lead.leader in (self._host.name, peer)
        offset = self._host.peer_offsets.get(peer)
        return round(2000 * offset[1], 2) if offset and timed else None

    def _titles(self) -> tuple[TitleShown, ...]:
        wrong = title_conditions(self._host.titles, self._host.clock.now())
        return tuple(
            TitleShown(path=path, title=heard.title, conditions=wrong.get(path, ()))
            for path, heard in self._host.titles.items()
        )

    def _mounts(self, doc: StampedSpec) -> tuple[MountEnd, ...]:
        wrong = mount_conditions(self._host.view(), self._host.observed)
        return tuple(
            self._mount(mount, wrong.get(source_name(mount), ()))
            for mount in doc.spec.mounts
        )

    def _mount(self, mount: MountSpec, wrong: tuple[Condition, ...]) -> MountEnd:
        host = self._host
        report = host.sources.get(source_name(mount))
        mix = host.observed.mix
        level = mix.bus(mount.file_name) if mix else None
        return MountEnd(
            path=mount.path,
            state=_mount_state(report),
            peak_db=level.peak_db if level else None,
            title=report.primary.title if report else "",
            conditions=wrong,
        )


_STATES: Final = {
    SourceState.LIVE: MountState.LIVE,
    SourceState.REFUSED: MountState.HELD_ELSEWHERE,
}


def _mount_state(report: SourceReport | None) -> MountState:
    if report is None:
        return MountState.DOWN
    state = _STATES.get(report.primary.state, MountState.DOWN)
    if state is MountState.LIVE and is_stalled(report.primary):
        return MountState.STALLED
    return state


def _sounds(observed: Observed) -> tuple[MountSound, ...]:
    wrong = hearing_conditions(observed)
    return tuple(
        replace(sound, conditions=wrong[sound.path]) for sound in observed.sounds or ()
    )


def _strips(mix: MixReport | None) -> tuple[StripLevel, ...]:
    if mix is None:
        return ()
    return tuple(
        StripLevel(host=name, peak_db=levels.peak_db, rms_db=levels.rms_db)
        for name, levels in zip(mix.order.strips, mix.strips, strict=True)
    )
