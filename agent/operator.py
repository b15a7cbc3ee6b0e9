"""What the operator asks for: create, change, steer and stop a session.

Changes are stamped by the leader; another host passes the request on to it.
"""

import asyncio
import secrets as random_secrets
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Final, TypeVar

from agent.adapters.icecast import IcecastDoor
from agent.fitness import require_fit, require_station
from agent.invitations import join_secret
from agent.membership import Membership, identities
from agent.present import Present
from agent.records import save_secrets
from agent.roster import Found, Roster
from sessiond.core.amend import checked, with_gain
from sessiond.core.election import CreateRequested
from sessiond.core.joining import join_mark
from sessiond.core.settle import amended, external_station, first_document
from sessiond.core.spec import HostRef, IcecastServer, MountSpec, SessionSpec
from sessiond.core.stamped import Secrets, Stamp, StampedSpec, Station
from sessiond.core.titles import with_title
from sessiond.errors import Refused, Unavailable
from sessiond.units import (
    Address,
    Decibels,
    HostName,
    MountPath,
    Seconds,
    SessionName,
)
from sessiond.wire.peer_messages import ConsiderRequest

T = TypeVar("T")

CONSIDER_WITHIN: Final = Seconds(2.0)
FORWARD_WITHIN: Final = Seconds(15.0)
STATION_PORT: Final = 8000
# A second and third session's station on one computer, then it is no accident.
STATION_PORTS: Final = range(STATION_PORT, STATION_PORT + 16)


class Operator:
    """Carries the operator's requests out on this host, or passes them on.

    Args:
        now: This host's session, and the way to its leader.
        join: Opens a membership of a new session and returns it.
    """

    def __init__(
        self,
        *,
        now: Present,
        roster: Roster,
        icecast: IcecastDoor,
        join: Callable[[SessionName], Awaitable[Membership]],
    ) -> None:
        self._now = now
        self._host = now.host
        self._roster = roster
        self._icecast = icecast
        self._join = join

    # --- creating -------------------------------------------------------------------

    async def create(
        self, spec: SessionSpec, passwords: Secrets, *, by_owner: bool
    ) -> StampedSpec:
        """As `OwnedApi.create`."""
        spec = checked(spec)
        found = await self._resolve(spec)
        me = found.get(self._host.name)
        if me is None or me.sighting.id != self._host.id:
            if not by_owner:
                # Others know this host as one of the studio; whoever asks may not be.
                raise Refused(
                    f"{self._host.name} is no host of {spec.name}.",
                    f"Run `sessiond create` on one of {', '.join(spec.host_names)}.",
                )
            return await self._create_elsewhere(spec, passwords, found)
        self._now.require_free()
        require_fit(self._host, spec)
        found = await self._consider(first_document(spec, {}, None), found)
        station, passwords = await self._station(spec, passwords)
        facts = {name: one.facts for name, one in found.items() if one.facts}
        document = first_document(spec, facts, station, identities=identities(found))
        document = replace(document, join_mark=join_mark(passwords.join))
        save_secrets(self._host, spec.name, passwords)
        self._host.consented = True
        joined = await self._join(spec.name)
        joined.elector.post(CreateRequested(document=document))
        return await joined.first_stamp()

    async def _create_elsewhere(
        self,
        spec: SessionSpec,
        passwords: Secrets,
        found: Mapping[HostName, Found],
    ) -> StampedSpec:
        for name in spec.host_names:
            if name in found:
                one = found[name]
                agent = self._now.agent(one.sighting.address, one.certificate)
                async with agent as asked:
                    return await asked.create(spec, passwords)
        raise Unavailable(
            f"None of the hosts of {spec.name} was found on this network.",
            "Run `sessiond create` on one of them, or start sessiond-agent on those of "
            "your studio; `sessiond hosts` shows who is there.",
        )

    async def _resolve(self, spec: SessionSpec) -> Mapping[HostName, Found]:
        """Return this host and the studio's that are there, by name.

        Whoever is of no studio, or of another one, joins by a link.

        Raises:
            Refused: Two agents carry one name, or an address is another host's.
        """
        given = [ref for ref in spec.hosts if ref.address is not None]
        await self._roster.ask_all(self._to_ask(spec))
        asked = await asyncio.gather(*(self._at_address(ref) for ref in given))
        named = ((r.name, self._pick(r)) for r in spec.hosts if r.address is None)
        found = [*named, *((r.name, one) for r, one in zip(given, asked, strict=True))]
        return {name: one for name, one in found if one is not None}

    def _to_ask(self, spec: SessionSpec) -> list[Address]:
        """Return where the session's hosts answer, or may be while some are not found.

        Each is asked anew: it must know this host as well as this one knows it.
        """
        named = [self._roster.named(name) for name in spec.host_names]
        if not all(named):
            return sorted(self._roster.candidates())
        found = {one.sighting.address for each in named for one in each}
        return sorted(found - {self._host.address})

    async def _at_address(self, ref: HostRef) -> Found | None:
        one = None
        if ref.address == self._host.address:
            one = self._roster.found()[self._host.id]
        elif ref.address:
            one = await self._roster.ask(ref.address)
        if one is not None and one.sighting.name != ref.name:
            raise Refused(
                f"At {ref.address} is {one.sighting.name}, not {ref.name}.",
                f'Write "{one.sighting.name}", or another address for {ref.name}.',
            )
        is_ours = one is not None and one in self._roster.named(ref.name)
        return one if is_ours else None

    def _pick(self, ref: HostRef) -> Found | None:
        named = self._roster.named(ref.name)
        if len(named) > 1:
            where = " and ".join(sorted(f.sighting.address for f in named))
            raise Refused(
                f"Two agents call themselves {ref.name}: {where}.",
                f'Write "{ref.name}@ADDRESS:PORT" for the one that you mean, or give '
                "the other another name in its agent.toml.",
            )
        return named[0] if named else None

    async def _consider(
        self, document: StampedSpec, found: Mapping[HostName, Found]
    ) -> Mapping[HostName, Found]:
        """Ask every other host that is there whether it is free and fit.

        Returns:
            Who answers; another takes its place once it is back.

        Raises:
            Refused: One of them is busy, or set up otherwise.
            Broken: One of them lacks a program.
        """
        asked = await asyncio.gather(*(self._ask(document, *f) for f in found.items()))
        return {n: found[n] for n, there in zip(found, asked, strict=True) if there}

    async def _ask(self, document: StampedSpec, name: HostName, one: Found) -> bool:
        if one.sighting.id == self._host.id:
            return True
        line = self._roster.line(one.sighting.address, one.certificate)
        request = ConsiderRequest(
            session=document.spec.name, host=name, stamped=document
        )
        try:
            await line.consider(request, within=CONSIDER_WITHIN)
        except Unavailable:
            return False
        return True

    async def _station(
        self, spec: SessionSpec, passwords: Secrets
    ) -> tuple[Station | None, Secrets]:
        """Return where the session's Icecast is, and all its secrets.

        Raises:
            Broken: Somebody's Icecast denies a password.
            Unavailable: It does not answer, or no port is free for an own one.
        """
        passwords = replace(passwords, join=join_secret(), station=None)
        if not spec.mounts:
            return None, passwords
        station = external_station(spec)
        if station is not None:
            await self._check_passwords(spec, station, passwords)
            self._host.station_heard = self._host.clock.now()
            return station, replace(passwords, station=station)
        require_station(self._host)
        made = {m.path: passwords.mounts.get(m.path, _password()) for m in spec.mounts}
        address = self._host.config.advertise
        port = self._kept_port() or _free_port()
        station = Station(address=address, port=port, host=self._host.name)
        own = replace(_own_words(), mounts=made, join=passwords.join, station=station)
        return station, own

    def _kept_port(self) -> int | None:
        """Return where an Icecast listens that is kept outside sessions, if any."""
        kept, config = self._host.kept, self._host.config.station
        if kept is not None:
            return kept.order.station.port
        return None if config is None else config.port

    async def _check_passwords(
        self, spec: SessionSpec, station: Station, passwords: Secrets
    ) -> None:
        server = spec.icecast
        if server is None:
            return
        for mount in spec.mounts:
            await self._icecast.check_source_password(
                station,
                mount.path,
                user=mount.source_user or server.source_user,
                password=passwords.for_mount(mount.path),
            )
        if server.admin_user is not None and passwords.admin:
            await self._icecast.check_admin_password(
                station, user=server.admin_user, password=passwords.admin
            )

    # --- changing -------------------------------------------------------------------

    async def apply(
        self, spec: SessionSpec, passwords: Secrets, based_on: Stamp | None
    ) -> StampedSpec:
        """As `AgentApi.apply`."""
        spec = checked(spec)
        membership = self._now.in_session(spec.name)
        running = self._now.running(membership)
        if not self._now.may_stamp(membership):
            return await self._now.pass_on(
                membership, lambda agent: agent.apply(spec, passwords, based_on)
            )
        if based_on is not None and based_on != running.stamp:
            raise Refused(
                f"{spec.name} has changed since: it runs {running.stamp}, your file "
                f"is based on {based_on}.",
                f"Get the running one with `sessiond spec {spec.name}` and put your "
                "change into it.",
            )
        if (spec.icecast is None) != (running.spec.icecast is None):
            raise Refused(
                "A running session can't move between an embedded and a foreign "
                "Icecast.",
                "Stop the session and create it anew.",
            )
        # Another rate concerns everybody; else only who is new has to be asked.
        old = running.spec
        known = old.host_names if spec.rate_hz == old.rate_hz else ()
        new = tuple(ref for ref in spec.hosts if ref.name not in known)
        added = await self._resolve(replace(spec, hosts=new))
        require_fit(self._host, spec)
        added = await self._consider(replace(running, spec=spec), added)
        document = self._embed(amended(running, spec, identities=identities(added)))
        self._require_known(running, document)
        merged = self._merged(document, passwords)
        if document.station is not None and document.station.host is None:
            await self._check_passwords(spec, document.station, merged)
        for name, one in added.items():
            if name != self._host.name and one.facts is not None:
                self._host.peer_facts[name] = one.facts
        await self._now.stamp_with(membership, document, running, merged)
        return self._now.running(membership)

    def _embed(self, document: StampedSpec) -> StampedSpec:
        """Give a session its own Icecast when its first mount is added.

        Raises:
            Broken: This host lacks the program.
            Unavailable: No port is free for it.
        """
        if document.station is not None or not document.spec.mounts:
            return document
        require_station(self._host)
        address = self._host.config.advertise
        station = Station(address=address, port=_free_port(), host=self._host.name)
        return replace(document, station=station)

    def _require_known(self, running: StampedSpec, document: StampedSpec) -> None:
        """Refuse what needs the station's passwords before this host has them.

        Raises:
            Unavailable: It leads, and who has them has not handed them over yet.
        """
        stays = running.station is not None and document.station == running.station
        if stays and self._host.secrets.station != running.station:
            raise Unavailable(
                f"{self._host.name} leads {running.spec.name} and has not got "
                "Icecast's passwords yet.",
                "Try again in a few seconds; a host that has them hands them over.",
            )

    def _merged(self, document: StampedSpec, passwords: Secrets) -> Secrets:
        """Return the stored passwords with what is new; what is empty stays.

        The join secret is not among them: `Present.stamp_with` adds it.

        Raises:
            Refused: The session moves to another Icecast, whose passwords are not
                given: none of those for the old one is shown to it.
        """
        spec, known = document.spec, self._host.secrets
        moves = document.station != known.station
        old = Secrets() if moves else known
        mounts = {m.path: _mount_password(spec, m, passwords, old) for m in spec.mounts}
        is_own = document.station is not None and document.station.host is not None
        made = _own_words() if is_own else Secrets()
        merged = Secrets(
            source=passwords.source or old.source or made.source,
            admin=passwords.admin or old.admin or made.admin,
            relay=old.relay or made.relay,
            mounts={path: word for path, word in mounts.items() if word},
            station=document.station,
        )
        if moves and spec.icecast is not None:
            had_admin = bool(known.admin) or known.station is None
            _require_passwords(spec, spec.icecast, merged, had_admin=had_admin)
        return merged

    async def gain(
        self, session: SessionName, mount: MountPath, host: HostName, gain: Decibels
    ) -> Stamp:
        """As `AgentApi.gain`."""
        membership = self._now.in_session(session)
        running = self._now.running(membership)
        if not self._now.may_stamp(membership):
            return await self._now.pass_on(
                membership, lambda agent: agent.gain(session, mount, host, gain)
            )
        spec = with_gain(running.spec, mount, host, gain)
        return await membership.elector.stamp(
            replace(running, spec=spec), based_on=running.stamp
        )

    async def title(self, session: SessionName, mount: MountPath, title: str) -> Stamp:
        """As `AgentApi.title`."""
        membership = self._now.in_session(session)
        running = self._now.running(membership)
        if not self._now.may_stamp(membership):
            return await self._now.pass_on(
                membership, lambda agent: agent.title(session, mount, title)
            )
        document = with_title(running, mount, title)
        return await membership.elector.stamp(document, based_on=running.stamp)

    async def handover(self, session: SessionName, to: HostName | None) -> HostName:
        """As `AgentApi.handover`."""
        membership = self._now.in_session(session)
        doc = self._now.running(membership)
        if to is not None and to not in doc.spec.host_names:
            raise Refused(
                f"{to} is no host of {session}.",
                f"Its hosts are {', '.join(doc.spec.host_names)}.",
            )
        if not membership.leads():
            return await self._now.pass_on(
                membership, lambda agent: agent.handover(session, to)
            )
        if to == self._host.name:
            return to
        return await membership.hand_over(to)

    async def stop(self, name: SessionName) -> None:
        """As `AgentApi.stop`."""
        membership = self._now.in_session(name)
        doc = membership.elector.document
        if doc is None or doc.stopped:
            return
        if not self._now.may_stamp(membership):
            await self._now.pass_on(membership, lambda agent: agent.stop(name))
            return
        running = self._now.running(membership)
        await membership.elector.stamp(
            replace(running, stopped=True), based_on=running.stamp
        )


def _mount_password(
    spec: SessionSpec, mount: MountSpec, passwords: Secrets, old: Secrets
) -> str:
    made = _password() if spec.icecast is None else ""
    return passwords.mounts.get(mount.path) or old.mounts.get(mount.path) or made


def _require_passwords(
    spec: SessionSpec, server: IcecastServer, merged: Secrets, *, had_admin: bool
) -> None:
    """Return if all is given that another Icecast asks for.

    Args:
        spec: As it is to be.
        server: The other Icecast.
        merged: What is known for it.
        had_admin: Whether the one before had, or may have had, an administrator's.
    """
    without = [f"{m.path}" for m in spec.mounts if not merged.for_mount(m.path)]
    if server.admin_user is not None and had_admin and not merged.admin:
        without.append(f"the user {server.admin_user}")
    if without:
        raise Refused(
            f"{server.host} is another Icecast than {spec.name} has had, and no "
            f"password is given for {', '.join(without)}.",
            "Name the files of its passwords in [icecast] and apply again: those that "
            "are stored are for the other one alone.",
        )


def _own_words() -> Secrets:
    """Return new passwords for what an own Icecast asks for besides its mounts."""
    return Secrets(source=_password(), admin=_password(), relay=_password())


def _password() -> str:
    # 128 bits, in letters that need no escaping anywhere.
    return random_secrets.token_urlsafe(16)


def _free_port() -> int:
    """Return the first free port for an own Icecast.

    Raises:
        Unavailable: All of them are taken.
    """
    for port in STATION_PORTS:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("", port))
            except OSError:
                continue
            return port
    raise Unavailable(
        f"No port from {STATION_PORTS[0]} to {STATION_PORTS[-1]} is free for Icecast.",
        "End a program that holds one, or name an Icecast in [icecast].",
    )
