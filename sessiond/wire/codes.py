"""Errors across the wire: the project's tree to gRPC's codes and back.

Sentence and hint ride on a failed call as trailing metadata and arrive letter for
letter. What gRPC itself fails with becomes Unavailable and names the address and
what was tried.
"""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError

from sessiond.errors import Broken, Refused, SessiondError, Unavailable
from sessiond.units import Seconds
from sessiond.v1.status_pb2 import ErrorDetail

DETAIL_KEY: Final = "sessiond-error-bin"

# Bytes. gRPC takes 8 KiB of metadata: sentence and hint grow by a third on the way
# (base64), and the sentence goes once more, percent-encoded, for other clients.
_LONGEST_SENTENCE: Final = 1000
_LONGEST_HINT: Final = 4000
_LONGEST_DETAILS: Final = 300

# How gRPC's text begins where no connection came to be, and ends where it was closed
# after our side of a handshake.
_NO_CONNECTION: Final = "failed to connect to all addresses"
_HUNG_UP: Final = ": Socket closed"


class Stranger(Refused):
    """Nobody that the agent knows asks."""


class Forbidden(Refused):
    """Who asks is known, and may not."""


# The first that fits; a caller gets the last of a meaning.
_CODES: Final = MappingProxyType(
    {
        Stranger: ("refused", grpc.StatusCode.UNAUTHENTICATED),
        Forbidden: ("refused", grpc.StatusCode.PERMISSION_DENIED),
        Refused: ("refused", grpc.StatusCode.FAILED_PRECONDITION),
        Unavailable: ("unavailable", grpc.StatusCode.UNAVAILABLE),
        Broken: ("broken", grpc.StatusCode.INTERNAL),
    }
)
_BY_MEANING: Final = MappingProxyType(
    {meaning: branch for branch, (meaning, _) in _CODES.items()}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What a server ends a failed call with."""

    code: grpc.StatusCode
    details: str
    trailing: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A call as a person would say it, for the sentence about its failure.

    Attributes:
        where: The address that was called.
        doing: What was asked, as an infinitive: "create the session".
        within: The deadline; None without one.
    """

    where: str
    doing: str
    within: Seconds | None = None


def failure_of(error: SessiondError) -> Failure:
    """Return what carries this error to the caller."""
    branch = next(branch for branch in _CODES if isinstance(error, branch))
    meaning, code = _CODES[branch]
    detail = ErrorDetail(
        meaning=meaning,
        sentence=_cut(error.sentence, _LONGEST_SENTENCE),
        hint=_cut(error.hint, _LONGEST_HINT),
    )
    return Failure(
        code=code,
        details=_cut(error.sentence, _LONGEST_DETAILS),
        trailing=((DETAIL_KEY, detail.SerializeToString()),),
    )


def error_of(failed: grpc.aio.AioRpcError, attempt: Attempt) -> SessiondError:
    """Return the error that the agent meant, or what gRPC's own failure means."""
    # The stubs know neither of grpc.aio's Metadata nor that a key ending in -bin
    # has bytes.
    pairs: Any = failed.trailing_metadata() or ()
    for key, value in pairs:
        if key == DETAIL_KEY and isinstance(value, bytes):
            return _meant(value) or _foreign(failed, attempt)
    return _foreign(failed, attempt)


def broken_off(attempt: Attempt) -> Unavailable:
    """Return the error of a call whose channel was dropped under it."""
    return Unavailable(
        f"The line to the agent at {attempt.where} was dropped"
        f" while it was asked to {attempt.doing}."
    )


def _cut(text: str, longest: int) -> str:
    content = text.encode()
    if len(content) <= longest:
        return text
    return content[: longest - len("…".encode())].decode(errors="ignore") + "…"


def _meant(raw: bytes) -> SessiondError | None:
    try:
        detail = ErrorDetail.FromString(raw)
    except DecodeError:
        return None
    branch = _BY_MEANING.get(detail.meaning)
    return branch(detail.sentence, detail.hint) if branch else None


def _foreign(failed: grpc.aio.AioRpcError, attempt: Attempt) -> SessiondError:
    agent = f"The agent at {attempt.where}"
    code = failed.code()
    match code:
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return Unavailable(
                f"{agent} did not answer within {attempt.within:g} s"
                f" when asked to {attempt.doing}.",
                "Is that host busy or cut off? Ask again, or look at its log.",
            )
        case grpc.StatusCode.UNAVAILABLE:
            return _unreached(failed.details() or "", attempt)
        case grpc.StatusCode.UNIMPLEMENTED:
            return Broken(
                f"What answers at {attempt.where} does not know how to"
                f" {attempt.doing}.",
                "Is it a sessiond-agent of this version?",
            )
        case _:
            return Unavailable(
                f"{agent} broke off when asked to {attempt.doing} ({code.name})."
            )


def _unreached(details: str, attempt: Attempt) -> Unavailable:
    """Return why no connection came to be, as far as gRPC's own text tells."""
    agent = f"The agent at {attempt.where}"
    if not attempt.where.startswith("unix:"):
        if "CERTIFICATE_VERIFY_FAILED" in details:
            return Unavailable(
                f"What answers at {attempt.where} shows another certificate than the"
                " one that is known.",
                "Has that host a new identity, or another one its address? Join anew"
                " with a link if so.",
            )
        if "Tls handshake failed" in details:
            return Unavailable(
                f"What answers at {attempt.where} is no sessiond-agent's port.",
                "Is the address right?",
            )
        # We were through with the handshake; the other side was not.
        if details.startswith(_NO_CONNECTION) and details.endswith(_HUNG_UP):
            return Unavailable(
                f"{agent} hung up: it does not accept this computer's certificate,"
                " or has no room.",
                "Has this one been removed from the session? Join with a new link.",
            )
    return Unavailable(
        f"{agent} could not be reached to {attempt.doing}.",
        _hint_to_reach(attempt.where),
    )


def _hint_to_reach(where: str) -> str:
    if where.startswith("unix:"):
        return "Start sessiond-agent on this host, or name another with --agent."
    return "Is sessiond-agent running there, and is the address right?"
