"""How one member reaches another: envelopes, facts and four timestamps."""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final

from agent.doors import WallClock
from agent.host import Host
from agent.roster import Roster
from sessiond.core.clockcheck import PeerClock, peer_offset
from sessiond.core.election import Message
from sessiond.core.facts import HostFacts
from sessiond.core.soundness import require_no_revival, require_sound_offers
from sessiond.errors import SessiondError, Unavailable
from sessiond.units import Address, Certificate, HostName, Seconds
from sessiond.wire.peer_client import PeerClient
from sessiond.wire.peer_messages import PeerEnvelope, Timestamps, WallSeconds

# Two heartbeats; whoever needs longer is told again by then.
TELL_WITHIN: Final = Seconds(1.0)
# A TCP path that was silent so often is stuck in its retransmission back-off.
RENEW_AFTER: Final = 2
# Facts of a host that is about to be added are here before its name is a member's.
MOST_LEFT: Final = 32
# A few addresses for each of the most members; then the count begins anew.
MOST_FAILURES: Final = 1024


class Lines:
    """Carries one session's election messages.

    Args:
        host: This host; its `peer_facts` and `peer_offsets` are written here.
        roster: Knows addresses and keeps the connections.
        wall: Only to compare clocks.
        session: Whose messages these are.
        leads: Says whether this host passes the others' facts on.
    """

    def __init__(
        self,
        *,
        host: Host,
        roster: Roster,
        wall: WallClock,
        session: str,
        leads: Callable[[], bool],
    ) -> None:
        self._host = host
        self._roster = roster
        self._wall = wall
        self._session = session
        self._leads = leads
        self._failures: dict[Address, int] = {}
        self._clocks: dict[HostName, PeerClock] = {}

    async def tell(self, to: HostName, message: Message) -> tuple[Message, ...]:
        """Send one message and return what comes back; nothing when it is lost."""
        if (found := self.reach(to)) is None:
            return ()
        address, line = found[0], self._roster.line(*found)
        sent = self.envelope((message,), to, times=Timestamps(transmit=self._now()))
        try:
            reply = await line.tell(sent, within=TELL_WITHIN)
            require_sound_offers(reply.messages, self._session)
            require_no_revival(reply.messages, self._host.document, self._host.name)
        except Unavailable:
            if self._count_failure(address) % RENEW_AFTER == 0:
                await line.renew()
            return ()
        except SessiondError:
            # Refused: it is in another session, or knows us no more, or offers what no
            # leader stamps.
            self._count_failure(address)
            return ()
        self._failures.pop(address, None)
        self.take(reply, sent.times)
        return reply.messages

    def line(self, name: HostName) -> PeerClient | None:
        """Return the line to a member, for one call now; None if it can't be reached.

        Whoever answers there shows the member's certificate: an address is a hint.
        """
        found = self.reach(name)
        return None if found is None else self._roster.line(*found)

    def reach(self, name: HostName) -> tuple[Address, Certificate] | None:
        """Return where a member may answer, and what it must show."""
        trust, address = self._roster.trust, self.address(name)
        member = trust.member(name)
        certificate = trust.pinned(member) if member else None
        if address is None or certificate is None:
            return None
        return address, certificate

    def address(self, name: HostName) -> Address | None:
        """Return where a member answers: by its own word, its stamp, or as found.

        Where the last calls failed comes after where it may be otherwise: two hosts
        that both got other addresses find each other only on the network.
        """
        places = self._places(name)
        return min(places, key=lambda a: self._failures.get(a, 0), default=None)

    def _places(self, name: HostName) -> list[Address]:
        member = self._roster.trust.member(name)
        if member is None or member.id is None:
            return []
        facts = self._host.peer_facts.get(name)
        found = self._roster.by_id(member.id)
        places = (
            facts.address if facts and facts.id == member.id else None,
            member.address,
            found.sighting.address if found else None,
        )
        # No agent answers at a socket of ours, whatever one says of itself.
        return [a for a in places if a is not None and not a.startswith("unix:")]

    def envelope(
        self, messages: Sequence[Message], to: HostName, *, times: Timestamps
    ) -> PeerEnvelope:
        """Return an envelope with this host's facts, and as leader everyone's."""
        host = self._host
        member = self._roster.trust.member(to)
        facts: tuple[HostFacts, ...] = (host.facts(),)
        if self._leads():
            facts += tuple(f for n, f in sorted(host.peer_facts.items()) if n != to)
        return PeerEnvelope(
            sender_name=host.name,
            sender_id=host.id,
            receiver_id=member.id if member else None,
            session=self._session,
            messages=tuple(messages),
            facts=facts,
            times=times,
        )

    def take(self, envelope: PeerEnvelope, asked: Timestamps | None = None) -> None:
        """Note what an envelope says of members and, as an answer, of clocks."""
        members = self._members() or {envelope.sender_name}
        for facts in envelope.facts:
            if facts.name != self._host.name and facts.name in members:
                self._host.peer_facts[facts.name] = facts
        self._forget_all_but(members)
        times = envelope.times
        if asked is None or times is None:
            return
        if times.originate is None or times.receive is None:
            return
        name = envelope.sender_name
        exchange = peer_offset(
            Seconds(times.originate),
            Seconds(times.receive),
            Seconds(times.transmit),
            Seconds(self._now()),
        )
        clock = self._clocks.get(name, PeerClock()).heard(exchange)
        self._clocks[name] = clock
        if clock.best is not None:
            self._host.peer_offsets[name] = clock.best

    def _members(self) -> AbstractSet[HostName]:
        """Return whom there may be facts of; nobody while there is no document."""
        doc = self._host.document
        if doc is None:
            return frozenset()
        return frozenset(m.name for m in doc.members).union(doc.spec.host_names)

    def _forget_all_but(self, members: AbstractSet[HostName]) -> None:
        """Drop what is known of hosts that have left, once it is much."""
        known: tuple[dict[HostName, Any], ...]
        known = (self._host.peer_facts, self._host.peer_offsets, self._clocks)
        for one in known:
            if len(one) > len(members) + MOST_LEFT:
                for gone in one.keys() - members:
                    del one[gone]

    def answer_times(
        self, asked: Timestamps | None, received: WallSeconds
    ) -> Timestamps:
        """Return the timestamps of an answer to what arrived at `received`."""
        return Timestamps(
            transmit=self._now(),
            originate=asked.transmit if asked else None,
            receive=received,
        )

    def now(self) -> WallSeconds:
        """Return the wall clock's time, for a timestamp."""
        return self._now()

    def _now(self) -> WallSeconds:
        return WallSeconds(self._wall.now())

    def _count_failure(self, address: Address) -> int:
        if len(self._failures) >= MOST_FAILURES:
            self._failures.clear()
        self._failures[address] = self._failures.get(address, 0) + 1
        return self._failures[address]
