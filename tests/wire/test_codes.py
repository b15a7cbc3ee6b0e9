"""Every error to a code and back; what gRPC itself fails with names the address."""

import grpc
import pytest

from sessiond.core.mistakes import BadFile
from sessiond.errors import Broken, Refused, SessiondError, Unavailable
from sessiond.units import Seconds
from sessiond.wire.api import AgentApi, MembershipApi
from sessiond.wire.client import AgentClient
from sessiond.wire.codes import DETAIL_KEY, Attempt, error_of, failure_of
from sessiond.wire.peer_api import PeerApi
from tests.wire.answerers import Agent, Peer

AGENT = "The agent at radio:7700"
ATTEMPT = Attempt(where="radio:7700", doing="create the session", within=Seconds(30.0))


def failed(code: grpc.StatusCode, detail: bytes | None = None) -> grpc.aio.AioRpcError:
    pairs = [] if detail is None else [(DETAIL_KEY, detail)]
    trailing = grpc.aio.Metadata(*pairs)
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailing, "text", "")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Refused("No.", "Ask nicely."), grpc.StatusCode.FAILED_PRECONDITION),
        (Unavailable("Later.", ""), grpc.StatusCode.UNAVAILABLE),
        (Broken("A codec is missing.", "Install it."), grpc.StatusCode.INTERNAL),
        (BadFile("session file", ()), grpc.StatusCode.FAILED_PRECONDITION),
    ],
)
def test_an_error_keeps_its_meaning(
    error: SessiondError, code: grpc.StatusCode
) -> None:
    failure = failure_of(error)
    assert failure.code is code
    assert failure.details == error.sentence
    back = error_of(failed(code, failure.trailing[0][1]), ATTEMPT)
    assert isinstance(error, type(back))
    assert (back.exit_code, back.sentence, back.hint) == (
        error.exit_code,
        error.sentence,
        error.hint,
    )


@pytest.mark.parametrize(
    ("code", "branch", "sentence"),
    [
        (
            grpc.StatusCode.DEADLINE_EXCEEDED,
            Unavailable,
            f"{AGENT} did not answer within 30 s when asked to create the session.",
        ),
        (
            grpc.StatusCode.UNAVAILABLE,
            Unavailable,
            f"{AGENT} could not be reached to create the session.",
        ),
        (
            grpc.StatusCode.UNIMPLEMENTED,
            Broken,
            "What answers at radio:7700 does not know how to create the session.",
        ),
        (
            grpc.StatusCode.INTERNAL,
            Unavailable,
            f"{AGENT} broke off when asked to create the session (INTERNAL).",
        ),
    ],
)
def test_a_failure_of_grpc_names_the_address_and_the_attempt(
    code: grpc.StatusCode, branch: type[SessiondError], sentence: str
) -> None:
    error = error_of(failed(code), ATTEMPT)
    assert type(error) is branch
    assert error.sentence == sentence


@pytest.mark.parametrize("detail", [b"\xff\xff", b"", b"\x0a\x05weird"])
def test_a_detail_that_means_nothing_is_grpcs_own_failure(detail: bytes) -> None:
    error = error_of(failed(grpc.StatusCode.UNAVAILABLE, detail), ATTEMPT)
    assert "could not be reached" in error.sentence


def test_the_client_and_the_answerers_are_the_same_apis() -> None:
    apis: tuple[AgentApi, ...] = (AgentClient("127.0.0.1:1"), Agent())
    memberships: tuple[MembershipApi, ...] = (AgentClient("127.0.0.1:1"), Agent())
    peer: PeerApi = Peer()
    assert peer
    assert len(apis) == len(memberships) == 2
