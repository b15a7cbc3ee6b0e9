"""Who belongs: inviting, removing, joining, and writing a newcomer down."""

import secrets as random_secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from agent.doors import WallClock
from agent.host import no_session
from agent.invitations import present_join
from agent.membership import Membership
from agent.present import Present, inviters, leaderless
from sessiond.core.admitting import admitted, without_member
from sessiond.core.joining import (
    ID_BYTES,
    MOST_PLACES,
    JoinLink,
    invitation,
    join_address,
    token_secret,
)
from sessiond.core.proofs import Purpose, is_proof
from sessiond.core.roles import PERSONAL, Role
from sessiond.core.soundness import require_sound
from sessiond.core.stamped import Stamp, StampedSpec
from sessiond.errors import Refused
from sessiond.units import Address, HostId, Seconds, SessionName
from sessiond.wire.identity import der_of
from sessiond.wire.peer_messages import AdmitRequest

# As long as it takes to send a link and to paste it.
INVITED_FOR: Final = Seconds(15 * 60.0)
# A join port gives an answer five seconds.
ADMIT_WITHIN: Final = Seconds(4.0)
# What a leader settles at the same moment is stamped first.
ADMIT_TRIES: Final = 4


class Belonging:
    """Carries out what people ask about who belongs, or passes it on.

    Args:
        now: This host's session, and the way to its leader.
        wall: Dates invitations, which other hosts read.
        stop: Ends a session everywhere.
    """

    def __init__(
        self,
        *,
        now: Present,
        wall: WallClock,
        stop: Callable[[SessionName], Awaitable[None]],
    ) -> None:
        self._now = now
        self._host = now.host
        self._wall = wall
        self._stop = stop

    async def invite(self, session: SessionName | None, role: Role) -> str:
        """As `MembershipApi.invite`."""
        if role is not Role.HOST and role not in PERSONAL:
            raise Refused(f"Nobody can be invited to be {role}.")
        membership = self._now.in_session(session)
        doc, host = self._now.running(membership), self._host
        join = present_join(host, doc)
        if not join and not membership.leads():
            return await self._now.pass_on(
                membership, lambda agent: agent.invite(session, role)
            )
        expires_at = int(self._wall.now() + INVITED_FOR)
        token = invitation(
            membership.name,
            role,
            expires_at,
            random_secrets.token_bytes(ID_BYTES),
            join,
        )
        return str(JoinLink(membership.name, self._places(membership, doc), token))

    def _places(
        self, membership: Membership, doc: StampedSpec
    ) -> tuple[tuple[Address, HostId], ...]:
        """Return who can answer a join: this host, and others that may broadcast."""
        mine = join_address(self._host.address), self._host.id
        others = (doc.member(name) for name in doc.spec.preference)
        places = [
            (where, member.id)
            for member in others
            if member and member.id and member.reachable and member.id != self._host.id
            if (where := _join_place(membership.lines.address(member.name))) is not None
        ]
        return (mine, *places)[:MOST_PLACES]

    async def remove(self, session: SessionName, name: str) -> Stamp:
        """As `MembershipApi.remove`."""
        membership = self._now.in_session(session)
        running = self._now.running(membership)
        if not self._now.may_stamp(membership):
            return await self._now.pass_on(
                membership, lambda agent: agent.remove(session, name)
            )
        return await self._stamp(membership, without_member(running, name), running)

    async def _stamp(
        self, membership: Membership, document: StampedSpec, running: StampedSpec
    ) -> Stamp:
        """Stamp who belongs; all invitations are void where somebody invites no more.

        Whoever it is has invitations, or knows what they are made of.
        """
        if inviters(running) - inviters(document):
            known, of = self._host.secrets, self._host.secrets_of
            if of == membership.name:
                return await self._now.stamp_with(membership, document, running, known)
            # A leader makes another join secret once it has the passwords.
            document = replace(document, join_mark=None)
        return await membership.elector.stamp(
            membership.settled(document), based_on=running.stamp
        )

    async def leave(self) -> None:
        """Take this host out of its session; without it there is none."""
        membership = self._now.membership()
        if membership is None or membership.is_over:
            raise no_session(self._host)
        if self._now.running(membership).spec.host_names == (self._host.name,):
            await self._stop(membership.name)
        else:
            await self.remove(membership.name, self._host.name)

    async def admit(self, request: AdmitRequest) -> StampedSpec:
        """Have somebody whose invitation was checked here written into the session.

        Raises:
            Refused: As `stamp_claim`.
            Unavailable: Nobody can stamp it now.
        """
        membership = self._now.in_session(request.session)
        if self._now.may_stamp(membership):
            return await self.stamp_claim(request, self._host.id)
        leader = membership.elector.leadership.leader
        line = membership.lines.line(leader) if leader else None
        if leader is None or leader == self._host.name or line is None:
            raise leaderless(membership)
        return await line.admit(request, within=ADMIT_WITHIN)

    async def stamp_claim(self, request: AdmitRequest, asked: HostId) -> StampedSpec:
        """Write a newcomer down, as the leader or a caretaker; no other may.

        Args:
            request: What the newcomer showed.
            asked: The member that it showed it to.

        Raises:
            Refused: The invitation is void, or as `admitted`.
            Unavailable: This host can't stamp it now, or does not have the present
                join secret.
        """
        membership = self._now.in_session(request.session)
        if not self._now.may_stamp(membership):
            raise leaderless(membership)
        for _ in range(ADMIT_TRIES):
            running = self._now.running(membership)
            self._require_invited(running, request, asked)
            document = admitted(running, request.claim, self._wall.now())
            if document == running:
                break
            require_sound(membership.settled(document))
            try:
                await self._stamp(membership, document, running)
            except Refused:
                if self._now.running(membership).stamp == running.stamp:
                    raise
            else:
                break
        return self._now.running(membership)

    def _require_invited(
        self, running: StampedSpec, request: AdmitRequest, asked: HostId
    ) -> None:
        """Return if the invitation is good here, too: the member may be behind."""
        member = next((one for one in running.members if one.id == asked), None)
        if member is None or member.certificate is None:
            raise Refused(f"Who asks is no host of {request.session}.")
        claim, join = request.claim, present_join(self._host, running)
        key = token_secret(request.session, claim.token_id, join)
        seen = der_of(member.certificate), der_of(claim.certificate), request.nonce
        if not is_proof(request.proof, key, Purpose.JOIN, *seen):
            raise Refused(
                "This invitation is void.", "Ask for a new one with `sessiond invite`."
            )


def _join_place(address: Address | None) -> Address | None:
    """Return where a member lets in; None where its word about itself can't be."""
    try:
        return None if address is None else join_address(address)
    except Refused:
        return None
