"""What an agent answers at its join port, as a Protocol over plain values.

Whoever calls is nobody yet: an implementation believes a proof and nothing else. TLS
has shown the caller which certificate answers, and it is our own, as the
implementation knows it, so a proof over that certificate was meant for this agent.
"""

from typing import Protocol

from sessiond.wire.join_messages import (
    AcquaintReply,
    AcquaintRequest,
    GreetReply,
    GreetRequest,
    JoinReply,
    JoinRequest,
)


class JoinApi(Protocol):
    """What strangers ask of an agent; `source` is their IP address without a port."""

    async def greet(self, request: GreetRequest, source: str) -> GreetReply:
        """Say who answers here, and give out a nonce."""
        ...

    async def acquaint(self, request: AcquaintRequest, source: str) -> AcquaintReply:
        """Trust an agent of the same studio for a while.

        Raises:
            Refused: The proof is wrong, the nonce spent, or this host of no studio.
            Unavailable: Too many wrong proofs came from there.
        """
        ...

    async def join(self, request: JoinRequest, source: str) -> JoinReply:
        """Take the caller into the session and return it.

        Raises:
            Refused: The proof is wrong, or the nonce or the token spent.
            Unavailable: Too many wrong proofs came from there, or no leader is near.
        """
        ...
