"""What an agent answers strangers: `JoinApi`, at the join port.

Whoever calls is believed a proof and nothing else. Wrong ones are counted, and what is
counted is bounded (`core.tries`).
"""

import secrets

from agent.belonging import Belonging
from agent.host import Host
from agent.invitations import present_join
from agent.roster import NONCE_BYTES, Roster
from sessiond.core.admitting import Claim
from sessiond.core.joining import read_token_id, token_secret
from sessiond.core.proofs import Purpose, is_proof, over, proof
from sessiond.core.tries import Nonces, Tries
from sessiond.errors import Refused
from sessiond.units import TokenId
from sessiond.version import VERSION
from sessiond.wire.identity import der_of, id_of, is_signed
from sessiond.wire.join_messages import (
    AcquaintReply,
    AcquaintRequest,
    GreetReply,
    GreetRequest,
    JoinReply,
    JoinRequest,
)
from sessiond.wire.peer_messages import AdmitRequest


class Admission:
    """Lets in who proves to belong.

    Args:
        host: This host.
        roster: Told of agents that greet, and of acquaintances.
        belonging: Has newcomers written into the session.
    """

    def __init__(self, *, host: Host, roster: Roster, belonging: Belonging) -> None:
        self._host = host
        self._roster = roster
        self._belonging = belonging
        self._nonces = Nonces()
        self._tries = Tries()
        self._mine = der_of(host.identity.certificate)

    async def greet(self, request: GreetRequest, source: str) -> GreetReply:
        """As `JoinApi.greet`."""
        if request.address is not None:
            self._roster.hint_from(request.address, source)
        made = secrets.token_bytes(NONCE_BYTES)
        studio = self._host.studio
        shown = b""
        if studio:
            shown = proof(studio, Purpose.GREET, self._mine, request.nonce)
        return GreetReply(
            name=self._host.name,
            version=VERSION,
            nonce=self._nonces.issue(made, source, self._host.clock.now()),
            proof=shown,
        )

    async def acquaint(self, request: AcquaintRequest, source: str) -> AcquaintReply:
        """As `JoinApi.acquaint`."""
        if not self._host.studio:
            raise Refused(f"{self._host.name} is of no studio.")
        self._require_proof(request, source, None, Purpose.ACQUAINT, self._host.studio)
        self._roster.trust.meet(request.certificate)
        me = self._roster.introduce()
        return AcquaintReply(sighting=me.sighting, facts=me.facts)

    async def join(self, request: JoinRequest, source: str) -> JoinReply:
        """As `JoinApi.join`."""
        host = self._host
        role, expires_at = read_token_id(request.token_id)
        if host.secrets_of != request.session:
            raise Refused(
                f"{host.name} does not answer for the session {request.session}.",
                "Ask for a new link with `sessiond invite`.",
            )
        join = present_join(host, host.document)
        key = token_secret(request.session, request.token_id, join)
        self._require_proof(request, source, request.token_id, Purpose.JOIN, key)
        self._require_signature(request)
        claim = Claim(
            role=role,
            name=request.name,
            id=id_of(request.certificate),
            certificate=request.certificate,
            token_id=request.token_id,
            expires_at=expires_at,
            address=request.address,
            reachable=request.reachable,
        )
        shown = AdmitRequest(
            session=request.session,
            claim=claim,
            nonce=request.nonce,
            proof=request.proof,
        )
        return JoinReply(stamped=await self._belonging.admit(shown))

    def _require_signature(self, request: JoinRequest) -> None:
        """Return if the caller has the key of the certificate that it shows.

        Raises:
            Refused: It has read somebody else's certificate.
        """
        theirs = der_of(request.certificate)
        seen = over(Purpose.JOIN, self._mine, theirs, request.nonce)
        if not is_signed(request.signature, request.certificate, seen):
            raise Refused("Who joins does not have the key of that certificate.")

    def _require_proof(
        self,
        request: AcquaintRequest | JoinRequest,
        source: str,
        token: TokenId | None,
        purpose: Purpose,
        key: bytes,
    ) -> None:
        """Return if the caller knows the key, and means the certificate that it shows.

        Raises:
            Refused: It does not, or took too long.
            Unavailable: Too many wrong proofs came from there.
        """
        now = self._host.clock.now()
        self._tries.require_room(token, source, now)
        if not self._nonces.take(request.nonce, now):
            raise Refused("This took too long, or came twice.", "Try again.")
        theirs = der_of(request.certificate)
        if not is_proof(request.proof, key, purpose, self._mine, theirs, request.nonce):
            self._tries.wrong(token, source, now)
            raise _wrong(purpose)


def _wrong(purpose: Purpose) -> Refused:
    if purpose is Purpose.JOIN:
        return Refused(
            "The secret in the join link is wrong.",
            "Copy the whole link, or ask for a new one with `sessiond invite`.",
        )
    return Refused(
        "This agent is of another studio.", "Compare the files of join_token_file."
    )
