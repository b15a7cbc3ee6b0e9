"""What an agent answers other agents: `PeerApi` on this host's state."""

from collections.abc import Awaitable, Callable

from agent.bell import TurnBell
from agent.belonging import Belonging
from agent.doors import WallClock
from agent.fitness import require_fit
from agent.host import Host
from agent.membership import Membership
from agent.publish import Publisher
from agent.records import save_secrets, set_muted
from agent.roster import Roster
from sessiond.core.election import DocumentOffer, Message
from sessiond.core.settle import FIRST_STAMP
from sessiond.core.soundness import require_no_revival, require_sound_offers
from sessiond.core.stamped import Secrets, StampedSpec
from sessiond.core.status import HostStatus
from sessiond.errors import Refused
from sessiond.units import HostId, SessionName
from sessiond.wire.peer_messages import (
    AdmitRequest,
    ConsiderRequest,
    HelloReply,
    HelloRequest,
    PeerEnvelope,
    WallSeconds,
)


class Peering:
    """Answers peers.

    Args:
        host: This host.
        membership: Returns the present membership; None outside a session.
        join: Opens a membership of a new session and returns it.
        belonging: Writes newcomers down.
    """

    def __init__(
        self,
        *,
        host: Host,
        roster: Roster,
        publisher: Publisher,
        wall: WallClock,
        bell: TurnBell,
        membership: Callable[[], Membership | None],
        join: Callable[[SessionName], Awaitable[Membership]],
        belonging: Belonging,
    ) -> None:
        self._host = host
        self._roster = roster
        self._publisher = publisher
        self._wall = wall
        self._bell = bell
        self._membership = membership
        self._join = join
        self._belonging = belonging

    async def hello(self, request: HelloRequest) -> HelloReply:
        """As `PeerApi.hello`."""
        sender = request.sender
        if sender is not None:
            self._roster.trust.hear(sender.id)
            if self._roster.by_id(sender.id) is None:
                self._roster.hint(sender.address)
        return self._roster.introduce()

    async def tell(self, envelope: PeerEnvelope) -> PeerEnvelope:
        """As `PeerApi.tell`."""
        received = WallSeconds(self._wall.now())
        if envelope.receiver_id not in (None, self._host.id):
            raise Refused(
                f"This agent is {self._host.name} ({self._host.id[:8]}), not the one "
                "that was meant."
            )
        membership = await self._member_for(envelope)
        self._prove_sender(membership, envelope)
        membership.lines.take(envelope)
        replies: list[Message] = []
        for message in envelope.messages:
            sender = envelope.sender_name
            replies += await membership.elector.receive(sender, message)
        times = membership.lines.answer_times(envelope.times, received)
        return membership.lines.envelope(replies, envelope.sender_name, times=times)

    async def consider(self, request: ConsiderRequest) -> None:
        """As `PeerApi.consider`."""
        membership, asked = self._membership(), request.stamped
        # A member of the very session is free for it, but not for another creation.
        begins = asked is None or asked.stamp == FIRST_STAMP
        if (
            membership is not None
            and not membership.is_over
            and (begins or membership.name != request.session)
        ):
            raise Refused(
                f"{self._host.name} is busy in the session {membership.name}.",
                f"Leave {self._host.name} out, or run `sessiond leave` on it first.",
            )
        if asked is not None:
            require_fit(self._host, asked.spec)

    async def give_secrets(
        self, session: SessionName, secrets: Secrets, giver: HostId
    ) -> None:
        """As `PeerApi.give_secrets`."""
        membership = self._membership()
        if membership is None or membership.name != session:
            raise Refused(f"{self._host.name} is not in the session {session}.")
        if membership.is_over:
            raise Refused(f"{self._host.name} takes part in {session} no more.")
        known = self._host.secrets_of == session
        if known and (membership.leads() or self._host.secrets == secrets):
            # A leader that has them gives them; nobody brings back older ones.
            return
        self._require_leader(membership, giver, is_first=not known)
        save_secrets(self._host, session, secrets)
        membership.look()
        self._bell()

    async def report(self, session: SessionName) -> HostStatus:
        """As `PeerApi.report`."""
        membership = self._membership()
        if membership is None or membership.name != session:
            raise Refused(f"{self._host.name} is not in the session {session}.")
        return self._publisher.own()

    async def mute(self, session: SessionName, *, muted: bool) -> None:
        """As `PeerApi.mute`."""
        membership = self._membership()
        if membership is None or membership.name != session:
            raise Refused(f"{self._host.name} is not in the session {session}.")
        if membership.is_over:
            raise Refused(f"{self._host.name} takes part in {session} no more.")
        set_muted(self._host, muted=muted, by_owner=False)
        self._bell()

    async def admit(self, request: AdmitRequest, asked: HostId) -> StampedSpec:
        """As `PeerApi.admit`."""
        return await self._belonging.stamp_claim(request, asked)

    def _require_leader(
        self, membership: Membership, giver: HostId, *, is_first: bool
    ) -> None:
        """Return if the leader gives, or whoever began a session that has none yet.

        A leader that was away at the beginning is given them as well.
        """
        lead = membership.elector.leadership
        doc, name = lead.stamped, lead.leader
        leader = doc.member(name) if doc is not None and name is not None else None
        if leader is not None and leader.id == giver:
            return
        if not (is_first and name in (None, self._host.name)):
            raise Refused(
                f"{name or 'Nobody'} leads {membership.name}, and nobody else "
                "gives its passwords."
            )

    async def _member_for(self, envelope: PeerEnvelope) -> Membership:
        """Return the membership that a message is for, joining a session offered.

        Raises:
            Refused: This host is in another session, or in none and not invited.
        """
        membership = self._membership()
        by_studio = self._roster.trust.is_acquainted(envelope.sender_id)
        if membership is not None and membership.name == envelope.session:
            require_sound_offers(envelope.messages, envelope.session)
            if not by_studio:
                name, known = self._host.name, self._host.document
                require_no_revival(envelope.messages, known, name)
            return membership
        if membership is not None and not membership.is_over:
            raise Refused(
                f"{self._host.name} is in the session {membership.name}.",
                f"Run `sessiond leave` on {self._host.name} first.",
            )
        if self._host.left == envelope.session:
            raise Refused(
                f"The owner of {self._host.name} has left {envelope.session}.",
                f"Run `sessiond resume` on {self._host.name} to let it come back.",
            )
        asked = any(map(self._is_invited, envelope.messages))
        # Its own owner joins by a link; else only the studio asks this host anything.
        if not (by_studio and asked):
            raise Refused(f"{self._host.name} is not in {envelope.session}.")
        require_sound_offers(envelope.messages, envelope.session)
        self._host.consented = True
        return await self._join(SessionName(envelope.session))

    def _is_invited(self, message: Message) -> bool:
        if not isinstance(message, DocumentOffer) or message.document.stopped:
            return False
        me = message.document.member(self._host.name)
        return me is not None and me.id == self._host.id

    def _prove_sender(self, membership: Membership, envelope: PeerEnvelope) -> None:
        doc = membership.elector.document
        member = doc.member(envelope.sender_name) if doc else None
        if doc is None:
            return
        if member is not None and member.id == envelope.sender_id:
            return
        raise Refused(
            f"{envelope.sender_name} ({envelope.sender_id[:8]}) is no member of "
            f"{membership.name}."
        )
