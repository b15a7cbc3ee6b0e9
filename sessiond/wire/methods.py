"""The methods of both services, once, for the client and the server alike.

They mirror `proto/sessiond/v1/agent.proto` and `peer.proto`; a test compares them.
"""

from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from sessiond.core.stamped import Stamp, StampedSpec
from sessiond.core.status import HostStatus, SessionStatus
from sessiond.wire.messages import (
    ApplyRequest,
    CheckReply,
    CheckRequest,
    ConsiderReply,
    ConsiderRequest,
    CreateRequest,
    DoctorReply,
    Done,
    GainRequest,
    GiveSecretsRequest,
    HandoverReply,
    HandoverRequest,
    HelloReply,
    HelloRequest,
    HostsReply,
    HostsRequest,
    MuteRequest,
    PeerEnvelope,
    PeerMuteRequest,
    ReportRequest,
    SessionRequest,
    StopRequest,
)

Q = TypeVar("Q")
A = TypeVar("A")

AGENT_SERVICE: Final = "sessiond.v1.AgentService"
PEER_SERVICE: Final = "sessiond.v1.PeerService"


@dataclass(frozen=True, slots=True, kw_only=True)
class Method(Generic[Q, A]):
    """One method of a service.

    Attributes:
        doing: What it asks of an agent, as an infinitive, for errors.
    """

    service: str
    name: str
    request: type[Q]
    reply: type[A]
    doing: str

    @property
    def path(self) -> str:
        """The method's name in HTTP/2."""
        return f"/{self.service}/{self.name}"


def _agent(name: str, request: type[Q], reply: type[A], doing: str) -> Method[Q, A]:
    return Method(
        service=AGENT_SERVICE, name=name, request=request, reply=reply, doing=doing
    )


def _peer(name: str, request: type[Q], reply: type[A], doing: str) -> Method[Q, A]:
    return Method(
        service=PEER_SERVICE, name=name, request=request, reply=reply, doing=doing
    )


HOSTS: Final = _agent("Hosts", HostsRequest, HostsReply, "look for hosts")
CREATE: Final = _agent("Create", CreateRequest, StampedSpec, "create the session")
APPLY: Final = _agent("Apply", ApplyRequest, StampedSpec, "change the session")
GET_SPEC: Final = _agent("GetSpec", SessionRequest, StampedSpec, "show the spec")
STATUS: Final = _agent("Status", SessionRequest, SessionStatus, "show the status")
WATCH: Final = _agent(
    "Watch", SessionRequest, SessionStatus, "go on showing the status"
)
SET_GAIN: Final = _agent("SetGain", GainRequest, Stamp, "set a gain")
SET_MUTE: Final = _agent("SetMute", MuteRequest, Done, "mute or unmute a host")
LEAVE: Final = _agent("Leave", Done, Done, "leave its session")
RESUME: Final = _agent("Resume", Done, Done, "resume its session")
HANDOVER: Final = _agent("Handover", HandoverRequest, HandoverReply, "hand over")
STOP: Final = _agent("Stop", StopRequest, Done, "stop the session")
DOCTOR: Final = _agent("Doctor", Done, DoctorReply, "look its host over")
CHECK: Final = _agent("Check", CheckRequest, CheckReply, "plan a session")

HELLO: Final = _peer("Hello", HelloRequest, HelloReply, "say who it is")
TELL: Final = _peer("Tell", PeerEnvelope, PeerEnvelope, "take election messages")
CONSIDER: Final = _peer(
    "Consider", ConsiderRequest, ConsiderReply, "consider a session"
)
GIVE_SECRETS: Final = _peer("GiveSecrets", GiveSecretsRequest, Done, "store passwords")
REPORT: Final = _peer("Report", ReportRequest, HostStatus, "report its status")
PEER_MUTE: Final = _peer("SetMute", PeerMuteRequest, Done, "mute or unmute its inputs")
