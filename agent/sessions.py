"""Which session this host is in: at most one at a time, opened and closed here."""

import asyncio
from contextlib import suppress
from dataclasses import replace

from agent.adapters.icecast import IcecastDoor
from agent.bell import TurnBell
from agent.doors import WallClock
from agent.host import Host
from agent.identity import carried_over
from agent.membership import ELECTION, Membership
from agent.records import (
    SECRETS,
    drop_conflict,
    has_conflict,
    load_home,
    load_secrets,
    remember,
)
from agent.roster import Roster
from agent.station import remove_station
from sessiond.core.election import Persisted
from sessiond.core.stamped import Secrets
from sessiond.errors import Refused, SessiondError
from sessiond.units import SessionName
from sessiond.wire.convert import decode, encode


class Sessions:
    """Opens and closes memberships inside the agent's task group."""

    def __init__(
        self,
        *,
        host: Host,
        roster: Roster,
        icecast: IcecastDoor,
        wall: WallClock,
        bell: TurnBell,
        group: asyncio.TaskGroup,
    ) -> None:
        self._host = host
        self._roster = roster
        self._icecast = icecast
        self._wall = wall
        self._bell = bell
        self._group = group
        self._membership: Membership | None = None
        self._task: asyncio.Task[None] | None = None

    def current(self) -> Membership | None:
        """Return the present membership, also of a stopped session; or None."""
        return self._membership

    def goes_on(self) -> bool:
        """Tell whether this host is in a session that has not ended for it."""
        return self._membership is not None and not self._membership.is_over

    def look_at_sources(self) -> None:
        """Have the sources' leases looked at now: one came, went, or was ordered."""
        if self._membership is not None:
            self._membership.on_air.look()

    async def go_on(self) -> None:
        """Go on with the session that the state folder knows, if any."""
        host = self._host
        home = load_home(host.store)
        same_place = home is not None and (home.boot_id, home.advertise) == (
            host.boot_id,
            host.config.advertise,
        )
        host.muted = home is not None and home.muted
        host.muted_by_owner = home is not None and home.muted_by_owner
        host.left = home.left if home is not None else ""
        persisted = self._carried_over(self._load())
        if persisted.stamped is None:
            remember(host)
            return
        host.conflict = has_conflict(host.store)
        if (given := load_secrets(host.store)) is not None:
            host.secrets, host.secrets_of = given.secrets, given.session
            name = persisted.stamped.spec.name
            if host.secrets.station is None and given.session == name:
                # An earlier version did not write down whose passwords they are.
                station = persisted.stamped.station
                host.secrets = replace(host.secrets, station=station)
        # What plays on was adopted: its owner's consent is still good.
        playing = bool(host.lifecycles) and same_place
        host.consented = playing or persisted.stamped.stopped
        self._open(persisted.stamped.spec.name, persisted, asks_consent=not same_place)

    async def join(self, name: SessionName) -> Membership:
        """Return the membership of a session that begins here."""
        present = self._membership
        if present is not None and present.name == name:
            return present
        await self.close()
        self._forget_members()
        drop_conflict(self._host)
        remember(self._host)
        return self._open(name, Persisted(), asks_consent=False)

    async def depart(self) -> None:
        """End the present membership and forget its session, its passwords too.

        Raises:
            Unavailable: The disk is read-only; nothing has changed here.
        """
        host = self._host
        host.store.erase(ELECTION)
        await self.close()
        host.secrets, host.secrets_of = Secrets(), ""
        self._forget_members()
        drop_conflict(host)
        with suppress(SessiondError):
            # The elector may have had a last word before it ended.
            host.store.erase(ELECTION)
            host.store.erase(SECRETS)
        remove_station(host)
        self._bell()

    async def close(self) -> None:
        """End the present membership's tasks; the state folder keeps its session."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self._task = self._membership = None
        self._host.leadership = self._host.stored = lambda: None
        self._roster.trust.look()
        self._host.mounts = None
        self._host.sources = {}

    def _forget_members(self) -> None:
        host = self._host
        host.peer_facts.clear()
        host.peer_offsets.clear()
        host.generations.clear()

    def _open(
        self, name: SessionName, persisted: Persisted, *, asks_consent: bool
    ) -> Membership:
        membership = Membership(
            host=self._host,
            name=name,
            persisted=persisted,
            roster=self._roster,
            icecast=self._icecast,
            wall=self._wall,
            bell=self._bell,
            asks_consent=asks_consent,
        )
        self._host.sources = membership.on_air.reports
        self._membership = membership
        self._roster.trust.look()
        self._task = self._group.create_task(membership.run())
        return membership

    def _carried_over(self, persisted: Persisted) -> Persisted:
        """Return what is stored, with this host known by its certificate in it."""
        host, old = self._host, persisted.stamped
        if old is None:
            return persisted
        new = carried_over(old, host.name, host.identity, host.store)
        if new is old:
            return persisted
        persisted = replace(persisted, stamped=new)
        # On a full disk the next start carries it over once more.
        with suppress(SessiondError):
            host.store.save(ELECTION, encode(persisted))
        return persisted

    def _load(self) -> Persisted:
        content = self._host.store.load(ELECTION)
        try:
            return Persisted() if content is None else decode(Persisted, content)
        except Refused:
            # Written by a later version; the others know the session better.
            return Persisted()
