"""One elector under test: time by hand, messages by hand, effects kept."""

from dataclasses import replace
from typing import TypeVar

from sessiond.core import election as el
from sessiond.core.election.state import Sounding
from sessiond.core.stamped import Stamp, StampedSpec
from sessiond.units import HostName, Seconds, Term
from tests.sim.documents import SESSION, document

ALICE, BOB, CAROL, DAVE = (HostName(n) for n in ("alice", "bob", "carol", "dave"))
TWO = (ALICE, BOB)
THREE = (ALICE, BOB, CAROL)

E = TypeVar("E")
M = TypeVar("M")


def stamped(
    *names: HostName,
    term: int = 1,
    revision: int = 1,
    edit: int = 0,
    mounts: bool = True,
    never: frozenset[HostName] = frozenset(),
) -> StampedSpec:
    """Return a stamped document in which everybody votes."""
    first = document(names, mounts=mounts, never=never)
    stamp = Stamp(Term(term), revision, edit)
    return replace(first, stamp=stamp, voters=names[:7])


class Bench:
    """Runs one elector."""

    def __init__(
        self,
        me: HostName,
        stored: StampedSpec | None = None,
        *,
        term: int = 1,
        voted_for: HostName | None = None,
        was_in_session: bool = False,
        able: bool = True,
    ) -> None:
        self.me = me
        self.now = Seconds(100.0)
        self.effects: list[el.Effect] = []
        self.wake: Seconds | None = None
        self.disk = el.Persisted(
            term=Term(term),
            voted_for=voted_for,
            stamped=stored,
            was_in_session=was_in_session,
        )
        config = el.ElectorConfig(me=me, session=SESSION)
        self.state = el.start(config, self.disk, self.now)
        self.feed(el.AbilityChanged(able=able))
        self.feed(el.Woke())

    def feed(self, event: el.Event) -> tuple[el.Effect, ...]:
        """Step; check what holds for every step."""
        self.state, effects = el.step(self.state, event, self.now)
        self.keep_order(effects)
        for effect in effects:
            if isinstance(effect, el.WakeAt):
                assert effect.at > self.now
                self.wake = effect.at
        self.effects += effects
        return effects

    def keep_order(self, effects: tuple[el.Effect, ...]) -> None:
        """Persist stands before every send, and the state knows no more than it."""
        for effect in effects:
            if isinstance(effect, el.Persist):
                assert effect.persisted.term >= self.disk.term
                self.disk = effect.persisted
            elif isinstance(effect, el.Send):
                assert self.disk == self.state.persisted

    def hear(self, sender: HostName, message: el.Message) -> tuple[el.Effect, ...]:
        """Receive a message."""
        return self.feed(el.MessageReceived(sender=sender, message=message))

    def wait(self, seconds: float) -> None:
        """Let time pass, waking the elector whenever it asked for it."""
        until = Seconds(self.now + seconds)
        while self.wake is not None and self.wake <= until:
            self.now, self.wake = self.wake, None
            self.feed(el.Woke())
        self.now = until

    def see(
        self,
        evidence: el.Evidence,
        host: HostName | None = None,
        *,
        term: int = 1,
        start: str = "s1",
    ) -> None:
        """Witness the mount, held by `host` if one is named."""
        holder = None
        if host is not None:
            holder = el.HolderLabel(
                session=SESSION, host=host, term=Term(term), role=el.Role.LEADER
            )
        self.feed(
            el.MountWitnessed(evidence=evidence, holder=holder, stream_start=start)
        )

    def watch(self, seconds: float, evidence: el.Evidence) -> None:
        """Let time pass while the mount is looked at every quarter second."""
        for _ in range(round(seconds / 0.25)):
            self.see(evidence)
            self.wait(0.25)

    # What a peer says

    def presence(
        self,
        *,
        able: bool = True,
        able_for: float = 60.0,
        carrying: bool = False,
        leader: HostName | None = None,
        stamp: Stamp | None = None,
    ) -> el.Presence:
        """Return a peer's presence, with our own stamp unless another is given."""
        own = self.state.persisted.stamped
        if stamp is None and own is not None:
            stamp = own.stamp
        return el.Presence(
            stamp=stamp,
            able=able,
            able_for=Seconds(able_for),
            carrying=carrying,
            leader=leader,
        )

    def term(self, term: int | None) -> Term:
        """Return the given term, or ours."""
        return self.state.term if term is None else Term(term)

    def beat(
        self, sender: HostName, *, term: int | None = None, carrying: bool = False
    ) -> tuple[el.Effect, ...]:
        """Hear a leader's heartbeat."""
        presence = self.presence(leader=sender, carrying=carrying)
        beat = el.Heartbeat(
            term=self.term(term), presence=presence, sent_at=Seconds(5.0)
        )
        return self.hear(sender, beat)

    def ack(
        self,
        sender: HostName,
        *,
        term: int | None = None,
        presence: el.Presence | None = None,
    ) -> tuple[el.Effect, ...]:
        """Hear an ack of the heartbeat that was sent just now."""
        ack = el.HeartbeatAck(
            term=self.term(term),
            presence=presence or self.presence(leader=self.me),
            sent_at=self.now,
        )
        return self.hear(sender, ack)

    def lead(self, *voters: HostName) -> None:
        """Win an election with these votes."""
        for _ in range(20):
            if isinstance(self.state.mode, Sounding):
                break
            self.wait(0.05)
        ballot = self.state.ballots
        for voter in voters:
            self.hear(
                voter,
                el.PreVoteAnswer(
                    term=self.state.term, presence=self.presence(), ballot=ballot
                ),
            )
        for voter in voters:
            self.hear(
                voter,
                el.VoteAnswer(
                    term=self.state.term, presence=self.presence(), sent_at=self.now
                ),
            )
        assert self.leadership.my_role is el.Role.LEADER
        self.effects.clear()

    def keep_leading(self, seconds: float, *voters: HostName) -> None:
        """Let time pass while these voters ack."""
        for _ in range(round(seconds / 0.25)):
            self.wait(0.25)
            for voter in voters:
                self.ack(voter)

    # What came of it

    @property
    def leadership(self) -> el.Leadership:
        """The leadership as of now."""
        return el.leadership(self.state, self.now)

    def why(self) -> el.Why:
        """Return the reason for the right, or for its absence."""
        return self.leadership.why

    def right(self) -> bool:
        """Return whether this host may broadcast."""
        return self.leadership.right

    def role(self) -> el.Role | None:
        """Return this host's role."""
        return self.leadership.my_role

    def fence(self) -> str | None:
        """Return what fencing would kill."""
        return self.leadership.fence

    def mode(self) -> type:
        """Return what this elector is doing."""
        return type(self.state.mode)

    def asked(self, kind: type[M]) -> list[M]:
        """Return the messages of a kind that were sent and not yet cleared."""
        return [message for _, message in self.sent(kind)]

    def sent(self, kind: type[M]) -> list[tuple[HostName, M]]:
        """Return receivers and messages of a kind, not yet cleared."""
        return [
            (effect.to, effect.message)
            for effect in self.effects
            if isinstance(effect, el.Send) and isinstance(effect.message, kind)
        ]

    def done(self, kind: type[E]) -> list[E]:
        """Return the effects of a kind that are not yet cleared."""
        return [effect for effect in self.effects if isinstance(effect, kind)]
