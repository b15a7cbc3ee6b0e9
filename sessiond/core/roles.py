"""What a caller may be, and the one table of what each may call.

A method that is missing here is nobody's. `sessiond.wire` asks before anything of a
call is looked at; a test compares the table with the services.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Role(StrEnum):
    """What a caller is to a session.

    LOCAL came through the Unix socket, whose file permissions are the key. HOST is a
    member's agent, OPERATOR and VIEWER are people on another computer. An ACQUAINTANCE
    is an agent of the same studio that is no member: it may ask this one to be one.
    """

    LOCAL = "local"
    HOST = "host"
    ACQUAINTANCE = "acquaintance"
    OPERATOR = "operator"
    VIEWER = "viewer"


PERSONAL: Final = frozenset({Role.OPERATOR, Role.VIEWER})
"""The roles that a person on another computer may have."""

_ALL: Final = frozenset(Role)
_HOST: Final = frozenset({Role.HOST})
_PEOPLE: Final = frozenset({Role.LOCAL, Role.OPERATOR, Role.VIEWER})
_OPERATORS: Final = frozenset({Role.LOCAL, Role.OPERATOR})
# An agent passes these on to the leader's, whoever asked for them.
_PASSED_ON: Final = _OPERATORS | _HOST
# Whether this computer takes part is its owner's own business.
_OWNER: Final = frozenset({Role.LOCAL})

# Before a session begins nobody is a member of it.
_STUDIO: Final = frozenset({Role.ACQUAINTANCE})
_AGENTS: Final = _HOST | _STUDIO

_AGENT: Final[Mapping[str, frozenset[Role]]] = {
    "Hosts": _OPERATORS,
    "Create": _OWNER | _STUDIO,
    "Apply": _PASSED_ON,
    "GetSpec": _PEOPLE,
    "Status": _PEOPLE,
    "Watch": _PEOPLE,
    "SetGain": _PASSED_ON,
    "SetTitle": _PASSED_ON,
    "SetMute": _OPERATORS,
    "Leave": _OWNER,
    "Resume": _OWNER,
    "Handover": _PASSED_ON,
    "Stop": _PASSED_ON,
    "Doctor": _OPERATORS,
    "Invite": _PASSED_ON,
    "Remove": _PASSED_ON,
    "Join": _OWNER,
}

_PEER: Final[Mapping[str, frozenset[Role]]] = {
    "Hello": _AGENTS,
    "Tell": _AGENTS,
    "Consider": _AGENTS,
    "GiveSecrets": _HOST,
    "Report": _HOST,
    "SetMute": _HOST,
    "Admit": _HOST,
}

ALLOWED: Final[Mapping[str, frozenset[Role]]] = MappingProxyType(
    {f"/sessiond.v1.AgentService/{name}": who for name, who in _AGENT.items()}
    | {f"/sessiond.v1.PeerService/{name}": who for name, who in _PEER.items()}
    | {f"/grpc.health.v1.Health/{name}": _ALL for name in ("Check", "Watch")}
)
"""Who may call a method, by its path in HTTP/2."""


def may_call(path: str, role: Role | None) -> bool:
    """Tell whether a caller of this role may call the method at this path.

    Args:
        path: As it came, ``/package.Service/Method``.
        role: None for whoever belongs nowhere: such a caller may call nothing.
    """
    return role is not None and role in ALLOWED.get(path, frozenset())
