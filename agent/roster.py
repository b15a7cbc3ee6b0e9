"""Who is out there: sightings, proven by a certificate, and the lines to them.

Multicast DNS and the configured peers say where an agent may be. Who is there is known
by the certificate that it shows at its join port and has the key of; whether it belongs
here, by the session's document or by the studio's secret (`trust`). What is here is
bounded: strangers can't fill it.
"""

import asyncio
import ipaddress
import secrets
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from typing import Final

from agent.doors import Discovery
from agent.host import Host
from agent.trust import Trust
from sessiond.core.facts import HostFacts
from sessiond.core.joining import join_address
from sessiond.core.namerules import split_address
from sessiond.core.proofs import Purpose, is_proof, proof
from sessiond.core.status import HostSighting
from sessiond.errors import SessiondError
from sessiond.units import Address, Certificate, HostId, HostName, Seconds
from sessiond.wire.identity import der_of
from sessiond.wire.join_client import JoinClient
from sessiond.wire.join_messages import AcquaintRequest, GreetReply, GreetRequest
from sessiond.wire.peer_client import PeerClient
from sessiond.wire.peer_messages import HelloReply, HelloRequest

HELLO_WITHIN: Final = Seconds(1.0)
# Two handshakes and two calls; whoever dawdles keeps the next look waiting.
GREETED_WITHIN: Final = Seconds(2.0)
NONCE_BYTES: Final = 16
# A known agent is asked again this often; one that does not answer, sooner.
ASK_AGAIN: Final = Seconds(15.0)
ASK_AGAIN_SILENT: Final = Seconds(2.0)
# An agent that was proven but has not answered since is forgotten.
FORGET_AFTER: Final = Seconds(60.0)
# A LAN's worth of musicians; beyond that somebody floods us. As many hints again, and
# as many sightings (`agent.adapters.mdns`), are candidates at most.
MOST_FOUND: Final = 256
# So many are asked at a look that nobody waits for; the others come next.
MOST_ASKED: Final = 32
# An unused line is dropped after this; its connection costs a descriptor.
DROP_LINE_AFTER: Final = Seconds(60.0)
# A document that makes this host a member may reach others a moment later.
SHUT_OUT_AFTER: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An agent that has shown its certificate and has the key of it.

    Attributes:
        sighting: Its id is the certificate's; the rest is its own word.
        at: When it last answered, monotonic.
        facts: Only a member or an acquaintance tells any.
    """

    sighting: HostSighting
    certificate: Certificate
    at: Seconds
    facts: HostFacts | None = None


@dataclass(frozen=True, slots=True)
class _Path:
    """Where a line goes, and who has to answer there."""

    address: Address
    certificate: Certificate


class Roster:
    """Keeps the agents found and one line to each.

    Args:
        host: This host, which introduces itself.
        trust: Whom this host knows.
        bell: Rung when somebody new was found.

    Attributes:
        discovery: None where mDNS is off.
    """

    def __init__(self, *, host: Host, trust: Trust, bell: Callable[[], None]) -> None:
        self._host = host
        self.trust = trust
        self._clock = host.clock
        self._static = host.config.peers
        self.discovery: Discovery | None = None
        self._bell = bell
        self._found: dict[HostId, Found] = {}
        self._asked: dict[Address, Seconds] = {}
        self._answered: dict[Address, HostId] = {}
        self._lines: dict[_Path, PeerClient] = {}
        self._used: dict[_Path, Seconds] = {}
        self._look = asyncio.Event()
        self._hints: set[Address] = set()
        self._shut_out: dict[HostId, int] = {}

    def introduce(self) -> HelloReply:
        """Return this agent's own word about itself."""
        return HelloReply(sighting=self._host.sighting(), facts=self._host.facts())

    def line(self, address: Address, certificate: Certificate) -> PeerClient:
        """Return the line to whoever has this certificate, opened on its first call.

        It is for one call now: a line that is not asked for is dropped after a while.
        """
        path = _Path(address, certificate)
        self._used[path] = self._clock.now()
        if path not in self._lines:
            self._lines[path] = PeerClient(
                address, pinned=certificate, identity=self._host.identity
            )
        return self._lines[path]

    def found(self) -> Mapping[HostId, Found]:
        """Return every agent that is there, this one included, by id."""
        return {**self._found, self._host.id: self._own()}

    def by_id(self, host: HostId | None) -> Found | None:
        """Return the agent of this id, wherever it is; None if it is not found."""
        return None if host is None else self._found.get(host)

    def named(self, name: HostName) -> tuple[Found, ...]:
        """Return the studio's agents that carry a name; more than one are namesakes.

        A name proves nothing, so strangers' names don't count.
        """
        known = [f for i, f in self._found.items() if self.trust.is_acquainted(i)]
        if name == self._host.name:
            known.append(self._own())
        return tuple(f for f in known if f.sighting.name == name)

    def namesakes(self) -> Mapping[HostName, tuple[str, ...]]:
        """Return the names that two of the studio's agents carry, with addresses."""
        by_name: dict[HostName, list[str]] = {self._host.name: [self._host.address]}
        for host, one in self._found.items():
            if self.trust.is_acquainted(host):
                by_name.setdefault(one.sighting.name, []).append(one.sighting.address)
        return {n: tuple(sorted(a)) for n, a in by_name.items() if len(a) > 1}

    def shut_out_by(self) -> tuple[HostName, ...]:
        """Return the members that are there and don't let this host in any more."""
        doc = self._host.document
        return tuple(
            member.name
            for member in (doc.members if doc and not doc.stopped else ())
            if member.id and self._shut_out.get(member.id, 0) >= SHUT_OUT_AFTER
        )

    def note(self, found: Found) -> None:
        """Take in who has been found, wherever it was heard of."""
        host = found.sighting.id
        known = host in self._found
        if host == self._host.id or not (known or self._has_room_for(found)):
            return
        self._found[host] = found
        if not known:
            self._bell()

    def _own(self) -> Found:
        me = self.introduce()
        return Found(
            sighting=me.sighting,
            certificate=self._host.identity.certificate,
            at=self._clock.now(),
            facts=me.facts,
        )

    def _is_known(self, host: HostId) -> bool:
        return self.trust.certificate_of(host) is not None

    def _has_room_for(self, found: Found) -> bool:
        """Tell whether a newcomer may be kept; one waited for replaces a stranger."""
        if len(self._found) < MOST_FOUND:
            return True
        if not self._is_awaited(found):
            return False
        others = self._found.items()
        strangers = (i for i, one in others if not self._is_awaited(one))
        stranger = next(strangers, None)
        if stranger is not None:
            del self._found[stranger]
        return stranger is not None

    def _is_awaited(self, found: Found) -> bool:
        """Tell whether it is a configured peer, or known already."""
        return found.sighting.address in self._static or self._is_known(
            found.sighting.id
        )

    def hint(self, address: Address) -> None:
        """Note where an agent says it is; it is asked at once, if only once."""
        if len(self._hints) < MOST_FOUND and address not in self._hints:
            self._hints.add(address)
            # It may have been asked in vain a moment ago, before it listened.
            self._asked.pop(address, None)
            self._look.set()

    def hint_from(self, address: Address, source: str) -> None:
        """Note where a stranger says that its agent is, if it called from there.

        Nobody has this host knock at a third one's door.
        """
        where = split_address(address)
        with suppress(ValueError):
            if where and ipaddress.ip_address(where[0]) == ipaddress.ip_address(source):
                self.hint(address)

    def look(self) -> None:
        """Have the network looked at now: something was seen on it."""
        self._look.set()

    # --- asking ---------------------------------------------------------------------

    async def ask(self, address: Address) -> Found | None:
        """Look who is at one address now; None when nobody answers."""
        self._asked[address] = self._clock.now()
        expected = self._expected_at(address)
        if expected is not None:
            heard = await self._hello(address, expected)
            if heard is not None:
                return heard
        found = await self._greet(address)
        if found is None or found.facts is not None:
            return found
        # A member, known by its certificate: it tells its facts over its own line.
        known = self.trust.certificate_of(found.sighting.id)
        if known is None:
            return found
        heard = await self._hello(address, known)
        if heard is None:
            count = self._shut_out.get(found.sighting.id, 0)
            self._shut_out[found.sighting.id] = count + 1
        return heard or found

    async def ask_all(self, addresses: Iterable[Address]) -> None:
        """Look who is at several addresses at once."""
        await asyncio.gather(*(self.ask(address) for address in addresses))

    def _expected_at(self, address: Address) -> Certificate | None:
        """Return whom this host knows at an address: who was last found there."""
        doc, last = self._host.document, self._answered.get(address)
        members = doc.members if doc and not doc.stopped else ()
        here = [m.id for m in members if last in (None, m.id) and m.id != self._host.id]
        if last is None:
            here = [m.id for m in members if m.address == address and m.id in here]
        elif self.trust.is_acquainted(last):
            here = [last]
        return self.trust.certificate_of(here[0]) if here else None

    async def _hello(self, address: Address, certificate: Certificate) -> Found | None:
        """Ask a known agent for its facts; None if it does not answer us there."""
        request = HelloRequest(sender=self._host.sighting())
        line = self.line(address, certificate)
        with suppress(SessiondError):
            reply = await line.hello(request, within=HELLO_WITHIN)
            if self.trust.certificate_of(reply.sighting.id) == certificate:
                self.trust.hear(reply.sighting.id)
                self._shut_out.pop(reply.sighting.id, None)
                return self._noted(address, reply.sighting, certificate, reply.facts)
        return None

    async def _greet(self, address: Address) -> Found | None:
        """Look whose certificate is shown at a join port, and get acquainted if we can.

        Nothing goes there that is not public, or of use to that certificate's owner
        alone.
        """
        with suppress(SessiondError, TimeoutError):
            async with AsyncExitStack() as stack:
                await stack.enter_async_context(asyncio.timeout(GREETED_WITHIN))
                where = join_address(address)
                door = await JoinClient.open(where, None, within=HELLO_WITHIN)
                await stack.enter_async_context(door)
                if door.id == self._host.id:
                    return None
                nonce = secrets.token_bytes(NONCE_BYTES)
                greeting = GreetRequest(nonce=nonce, address=self._host.address)
                reply = await door.greet(greeting, within=HELLO_WITHIN)
                if self._is_of_studio(door, reply, nonce):
                    return await self._acquaint(address, door, reply)
                sighting = HostSighting(
                    name=reply.name,
                    id=door.id,
                    address=address,
                    version=reply.version,
                )
                return self._noted(address, sighting, door.certificate, None)
        return None

    def _is_of_studio(self, door: JoinClient, reply: GreetReply, nonce: bytes) -> bool:
        studio, theirs = self._host.studio, der_of(door.certificate)
        return bool(studio) and is_proof(
            reply.proof, studio, Purpose.GREET, theirs, nonce
        )

    async def _acquaint(
        self, address: Address, door: JoinClient, greeted: GreetReply
    ) -> Found:
        """Prove to an agent of the studio that this one is of it too."""
        mine, theirs = self._host.identity.certificate, door.certificate
        shown = proof(
            self._host.studio,
            Purpose.ACQUAINT,
            der_of(theirs),
            der_of(mine),
            greeted.nonce,
        )
        request = AcquaintRequest(certificate=mine, nonce=greeted.nonce, proof=shown)
        reply = await door.acquaint(request, within=HELLO_WITHIN)
        self.trust.meet(theirs)
        self._shut_out.pop(door.id, None)
        sighting = replace(reply.sighting, id=door.id)
        facts = replace(reply.facts, id=door.id)
        return self._noted(address, sighting, theirs, facts)

    def _noted(
        self,
        address: Address,
        sighting: HostSighting,
        certificate: Certificate,
        facts: HostFacts | None,
    ) -> Found:
        self._answered[address] = sighting.id
        if _is_socket(sighting.address):
            sighting = replace(sighting, address=address)
        found = Found(
            sighting=sighting,
            certificate=certificate,
            at=self._clock.now(),
            facts=facts,
        )
        self.note(found)
        return found

    async def run(self) -> None:
        """Look at the network whenever something was seen on it, for ever."""
        while True:
            await self.ask_all(self._due())
            self._drop_old()
            await self._drop_idle_lines()
            self._look.clear()
            with suppress(TimeoutError):
                # Not `wait_for`: see `TurnBell.wait`.
                async with asyncio.timeout(ASK_AGAIN_SILENT):
                    await self._look.wait()

    async def close(self) -> None:
        """Drop every line."""
        for line in self._lines.values():
            await line.close()
        self._lines.clear()
        self._used.clear()

    def candidates(self) -> frozenset[Address]:
        """Return every address at which an agent may be."""
        seen = self.discovery.sightings() if self.discovery else ()
        doc = self._host.document
        members = doc.members if doc and not doc.stopped else ()
        hints = {s.address for s in seen} | set(self._static) | self._hints
        hints |= {member.address for member in members if member.address}
        hints -= {self._host.address}
        return frozenset(each for each in hints if not _is_socket(each))

    def _due(self) -> list[Address]:
        """Return who is to be asked now: configured peers and known agents first."""
        now = self._clock.now()
        answered = {
            f.sighting.address: f.at
            for host, f in self._found.items()
            if host not in self._shut_out
        }
        never = Seconds(-1e9)

        def is_due(address: Address) -> bool:
            silent = now - answered.get(address, never) >= ASK_AGAIN
            pause = ASK_AGAIN_SILENT if silent else ASK_AGAIN
            return now - self._asked.get(address, never) >= pause

        def urgency(address: Address) -> tuple[bool, bool, Seconds, Address]:
            asked = self._asked.get(address, never)
            return address not in self._static, address not in answered, asked, address

        due = filter(is_due, self.candidates() | set(answered))
        return sorted(due, key=urgency)[:MOST_ASKED]

    def _drop_old(self) -> None:
        now = self._clock.now()
        hints = self.candidates()
        for host_id, found in list(self._found.items()):
            if now - found.at > FORGET_AFTER:
                del self._found[host_id]
                self._shut_out.pop(host_id, None)
        wanted = hints | {f.sighting.address for f in self._found.values()}
        answered = {f.sighting.address for f in self._found.values()}
        tried = {a for a in self._hints if now - self._asked.get(a, now) > FORGET_AFTER}
        self._hints -= tried - answered
        self._asked = {a: t for a, t in self._asked.items() if a in wanted}
        self._answered = {a: i for a, i in self._answered.items() if a in wanted}

    async def _drop_idle_lines(self) -> None:
        old = self._clock.now() - DROP_LINE_AFTER
        for path in [each for each, used in self._used.items() if used < old]:
            del self._used[path]
            await self._lines.pop(path).close()


def _is_socket(address: Address) -> bool:
    """Tell whether somebody means a socket of ours by where it says that it is."""
    return address.startswith("unix:")
