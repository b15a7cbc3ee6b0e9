"""What is said at a join port, as plain values; no protobuf here.

Field names are those of `proto/sessiond/v1/join.proto`. What the proofs are over is in
`core.proofs`: both certificates as the two ends saw them, so that nobody between them
can pass a proof on.
"""

from dataclasses import dataclass, field

from sessiond.core.facts import HostFacts
from sessiond.core.stamped import StampedSpec
from sessiond.core.status import HostSighting
from sessiond.units import Address, Certificate, HostName, SessionName, TokenId


@dataclass(frozen=True, slots=True, kw_only=True)
class GreetRequest:
    """Asks who answers.

    Attributes:
        address: Where the caller's own agent answers; None if it has none. A hint.
        nonce: 16 random bytes, for the proof in the answer.
    """

    nonce: bytes
    address: Address | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GreetReply:
    """Who answers.

    Attributes:
        nonce: For the caller's one proof, for a short while.
        proof: That it is of the caller's studio; empty if it is of none.
    """

    name: HostName
    nonce: bytes
    version: str = ""
    proof: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AcquaintRequest:
    """An agent shows that it is of the same studio.

    Attributes:
        certificate: The caller's own.
        nonce: As greeted with.
    """

    certificate: Certificate
    nonce: bytes
    proof: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AcquaintReply:
    """Who answers, in full, and what it says of its host."""

    sighting: HostSighting
    facts: HostFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinRequest:
    """Shows an invitation and who wants to use it.

    Attributes:
        certificate: The caller's own.
        name: A host's name, or a person's label.
        address: Where a host's agent answers; None for a person.
        reachable: As in `HostFacts`.
        nonce: As greeted with.
        proof: That the caller knows the token's secret.
        signature: That the caller has the certificate's key; over the same.
    """

    session: SessionName
    token_id: TokenId
    certificate: Certificate
    name: str
    nonce: bytes
    proof: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    address: Address | None = None
    reachable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinReply:
    """The session, with the caller in it and the certificates of all."""

    stamped: StampedSpec
