"""Who is out there: sightings, proven by a hello, and the lines to them.

Multicast DNS and the configured peers say where an agent may be; only an answered
hello says who is there. What is here is bounded: strangers can't fill it.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from agent.doors import Discovery
from agent.host import Host
from sessiond.core.facts import HostFacts
from sessiond.core.status import HostSighting
from sessiond.errors import SessiondError
from sessiond.units import Address, HostId, HostName, Seconds
from sessiond.wire.peer_client import PeerClient
from sessiond.wire.peer_messages import HelloReply, HelloRequest

HELLO_WITHIN: Final = Seconds(1.0)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An agent that answered a hello.

    Attributes:
        at: When it last answered, monotonic.
    """

    sighting: HostSighting
    facts: HostFacts
    at: Seconds


class Roster:
    """Keeps the agents found and one line to each address.

    Args:
        host: This host, which introduces itself.
        bell: Rung when somebody new was found.

    Attributes:
        discovery: None where mDNS is off.
    """

    def __init__(
        self,
        *,
        host: Host,
        bell: Callable[[], None],
    ) -> None:
        self._host = host
        self._clock = host.clock
        self._static = host.config.peers
        self.discovery: Discovery | None = None
        self._bell = bell
        self._found: dict[HostId, Found] = {}
        self._asked: dict[Address, Seconds] = {}
        self._lines: dict[Address, PeerClient] = {}
        self._used: dict[Address, Seconds] = {}
        self._look = asyncio.Event()
        self._hints: set[Address] = set()

    def introduce(self) -> HelloReply:
        """Return this agent's own word about itself."""
        return HelloReply(sighting=self._host.sighting(), facts=self._host.facts())

    def line(self, address: Address) -> PeerClient:
        """Return the line to an address, opened on its first call.

        It is for one call now: a line that is not asked for is dropped after a while.
        """
        self._used[address] = self._clock.now()
        if address not in self._lines:
            self._lines[address] = PeerClient(address)
        return self._lines[address]

    def found(self) -> Mapping[HostId, Found]:
        """Return every proven agent, this one included, by id."""
        me = self.introduce()
        mine = Found(sighting=me.sighting, facts=me.facts, at=self._clock.now())
        return {**self._found, me.sighting.id: mine}

    def named(self, name: HostName) -> tuple[Found, ...]:
        """Return the agents that carry a name; more than one are namesakes."""
        # Asked for each message that is sent: this host introduces itself only where
        # it is meant.
        found = self.found() if name == self._host.name else self._found
        return tuple(f for f in found.values() if f.sighting.name == name)

    def namesakes(self) -> Mapping[HostName, tuple[str, ...]]:
        """Return the names that more than one agent carries, with addresses."""
        by_name: dict[HostName, list[str]] = {}
        for one in self.found().values():
            by_name.setdefault(one.sighting.name, []).append(one.sighting.address)
        return {n: tuple(sorted(a)) for n, a in by_name.items() if len(a) > 1}

    def note(self, reply: HelloReply) -> None:
        """Take an agent's own word, wherever it came from."""
        me = self.introduce().sighting.id
        known = reply.sighting.id in self._found
        if reply.sighting.id == me or not (known or self._has_room_for(reply)):
            return
        self._found[reply.sighting.id] = Found(
            sighting=reply.sighting, facts=reply.facts, at=self._clock.now()
        )
        if not known:
            self._bell()

    def _has_room_for(self, reply: HelloReply) -> bool:
        """Tell whether a newcomer may be kept; one waited for replaces a stranger."""
        if len(self._found) < MOST_FOUND:
            return True
        if not self._is_awaited(reply.sighting):
            return False
        found = self._found.items()
        strangers = (i for i, one in found if not self._is_awaited(one.sighting))
        stranger = next(strangers, None)
        if stranger is not None:
            del self._found[stranger]
        return stranger is not None

    def _is_awaited(self, sighting: HostSighting) -> bool:
        """Tell whether it is a configured peer, or of the present session."""
        doc = self._host.document
        names = doc.spec.host_names if doc else ()
        return sighting.address in self._static or sighting.name in names

    def hint(self, address: Address) -> None:
        """Note where an agent says it is; it is asked at once, if only once."""
        if len(self._hints) < MOST_FOUND and address not in self._hints:
            self._hints.add(address)
            # It may have been asked in vain a moment ago, before it listened.
            self._asked.pop(address, None)
            self._look.set()

    def look(self) -> None:
        """Have the network looked at now: something was seen on it."""
        self._look.set()

    async def ask(self, address: Address) -> Found | None:
        """Say hello to one address now; None when nobody answers."""
        self._asked[address] = self._clock.now()
        request = HelloRequest(sender=self.introduce().sighting)
        try:
            reply = await self.line(address).hello(request, within=HELLO_WITHIN)
        except SessiondError:
            return None
        self.note(reply)
        return self.found().get(reply.sighting.id)

    async def ask_all(self, addresses: Iterable[Address]) -> None:
        """Say hello to several addresses at once."""
        await asyncio.gather(*(self.ask(address) for address in addresses))

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
        mine = self.introduce().sighting.address
        hints = {s.address for s in seen} | set(self._static) | self._hints
        return frozenset(hints - {mine})

    def _due(self) -> list[Address]:
        """Return who is to be asked now: configured peers and known agents first."""
        now = self._clock.now()
        answered = {f.sighting.address: f.at for f in self._found.values()}
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
        wanted = hints | {f.sighting.address for f in self._found.values()}
        answered = {f.sighting.address for f in self._found.values()}
        tried = {a for a in self._hints if now - self._asked.get(a, now) > FORGET_AFTER}
        self._hints -= tried - answered
        self._asked = {a: t for a, t in self._asked.items() if a in wanted}

    async def _drop_idle_lines(self) -> None:
        old = self._clock.now() - DROP_LINE_AFTER
        for address in [a for a, used in self._used.items() if used < old]:
            del self._used[address]
            await self._lines.pop(address).close()
