"""A host of a session as strangers meet it: a join port, and what lies behind it."""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace

from sessiond.core.admitting import Claim, admitted
from sessiond.core.joining import (
    ID_BYTES,
    JoinLink,
    invitation,
    read_token_id,
    token_secret,
)
from sessiond.core.proofs import Purpose, is_proof, over
from sessiond.core.roles import Role
from sessiond.core.stamped import StampedSpec
from sessiond.errors import Refused, SessiondError
from sessiond.units import Address, SessionName
from sessiond.wire.identity import Identity, der_of, id_of, is_signed
from sessiond.wire.join_messages import (
    AcquaintReply,
    AcquaintRequest,
    GreetReply,
    GreetRequest,
    JoinReply,
    JoinRequest,
)
from sessiond.wire.server import Server, open_join_server, open_server
from tests.cli import pictures
from tests.cli.fakeagent import FakeAgent
from tests.support.identities import ListedTrust, identity_of

JOIN_SECRET = "A" * 43
"""32 bytes of nothing, as base64url."""

# Invitations of tests do not expire: 2100.
_UNTIL = 4102444800


def _fail(method: str, error: Exception) -> None:
    raise AssertionError(method) from error


@dataclass(kw_only=True)
class Doorway:
    """Takes in whoever proves an invitation, as a real host would.

    Attributes:
        document: The session, with whoever has joined.
        error: What a join ends with instead.
        greeted: How many have said hello.
    """

    identity: Identity
    trust: ListedTrust
    document: StampedSpec
    port: int = 0
    error: SessiondError | None = None
    greeted: int = 0
    nonce: bytes = b""
    servers: list[Server] = field(default_factory=list)

    @property
    def join_address(self) -> Address:
        return Address(self.servers[0].addresses[0])

    @property
    def address(self) -> Address:
        return Address(self.servers[1].addresses[0])

    def link(self, role: Role, *, also: JoinLink | None = None) -> JoinLink:
        """Return a link to this host, after the places of another one."""
        name = self.document.spec.name
        token = invitation(name, role, _UNTIL, os.urandom(ID_BYTES), JOIN_SECRET)
        before = also.places if also else ()
        here = (self.join_address, self.identity.id)
        return JoinLink(name, (*before, here), token)

    async def greet(self, request: GreetRequest, source: str) -> GreetReply:
        assert len(request.nonce) == 16
        self.greeted += 1
        self.nonce = os.urandom(16)
        return GreetReply(name=pictures.ALICE, nonce=self.nonce)

    async def acquaint(self, request: AcquaintRequest, source: str) -> AcquaintReply:
        raise AssertionError("a person is of no studio")

    async def join(self, request: JoinRequest, source: str) -> JoinReply:
        if self.error is not None:
            raise self.error
        key = token_secret(request.session, request.token_id, JOIN_SECRET)
        seen = der_of(self.identity.certificate), der_of(request.certificate)
        if not is_proof(request.proof, key, Purpose.JOIN, *seen, self.nonce):
            raise Refused("The proof is wrong.")
        said = over(Purpose.JOIN, *seen, self.nonce)
        assert is_signed(request.signature, request.certificate, said)
        role, expires_at = read_token_id(request.token_id)
        claim = Claim(
            role=role,
            name=request.name,
            id=id_of(request.certificate),
            certificate=request.certificate,
            token_id=request.token_id,
            expires_at=expires_at,
        )
        self.document = admitted(self.document, claim, _UNTIL - 900)
        self.trust.listed[claim.id] = (claim.certificate, role)
        return JoinReply(stamped=self.document)


@asynccontextmanager
async def open_doorway(
    agent: FakeAgent, *, name: str = "alice", session: str = "friday-jam"
) -> AsyncIterator[Doorway]:
    """Serve a session whose first host is at both ports; the others are elsewhere."""
    identity, trust = identity_of(name), ListedTrust()
    assert agent.running is not None
    spec = replace(agent.running.spec, name=SessionName(session))
    doorway = Doorway(
        identity=identity, trust=trust, document=replace(agent.running, spec=spec)
    )
    async with AsyncExitStack() as closing:
        doors = await open_join_server(
            ["127.0.0.1:0"], join=doorway, identity=identity, on_fault=_fail
        )
        closing.push_async_callback(doors.close)
        behind = await open_server(
            ["127.0.0.1:0"],
            identity=identity,
            trust=trust,
            agent=agent,
            membership=agent,
            on_fault=_fail,
        )
        closing.push_async_callback(behind.close)
        doorway.servers = [doors, behind]
        first, *others = doorway.document.members
        here = replace(
            first,
            id=identity.id,
            address=doorway.address,
            certificate=identity.certificate,
        )
        doorway.document = replace(doorway.document, members=(here, *others))
        agent.running = doorway.document
        yield doorway
