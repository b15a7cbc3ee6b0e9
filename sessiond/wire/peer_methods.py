"""The methods of PeerService, once, for the client and the server alike.

They mirror `proto/sessiond/v1/peer.proto`; a test compares them.
"""

from typing import Final, TypeVar

from sessiond.core.stamped import StampedSpec
from sessiond.core.status import HostStatus
from sessiond.wire.messages import Done
from sessiond.wire.methods import Method
from sessiond.wire.peer_messages import (
    AdmitRequest,
    ConsiderRequest,
    GiveSecretsRequest,
    HelloReply,
    HelloRequest,
    PeerEnvelope,
    PeerMuteRequest,
    ReportRequest,
)

Q = TypeVar("Q")
A = TypeVar("A")

PEER_SERVICE: Final = "sessiond.v1.PeerService"


def _peer(name: str, request: type[Q], reply: type[A], doing: str) -> Method[Q, A]:
    return Method(
        service=PEER_SERVICE, name=name, request=request, reply=reply, doing=doing
    )


HELLO: Final = _peer("Hello", HelloRequest, HelloReply, "say who it is")
TELL: Final = _peer("Tell", PeerEnvelope, PeerEnvelope, "take election messages")
CONSIDER: Final = _peer("Consider", ConsiderRequest, Done, "consider a session")
GIVE_SECRETS: Final = _peer("GiveSecrets", GiveSecretsRequest, Done, "store passwords")
REPORT: Final = _peer("Report", ReportRequest, HostStatus, "report its status")
PEER_MUTE: Final = _peer("SetMute", PeerMuteRequest, Done, "mute or unmute its inputs")
ADMIT: Final = _peer("Admit", AdmitRequest, StampedSpec, "let this one in")
