"""The broadcaster's and the standby's hands: leases for the sources, and what follows.

The primary mount's source comes first; the others get their lease only while Icecast
takes its bytes. The standby's sources take the hidden seats. This runs beside the turns
and never waits for JACK, because leases must be renewed and losses told to the elector
whatever else is going on.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from agent.bell import TurnBell
from agent.doors import Clock
from agent.mixdown.messages import fade_in_request
from agent.mount_admin import MountAdmin
from agent.source.steer import renew, report, revoke
from agent.steering import ask
from sessiond.core.election import (
    Event,
    Leadership,
    MountWitnessed,
    Role,
    SourceAccepted,
    SourceAdopted,
    SourceLost,
    SourceRefused,
)
from sessiond.core.plan import source_name
from sessiond.core.seats import back_after, hidden_wanted, in_the_way, to_rescue
from sessiond.core.sourcing import Seat, SeatReport, SourceReport, SourceState
from sessiond.core.spec import MountSpec, StandbyMode
from sessiond.core.stamped import StampedSpec
from sessiond.core.wires import MIXDOWN
from sessiond.errors import SessiondError
from sessiond.units import HostName, MountPath, ProcName, Seconds, Term

# Until every mount is live, each look is a listener's waiting time.
COMING_UP: Final = Seconds(0.1)
# A lease lasts 10 s. A turn tells of a process that ended; this finds a PUT that did.
ON_AIR: Final = Seconds(1.0)
# Nothing to renew, and every source is known to wait; the elector rings when it must.
OFF_AIR: Final = Seconds(5.0)
# How long a mount has been fed when the filler's listeners are called once more: a
# station that is busy, or moves a thousand, may not answer the first time.
CALLED_AGAIN: Final = (Seconds(1.0), Seconds(2.0), Seconds(4.0), Seconds(10.0))
# What a station is asked to do with mounts must not keep a lease waiting.
ADMIN_LIMIT: Final = Seconds(2.0)


class ElectorDoor(Protocol):
    """What this module needs of the elector."""

    @property
    def leadership(self) -> Leadership:
        """Who leads, and what this host may do."""
        ...

    def post(self, event: Event) -> None:
        """Tell the elector something; returns at once."""
        ...


class OnAir:
    """Renews and revokes the leases of this host's sources.

    Args:
        me: This host.
        elector: Says whether this host may broadcast.
        run_folder: Where the sources' sockets are.
        running: Names of the source processes that live, as the last turn saw; None
            before the first turn.
        witnessed: This host's evidence of a mount, as of now.
        moved: Told of a mount whose listeners this host has moved away.
        admin: Moves listeners and ends sources at the station.
        clock: Monotonic.
        bell: Rung when a report changed a source's state.

    Attributes:
        reports: Each source's newest report.
    """

    def __init__(
        self,
        *,
        me: HostName,
        elector: ElectorDoor,
        run_folder: Path,
        running: Callable[[], frozenset[ProcName] | None],
        witnessed: Callable[[MountPath], MountWitnessed],
        moved: Callable[[MountPath], None],
        admin: MountAdmin,
        clock: Clock,
        bell: TurnBell,
    ) -> None:
        self._me = me
        self._elector = elector
        self._run_folder = run_folder
        self._running = running
        self._witnessed = witnessed
        self._moved = moved
        self._admin = admin
        self._clock = clock
        self._bell = bell
        self._changed = TurnBell(asyncio.get_running_loop())
        self._grants: dict[tuple[ProcName, Seat], int] = {}
        self._live_since: dict[ProcName, Seconds] = {}
        self._has_listeners: set[ProcName] = set()
        self._called: dict[ProcName, int] = {}
        self._off_air: set[ProcName] = set()
        self._began: set[ProcName] = set()
        self._rescued: dict[ProcName, str | None] = {}
        self._ended: dict[ProcName, str] = {}
        self._revoked: set[tuple[ProcName, Seat]] = set()
        self._renewed: dict[tuple[ProcName, Seat], tuple[Term, Role, int]] = {}
        self._primary_live = False
        self._looked_first = False
        self._first: ProcName | None = None
        self._refused_grant = 0
        self.reports: dict[ProcName, SourceReport] = {}

    async def run(self) -> None:
        """Steer for ever."""
        while True:
            await self.steer()
            await self._changed.wait(self._pause())

    def look(self) -> None:
        """Have the leases looked at now: what the elector or a source does is new."""
        self._changed()

    async def steer(self) -> None:
        """Renew or revoke every lease once, and tell the elector what changed."""
        lead = self._elector.leadership
        doc = lead.stamped
        names = self._running()
        if names is None:
            return
        for gone in self.reports.keys() - names:
            self._forget(gone)
        before = self._states()
        if doc is not None and doc.spec.mounts:
            await self._steer_sources(lead, doc, names)
        if self._states() != before:
            self._bell()

    def _states(self) -> dict[ProcName, tuple[SourceState, SourceState]]:
        return {
            name: (report.primary.state, report.hidden.state)
            for name, report in self.reports.items()
        }

    async def _steer_sources(
        self, lead: Leadership, doc: StampedSpec, names: frozenset[ProcName]
    ) -> None:
        first = self._first = source_name(doc.spec.mounts[0])
        if not self._looked_first:
            self._looked_first = True
            if first in names and await self._adopted(first):
                return
        for mount in doc.spec.mounts:
            name = source_name(mount)
            grant = self._grant(name, lead, first=name == first)
            if name in names and not (grant is None and self._stands_by(name)):
                await self._steer_seat(name, Seat.PRIMARY, lead, grant)
            if name == first:
                self._tell_elector(self.reports.get(first), lead)
        fed = [m for m in doc.spec.mounts if source_name(m) in self.reports]
        asks = (self._follow(m, lead, doc, source_name(m) == first) for m in fed)
        await self._ask([ask for each in asks for ask in each])
        for mount in fed:
            await self._steer_hidden(mount, lead, doc)

    async def _adopted(self, name: ProcName) -> bool:
        """Tell the elector of a source that an earlier agent left on the air."""
        try:
            seen = await report(self._run_folder / f"{name}.sock")
        except SessiondError:
            return False
        put = seen.primary
        if put.state is not SourceState.LIVE or put.role is None:
            return False
        self.reports[name] = seen
        self._primary_live = True
        self._elector.post(SourceAdopted(term=put.term, role=put.role))
        return True

    def _stands_by(self, name: ProcName) -> bool:
        """Tell whether a source is known to have no lease but for its hidden seat.

        That one's renewal brings its report; a second request would only cost.
        """
        report = self.reports.get(name)
        live = report is not None and report.hidden.state is SourceState.LIVE
        return live and (name, Seat.PRIMARY) in self._revoked

    def _grant(self, name: ProcName, lead: Leadership, *, first: bool) -> int | None:
        """Return the grant for a mount itself; None without the right."""
        if not lead.right or lead.my_role is None:
            return None
        if first:
            return lead.grant
        return self._next_grant(name, Seat.PRIMARY) if self._primary_live else None

    async def _steer_seat(
        self, name: ProcName, seat: Seat, lead: Leadership, grant: int | None
    ) -> None:
        socket = self._run_folder / f"{name}.sock"
        role = Role.STANDBY if seat is Seat.HIDDEN else lead.my_role
        self._revoked.discard((name, seat))
        try:
            if grant is None or role is None:
                self._renewed.pop((name, seat), None)
                self.reports[name] = await revoke(socket, seat=seat)
                self._revoked.add((name, seat))
            elif not self._may_rest(name, seat, (lead.term, role, grant)):
                self.reports[name] = await renew(
                    socket, seat=seat, term=lead.term, role=role, grant=grant
                )
        except SessiondError:
            # It is starting or ending; its process tells which.
            self._forget(name)

    def _may_rest(
        self, name: ProcName, seat: Seat, lease: tuple[Term, Role, int]
    ) -> bool:
        """Tell whether a source that is live had this very lease at the last look.

        Every second look is often enough for a lease, and the primary mount's source,
        which is asked at each, tells of a station that is gone.
        """
        primary = name == self._first and seat is Seat.PRIMARY
        put = _put(self.reports.get(name), seat)
        live = put is not None and put.state is SourceState.LIVE
        if live and not primary and self._renewed.pop((name, seat), None) == lease:
            return True
        self._renewed[name, seat] = lease
        return False

    def _forget(self, name: ProcName) -> None:
        self.reports.pop(name, None)
        self._unsettle(name)

    def _unsettle(self, name: ProcName) -> None:
        self._live_since.pop(name, None)
        self._has_listeners.discard(name)
        self._called.pop(name, None)

    async def _steer_hidden(
        self, mount: MountSpec, lead: Leadership, doc: StampedSpec
    ) -> None:
        """Have the standby's source feed the hidden seat; end it once it may."""
        name = source_name(mount)
        hidden = self.reports[name].hidden
        since = self._live_since.get(name)
        live_for = None if since is None else Seconds(self._clock.now() - since)
        brought_back = name in self._has_listeners
        if hidden_wanted(lead, self._me, hidden, live_for, brought_back=brought_back):
            grant = self._next_grant(name, Seat.HIDDEN)
            await self._steer_seat(name, Seat.HIDDEN, lead, grant)
        elif hidden.state is not SourceState.WAITING:
            if hidden.state is SourceState.LIVE and not brought_back:
                await self._ask([self._bring_back(name, doc, mount)])
            await self._steer_seat(name, Seat.HIDDEN, lead, None)

    def _next_grant(self, name: ProcName, seat: Seat) -> int:
        """Return a grant that lets a source connect again to another seat."""
        report = self.reports.get(name)
        grant = self._grants.get((name, seat), 1)
        # Also one that was revoked, or stopped itself in a silence of its agent.
        put = _put(report, seat)
        if put and put.state is not SourceState.LIVE and put.grant >= grant:
            grant = put.grant + 1
        self._grants[name, seat] = grant
        return grant

    def _tell_elector(self, report: SourceReport | None, lead: Leadership) -> None:
        put = report.primary if report else None
        state = put.state if put else None
        live = state is SourceState.LIVE
        if live and not self._primary_live:
            self._elector.post(SourceAccepted())
        elif self._primary_live and not live:
            self._elector.post(SourceLost())
        elif put and not live and lead.right and put.grant >= lead.grant:
            # Its PUT came and went between two looks, or before this agent began.
            self._elector.post(SourceLost())
        elif state is SourceState.REFUSED and self._refused_grant != lead.grant:
            self._refused_grant = lead.grant
            self._elector.post(SourceRefused())
        self._primary_live = live

    def _follow(
        self,
        mount: MountSpec,
        lead: Leadership,
        doc: StampedSpec,
        first: bool,  # noqa: FBT001  private, and one of four
    ) -> list[Coroutine[None, None, None]]:
        """Return what the station is to be asked after a look at a mount's source."""
        name = source_name(mount)
        report = self.reports[name]
        if report.primary.state is SourceState.LIVE:
            return self._settle_in(name, doc, mount)
        self._unsettle(name)
        self._off_air.add(name)
        seen = self._witnessed(mount.path)
        rescued = name in self._rescued and self._rescued[name] == seen.stream_start
        if to_rescue(lead, report, seen) and not rescued:
            self._rescued[name] = seen.stream_start
            return [self._rescue(doc, mount)]
        if report.primary.state is not SourceState.REFUSED:
            return []
        others = in_the_way(report, seen, holds_primary=self._primary_live)
        start = lead.fence if first else others
        # Once: a source that comes after it may be our own.
        if start is None or self._ended.get(name) == start:
            return []
        return [self._end_source(doc, mount, start)]

    async def _rescue(self, doc: StampedSpec, mount: MountSpec) -> None:
        await self._admin.rescue(doc, mount)
        self._moved(mount.path)

    async def _end_source(self, doc: StampedSpec, mount: MountSpec, start: str) -> None:
        if await self._admin.end_source(doc, mount, start):
            self._ended[source_name(mount)] = start

    def _settle_in(
        self, name: ProcName, doc: StampedSpec, mount: MountSpec
    ) -> list[Coroutine[None, None, None]]:
        """Return what joins a mount's seats, and later brings its listeners to it.

        Before the mount has a page to play they are better off where they are.
        """
        now = self._clock.now()
        hidden = self.reports[name].hidden
        is_hot = doc.spec.broadcast.standby is StandbyMode.HOT
        if name not in self._live_since:
            self._live_since[name] = now
            joins = [self._admin.join_seats(doc, mount)] if is_hot else []
            return [*joins, *self._fade_in(name, mount, hidden)]
        live_for = now - self._live_since[name]
        first = back_after(hidden)
        if live_for < first:
            return []
        due = (first, *(after for after in CALLED_AGAIN if after > first))
        asks = []
        if name not in self._has_listeners:
            if is_hot:
                asks.append(self._bring_back(name, doc, mount))
            if not is_hot or hidden.state is not SourceState.LIVE:
                # Whoever hears another host's hidden mount is asked for once.
                self._has_listeners.add(name)
        called = self._called.get(name, 0)
        if called < len(due) and live_for >= due[called]:
            self._called[name] = called + 1
            asks.append(self._admin.call_in(doc, mount))
        return asks

    async def _bring_back(
        self, name: ProcName, doc: StampedSpec, mount: MountSpec
    ) -> None:
        if await self._admin.bring_back(doc, mount):
            self._has_listeners.add(name)

    def _fade_in(
        self, name: ProcName, mount: MountSpec, hidden: SeatReport
    ) -> list[Coroutine[None, None, None]]:
        """Return what lets a mount that comes on the air begin softly, once.

        Whoever takes over from another host, or finds its own mount again, goes on
        where the listeners are.
        """
        begins = name in self._off_air and name not in self._began
        self._began.add(name)
        if not begins or hidden.state is SourceState.LIVE:
            return []
        return [self._soften(mount)]

    async def _soften(self, mount: MountSpec) -> None:
        socket = self._run_folder / f"{MIXDOWN}.sock"
        with suppress(SessiondError):
            await ask(socket, fade_in_request(mount.file_name), within=ADMIN_LIMIT)

    async def _ask(self, asks: list[Coroutine[None, None, None]]) -> None:
        """Ask the station all of this at once, within the limit."""
        if not asks:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(ADMIN_LIMIT):
                await asyncio.gather(*asks)

    def _pause(self) -> Seconds:
        lead = self._elector.leadership
        states = {report.primary.state for report in self.reports.values()}
        if lead.right:
            settled = self._live_since.keys() <= self._has_listeners
            return ON_AIR if settled and states == {SourceState.LIVE} else COMING_UP
        if lead.watch and lead.standby == self._me:
            return COMING_UP
        every = {state for pair in self._states().values() for state in pair}
        idle = every <= {SourceState.WAITING} and lead.standby != self._me
        return OFF_AIR if idle and self.reports.keys() == self._running() else ON_AIR


def _put(report: SourceReport | None, seat: Seat) -> SeatReport | None:
    if report is None:
        return None
    return report.primary if seat is Seat.PRIMARY else report.hidden
