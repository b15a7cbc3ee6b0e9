"""This host's part in one session: its elector, and the tasks that serve it.

The elector decides; here its evidence is brought to it, and what a leader owes the
others (settled links, passwords) is done.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

import structlog

from agent.adapters.icecast import IcecastDoor
from agent.bell import TurnBell
from agent.doors import WallClock
from agent.elect import Elector
from agent.host import Host
from agent.invitations import join_secret, present_join
from agent.lines import Lines
from agent.mount_admin import MountAdmin
from agent.mount_watch import MountWatch
from agent.on_air import OnAir
from agent.records import (
    ROOM,
    SECRETS,
    keep_conflict,
    note_stored,
    owe_room,
    remember,
    save_secrets,
)
from agent.roster import Found, Roster
from agent.station import remove_station
from sessiond.core.election import (
    AbilityChanged,
    ElectorConfig,
    Evidence,
    MountWitnessed,
    Persisted,
    Role,
)
from sessiond.core.facts import HostFacts
from sessiond.core.joining import join_mark
from sessiond.core.seats import hears_all
from sessiond.core.settle import Identities, identified, settle
from sessiond.core.stamped import Member, Secrets, StampedSpec, Station
from sessiond.errors import SessiondError, Unavailable
from sessiond.units import (
    Address,
    HostId,
    HostName,
    MountPath,
    ProcName,
    Seconds,
    SessionName,
)
from sessiond.wire.convert import encode

ELECTION: Final = "election"

_log = structlog.get_logger()

# While the leader is suspect, evidence is due this often (election.md).
CLOSE_LOOK: Final = Seconds(0.25)
# A verdict older than 1 s proves nothing.
LOOK: Final = Seconds(0.8)
# How often a leader looks whether its document is still as it should be; what the
# election changes has it look at once.
SETTLE_EVERY: Final = Seconds(1.0)
# A member that can't be told yet has its document on the way.
SOON: Final = Seconds(0.1)
FIRST_STAMP_LOOKS: Final = 10
# A cold start of mix-down, encoder and mounts, twice over.
HAND_OVER_LIMIT: Final = Seconds(10.0)
SECRETS_WITHIN: Final = Seconds(2.0)
# A host that was only restarted, in the same boot and network, goes on by itself when
# nobody answers: two leases, so that whoever is there has surely spoken.
ALONE_AFTER: Final = Seconds(6.0)


class Membership:
    """One session as this host lives it.

    Args:
        host: This host.
        name: The session.
        persisted: What the state folder knows of it.
        asks_consent: Another boot or network than last time: only a member heard or
            the owner lets it start anything.
    """

    def __init__(
        self,
        *,
        host: Host,
        name: SessionName,
        persisted: Persisted,
        roster: Roster,
        icecast: IcecastDoor,
        wall: WallClock,
        bell: TurnBell,
        asks_consent: bool,
    ) -> None:
        self._host = host
        self._roster = roster
        self._icecast = icecast
        self._bell = bell
        self._asks_consent = asks_consent
        self._began = host.clock.now()
        self._logged: dict[str, object] = {}
        self._given: dict[HostId, Secrets] = {}
        self._led = False
        self.name = name
        self.lines = Lines(
            host=host, roster=roster, wall=wall, session=name, leads=self.leads
        )
        self.elector = Elector(
            ElectorConfig(me=host.name, session=name),
            persisted,
            clock=host.clock,
            persist=self._persist,
            tell=self.lines.tell,
            keep_conflict=self._keep_conflict,
            changed=self._elector_changed,
        )
        self._looked = TurnBell(asyncio.get_running_loop())
        self._stamped = TurnBell(asyncio.get_running_loop())
        self._owed = TurnBell(asyncio.get_running_loop())
        self._watch: MountWatch | None = None
        self.admin = MountAdmin(icecast, host)
        self.on_air = OnAir(
            me=host.name,
            elector=self.elector,
            run_folder=Path(host.setup.run_folder),
            running=self._sources_running,
            witnessed=self._witnessed,
            moved=self._listeners_moved,
            admin=self.admin,
            clock=host.clock,
            bell=bell,
        )
        host.leadership = lambda: self.elector.leadership
        host.stored = lambda: self.elector.document

    def leads(self) -> bool:
        """Tell whether this host leads the session."""
        return self.elector.leadership.my_role is Role.LEADER

    @property
    def is_over(self) -> bool:
        """Tell whether it was stopped, goes on without us, or was never stored here."""
        doc = self.elector.document
        return doc is None or doc.stopped or doc.member(self._host.name) is None

    async def run(self) -> None:
        """Serve the session until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.elector.run())
            group.create_task(self.on_air.run())
            group.create_task(self._witness())
            group.create_task(self._lead())

    def found(self) -> dict[HostName, HostFacts]:
        """Return the newest facts of each of the session's hosts, ours included."""
        doc = self.elector.document
        facts = {self._host.name: self._host.facts()}
        for member in doc.members if doc else ():
            one = self._roster.by_id(member.id) or self._newcomer(member)
            if one is not None and one.facts is not None:
                facts[member.name] = one.facts
        return {**facts, **self._host.peer_facts}

    def _newcomer(self, member: Member) -> Found | None:
        """Return the one agent of the studio that may take a place that is free."""
        if member.id is not None:
            return None
        named = self._roster.named(member.name)
        fits = [one for one in named if member.address in (None, _address(one))]
        return fits[0] if len(fits) == 1 else None

    async def first_stamp(self) -> StampedSpec:
        """Return the document as soon as it has its first stamp.

        Raises:
            Unavailable: It could not be stored.
        """
        for _ in range(FIRST_STAMP_LOOKS):
            doc = self.elector.document
            if doc is not None and not doc.stopped:
                return doc
            if self._host.unstored:
                raise Unavailable(
                    f"{self.name} is not created: {self._host.store_error}",
                    "Free space in the state folder, then create it again.",
                )
            await self._stamped.wait(LOOK)
        raise Unavailable(
            f"{self.name} could not be stored.", "See the agent's log for the reason."
        )

    async def hand_over(self, to: HostName | None) -> HostName:
        """Have another host take over and return it once it is on the air.

        Raises:
            Refused: No other host is able.
            Unavailable: It did not come on the air in time.
        """
        chosen = await self.elector.handover(to)
        until = self._host.clock.now() + HAND_OVER_LIMIT
        while self._host.clock.now() < until:
            lead = self.elector.leadership
            if lead.leader == chosen and (
                lead.broadcaster == chosen or not self._has_mounts()
            ):
                return chosen
            await self._stamped.wait(CLOSE_LOOK)
        raise Unavailable(
            f"{chosen} has not taken over yet.",
            "See its conditions with `sessiond status`.",
        )

    def _has_mounts(self) -> bool:
        doc = self.elector.document
        return doc is not None and bool(doc.spec.mounts)

    async def _witness(self) -> None:
        """Bring the elector evidence and ability, whatever the document says now."""
        async with asyncio.TaskGroup() as group:
            task: asyncio.Task[None] | None = None
            watched: tuple[Station, tuple[MountPath, ...]] | None = None
            while True:
                if (wanted := self._to_watch()) != watched:
                    if task is not None:
                        task.cancel()
                    self._watch, watched = self._open_watch(wanted), wanted
                    task = group.create_task(self._watch.run()) if self._watch else None
                lead = self.elector.leadership
                closely = lead.watch
                if (watch := self._watch) is not None:
                    everywhere = hears_all(lead, self._host.name, self.on_air.reports)
                    watch.watch(closely=closely, everywhere=everywhere)
                    self._note_station(watch)
                    self.elector.post(watch.witnessed())
                self._note_consent()
                if (able := self._host.able()) != self.elector.able:
                    self.elector.post(AbilityChanged(able=able))
                await self._looked.wait(self._look_again(closely=closely))

    def _look_again(self, *, closely: bool) -> Seconds:
        if not closely:
            return LOOK
        return min(CLOSE_LOOK, self._watch.verdict_due()) if self._watch else CLOSE_LOOK

    def look(self) -> None:
        """Have ability and evidence looked at now."""
        self._looked()

    def _witnessed(self, path: MountPath) -> MountWitnessed:
        """Return this host's evidence of a mount; unknown while none is watched."""
        if self._watch is None:
            return MountWitnessed(evidence=Evidence.UNKNOWN)
        return self._watch.witnessed(path)

    def _listeners_moved(self, path: MountPath) -> None:
        if self._watch is not None:
            self._watch.moved(path)

    def _to_watch(self) -> tuple[Station, tuple[MountPath, ...]] | None:
        doc = self.elector.document
        if doc is None or doc.stopped or doc.station is None:
            return None
        paths = tuple(mount.path for mount in doc.spec.mounts)
        return (doc.station, paths) if paths else None

    def _open_watch(
        self, wanted: tuple[Station, tuple[MountPath, ...]] | None
    ) -> MountWatch | None:
        if wanted is None:
            self._host.mounts, self._host.titles = None, {}
            return None
        station, paths = wanted
        return MountWatch(
            self._icecast, station, paths, clock=self._host.clock, bell=self._looked
        )

    def _note_station(self, watch: MountWatch) -> None:
        first = self._host.mounts is None and watch.mounts is not None
        self._host.mounts = watch.mounts
        doc = self.elector.leadership.stamped
        self._host.titles = watch.titles(doc.titles if doc else {})
        if watch.mounts is not None:
            self._host.station_heard = self._host.clock.now()
        if first:
            self._bell()

    def _note_consent(self) -> None:
        host = self._host
        if host.consented:
            return
        alone = host.clock.now() - self._began > ALONE_AFTER
        if self.elector.leadership.heard_member or (alone and not self._asks_consent):
            self.consent()

    def consent(self) -> None:
        """Go on with the session here: a member was heard, or the owner said so."""
        host = self._host
        host.consented = True
        remember(host)
        self._bell()

    def _sources_running(self) -> frozenset[ProcName] | None:
        if not self._host.turns:
            return None
        return self._host.sources_running()

    async def _lead(self) -> None:
        """Do what the leader owes the others."""
        while True:
            waiting = await self._give_secrets()
            await self._settle()
            await self._owed.wait(SOON if waiting else SETTLE_EVERY)

    def settled(self, doc: StampedSpec) -> StampedSpec:
        """Return the document with members and links as they should be now."""
        lead = self.elector.leadership
        new = {m.name: self._newcomer(m) for m in doc.members}
        doc = identified(doc, identities({n: one for n, one in new.items() if one}))
        return settle(doc, self.found(), leader=lead.leader, standby=lead.standby)

    async def _settle(self) -> None:
        """Stamp members and links as they should be now, if they are not."""
        doc = self.elector.document
        if doc is None or doc.stopped or not self.leads():
            return
        with suppress(SessiondError):
            settled = self._with_join_secret(self.settled(doc))
            if settled != doc:
                await self.elector.stamp(settled, based_on=doc.stamp)

    def _with_join_secret(self, doc: StampedSpec) -> StampedSpec:
        """Return the document with a new join secret's mark if the present is lost.

        Whoever led before made it and failed before it gave it to others; what they
        still have is void, for somebody has gone that knows it.

        Raises:
            Unavailable: It could not be stored.
        """
        host = self._host
        if host.secrets_of != self.name or present_join(host, doc):
            return doc
        made = replace(host.secrets, join=join_secret())
        save_secrets(host, self.name, made)
        return replace(doc, join_mark=join_mark(made.join))

    async def _give_secrets(self) -> bool:
        """Hand the passwords to each member that may broadcast, once.

        Returns:
            Whether a member that is there has still to get them.
        """
        given = [await self._give(member) for member in self._waiting()]
        return not all(given)

    def _waiting(self) -> tuple[Member, ...]:
        """Return who is there and has still to be given the passwords."""
        host, doc = self._host, self.elector.document
        to = self._to_give()
        return tuple(
            member
            for member in (doc.members if doc else ())
            if member.name in to
            and member.id is not None
            and self._given.get(member.id) != host.secrets
            and self.lines.line(member.name) is not None
        )

    def _to_give(self) -> frozenset[HostName]:
        """Return the members whom this host gives the passwords that it has."""
        doc = self.elector.document
        if doc is None or doc.stopped or self._host.secrets_of != self.name:
            return frozenset()
        if doc.station != self._host.secrets.station:
            # Somebody has moved the session to where they are not for.
            return frozenset()
        return self._owed_secrets(doc)

    def _owed_secrets(self, doc: StampedSpec) -> frozenset[HostName]:
        """Return the members whom this host, if it has the passwords, gives them."""
        leader = self.elector.leadership.leader
        # Before there is a leader whoever has them, the creator, gives them to all.
        if leader is None or self.leads():
            names = {ref.name for ref in doc.spec.hosts} - {self._host.name}
            return frozenset(name for name in names if _needs_secrets(doc, name))
        # A leader that was away at the beginning has none to give, and is not able.
        facts = self._host.peer_facts.get(leader)
        # Without mounts everybody is able.
        lacks = facts is not None and not (facts.able and doc.spec.mounts)
        return frozenset({leader} if lacks else ())

    async def _give(self, member: Member) -> bool:
        line, passwords = self.lines.line(member.name), self._host.secrets
        # While another was given them, this one may have gone.
        if line is None or member.id is None or member not in self._waiting():
            return False
        try:
            await line.give_secrets(self.name, passwords, within=SECRETS_WITHIN)
        except SessiondError:
            return False
        self._given[member.id] = passwords
        return True

    def _forget_given(self) -> None:
        """Forget who has the passwords where they may be forgotten there, too.

        Whoever led in between may have given others.
        """
        if self.leads() != self._led:
            self._led = not self._led
            self._given.clear()
        doc, to = self.elector.document, self._to_give()
        owed = {m.id for m in (doc.members if doc else ()) if m.name in to}
        self._given = {one: had for one, had in self._given.items() if one in owed}

    def _forget_secrets(self) -> None:
        """Forget what only those know that may broadcast, once this host may not."""
        host, doc = self._host, self.elector.document
        if doc is None or host.secrets_of != self.name or self._keeps_secrets(doc):
            return
        host.secrets, host.secrets_of = Secrets(), ""
        with suppress(SessiondError):
            host.store.erase(SECRETS)
        remove_station(host)

    def _keeps_secrets(self, doc: StampedSpec) -> bool:
        """Tell whether this host may know the passwords, or has still to give them."""
        me, leader = self._host.name, self.elector.leadership.leader
        if doc.member(me) is None:
            return False
        if leader in (None, me) or _needs_secrets(doc, me):
            return True
        # Who is able has them, where there is anything to feed.
        facts = self._host.peer_facts.get(leader)
        return not (doc.spec.mounts and facts and facts.able)

    def _log_change(self) -> None:
        now = self.elector.leadership
        shown: dict[str, object] = {
            "term": now.term,
            "leader": now.leader,
            "my_role": now.my_role.value if now.my_role else None,
            "right": now.right,
            "standby": now.standby,
            "stamp": str(now.stamped.stamp) if now.stamped else None,
        }
        if shown != self._logged:
            self._logged = shown
            _log.info("leadership", why=now.why.value, **shown)

    def _persist(self, persisted: Persisted) -> None:
        content = encode(persisted)
        try:
            self._host.store.save(ELECTION, content)
        except SessiondError as e:
            owe_room(self._host, content, e)
            raise
        note_stored(self._host, ROOM)

    def _keep_conflict(self, stamped: StampedSpec) -> None:
        keep_conflict(self._host, stamped)

    def _elector_changed(self) -> None:
        self._roster.trust.look()
        self._forget_given()
        self._forget_secrets()
        self._log_change()
        self.on_air.look()
        self._looked()
        self._owed()
        self._stamped()
        self._bell()


def _needs_secrets(doc: StampedSpec, name: HostName) -> bool:
    """Tell whether a member may feed the mounts, or runs the station."""
    station = doc.station.host if doc.station else None
    return name in doc.spec.preference or name == station


def identities(found: Mapping[HostName, Found]) -> Identities:
    """Return who the agents found have shown to be."""
    return {name: (one.sighting.id, one.certificate) for name, one in found.items()}


def _address(one: Found) -> Address:
    return one.sighting.address
