"""The broadcaster's hands: leases for the sources, and what becomes of them.

The primary mount's source comes first; the others get their lease only while Icecast
takes its bytes. This runs beside the turns and never waits for JACK, because leases
must be renewed and losses told to the elector whatever else is going on.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from agent.bell import TurnBell
from agent.source.steer import renew, report, revoke
from sessiond.core.election import (
    Event,
    Leadership,
    SourceAccepted,
    SourceAdopted,
    SourceLost,
    SourceRefused,
)
from sessiond.core.plan import source_name
from sessiond.core.sourcing import Seat, SeatReport, SourceReport, SourceState
from sessiond.core.stamped import StampedSpec
from sessiond.errors import SessiondError
from sessiond.units import ProcName, Seconds

# Until every mount is live, each look is a listener's waiting time.
COMING_UP: Final = Seconds(0.1)
# A lease lasts 10 s. A process that ended rings the bell; this finds a PUT that did.
ON_AIR: Final = Seconds(1.0)
# Nothing to renew, and every source is known to wait; the elector rings when it must.
OFF_AIR: Final = Seconds(5.0)


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
        elector: Says whether this host may broadcast.
        run_folder: Where the sources' sockets are.
        running: Names of the source processes that live, as the last turn saw; None
            before the first turn.
        bell: Rung when a report changed a source's state.

    Attributes:
        reports: Each source's newest report.
    """

    def __init__(
        self,
        *,
        elector: ElectorDoor,
        run_folder: Path,
        running: Callable[[], frozenset[ProcName] | None],
        bell: TurnBell,
    ) -> None:
        self._elector = elector
        self._run_folder = run_folder
        self._running = running
        self._bell = bell
        self._changed = TurnBell(asyncio.get_running_loop())
        self._grants: dict[ProcName, int] = {}
        self._primary_live = False
        self._looked_first = False
        self._refused_grant = 0
        self.reports: dict[ProcName, SourceReport] = {}

    async def run(self) -> None:
        """Steer for ever."""
        while True:
            await self.steer()
            await self._changed.wait(self._pause())

    def look(self) -> None:
        """Have the leases looked at now: the elector changed its mind."""
        self._changed()

    async def steer(self) -> None:
        """Renew or revoke every lease once, and tell the elector what changed."""
        lead = self._elector.leadership
        doc = lead.stamped
        names = self._running()
        if names is None:
            return
        for gone in self.reports.keys() - names:
            del self.reports[gone]
        before = self._states()
        if doc is not None and doc.spec.mounts:
            await self._steer_sources(lead, doc, names)
        if self._states() != before:
            self._bell()

    def _states(self) -> dict[ProcName, SourceState]:
        return {name: report.primary.state for name, report in self.reports.items()}

    async def _steer_sources(
        self, lead: Leadership, doc: StampedSpec, names: frozenset[ProcName]
    ) -> None:
        first, *others = (source_name(mount) for mount in doc.spec.mounts)
        if not self._looked_first:
            self._looked_first = True
            if first in names and await self._adopted(first):
                return
        allowed = lead.right and lead.my_role is not None
        if first in names:
            await self._steer_one(first, lead, lead.grant if allowed else None)
        seen = self.reports.get(first)
        self._tell_elector(seen.primary if seen else None, lead)
        live = allowed and self._primary_live
        for name in others:
            if name in names:
                grant = self._next_grant(name) if live else None
                await self._steer_one(name, lead, grant)

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

    async def _steer_one(
        self, name: ProcName, lead: Leadership, grant: int | None
    ) -> None:
        socket = self._run_folder / f"{name}.sock"
        try:
            if grant is None or lead.my_role is None:
                self.reports[name] = await revoke(socket, seat=Seat.PRIMARY)
            else:
                self.reports[name] = await renew(
                    socket,
                    seat=Seat.PRIMARY,
                    term=lead.term,
                    role=lead.my_role,
                    grant=grant,
                )
        except SessiondError:
            # It is starting or ending; its process tells which.
            self.reports.pop(name, None)

    def _next_grant(self, name: ProcName) -> int:
        """Return a grant that lets a source of another mount connect again."""
        report = self.reports.get(name)
        grant = self._grants.get(name, 1)
        # Also one that was revoked, or stopped itself in a silence of its agent.
        put = report.primary if report else None
        if put and put.state is not SourceState.LIVE and put.grant >= grant:
            grant = put.grant + 1
        self._grants[name] = grant
        return grant

    def _tell_elector(self, report: SeatReport | None, lead: Leadership) -> None:
        state = report.state if report else None
        live = state is SourceState.LIVE
        if live and not self._primary_live:
            self._elector.post(SourceAccepted())
        elif self._primary_live and not live:
            self._elector.post(SourceLost())
        elif report and not live and lead.right and report.grant >= lead.grant:
            # Its PUT came and went between two looks, or before this agent began.
            self._elector.post(SourceLost())
        elif state is SourceState.REFUSED and self._refused_grant != lead.grant:
            self._refused_grant = lead.grant
            self._elector.post(SourceRefused())
        self._primary_live = live

    def _pause(self) -> Seconds:
        states = set(self._states().values())
        if self._elector.leadership.right:
            return ON_AIR if states == {SourceState.LIVE} else COMING_UP
        idle = states <= {SourceState.WAITING}
        return OFF_AIR if idle and self.reports.keys() == self._running() else ON_AIR
