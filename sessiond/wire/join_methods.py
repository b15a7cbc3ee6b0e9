"""The methods of JoinService, once, for the client and the server alike.

They mirror `proto/sessiond/v1/join.proto`; a test compares them.
"""

from typing import Final, TypeVar

from sessiond.wire.join_messages import (
    AcquaintReply,
    AcquaintRequest,
    GreetReply,
    GreetRequest,
    JoinReply,
    JoinRequest,
)
from sessiond.wire.methods import Method

Q = TypeVar("Q")
A = TypeVar("A")

JOIN_SERVICE: Final = "sessiond.v1.JoinService"


def _join(name: str, request: type[Q], reply: type[A], doing: str) -> Method[Q, A]:
    return Method(
        service=JOIN_SERVICE, name=name, request=request, reply=reply, doing=doing
    )


GREET: Final = _join("Greet", GreetRequest, GreetReply, "say who it is")
ACQUAINT: Final = _join("Acquaint", AcquaintRequest, AcquaintReply, "get acquainted")
JOIN: Final = _join("Join", JoinRequest, JoinReply, "let this one in")
