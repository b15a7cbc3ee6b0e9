"""The methods of AgentService, once, for the client and the server alike.

They mirror `proto/sessiond/v1/agent.proto`; a test compares them. `peer_methods` has
those of PeerService.
"""

from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from sessiond.core.stamped import Stamp, StampedSpec
from sessiond.core.status import SessionStatus
from sessiond.wire.messages import (
    ApplyRequest,
    CreateRequest,
    DoctorReply,
    Done,
    GainRequest,
    HandoverReply,
    HandoverRequest,
    HostsReply,
    HostsRequest,
    InviteReply,
    InviteRequest,
    JoinLinkRequest,
    MuteRequest,
    RemoveRequest,
    SessionRequest,
    StopRequest,
    TitleRequest,
)

Q = TypeVar("Q")
A = TypeVar("A")

AGENT_SERVICE: Final = "sessiond.v1.AgentService"


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


HOSTS: Final = _agent("Hosts", HostsRequest, HostsReply, "look for hosts")
CREATE: Final = _agent("Create", CreateRequest, StampedSpec, "create the session")
APPLY: Final = _agent("Apply", ApplyRequest, StampedSpec, "change the session")
GET_SPEC: Final = _agent("GetSpec", SessionRequest, StampedSpec, "show the spec")
STATUS: Final = _agent("Status", SessionRequest, SessionStatus, "show the status")
WATCH: Final = _agent(
    "Watch", SessionRequest, SessionStatus, "go on showing the status"
)
SET_GAIN: Final = _agent("SetGain", GainRequest, Stamp, "set a gain")
SET_TITLE: Final = _agent("SetTitle", TitleRequest, Stamp, "set a title")
SET_MUTE: Final = _agent("SetMute", MuteRequest, Done, "mute or unmute a host")
LEAVE: Final = _agent("Leave", Done, Done, "leave its session")
RESUME: Final = _agent("Resume", Done, Done, "resume its session")
HANDOVER: Final = _agent("Handover", HandoverRequest, HandoverReply, "hand over")
STOP: Final = _agent("Stop", StopRequest, Done, "stop the session")
DOCTOR: Final = _agent("Doctor", Done, DoctorReply, "look its host over")
INVITE: Final = _agent("Invite", InviteRequest, InviteReply, "invite somebody")
REMOVE: Final = _agent("Remove", RemoveRequest, Stamp, "remove somebody")
JOIN: Final = _agent("Join", JoinLinkRequest, StampedSpec, "join the session")
