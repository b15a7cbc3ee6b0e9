"""From plain values to gRPC's handlers: the one place where errors become codes."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import grpc

from sessiond.core.stamped import Stamp, StampedSpec
from sessiond.core.status import HostStatus, SessionStatus
from sessiond.errors import Broken, SessiondError, Unavailable
from sessiond.units import HostId, Seconds
from sessiond.wire import join_methods, methods, peer_methods
from sessiond.wire.api import MembershipApi, OwnedApi
from sessiond.wire.codes import Forbidden, failure_of
from sessiond.wire.convert import decode, encode
from sessiond.wire.gate import Context, Gate, source_of
from sessiond.wire.guard import Caller, Guard
from sessiond.wire.join_api import JoinApi
from sessiond.wire.join_messages import (
    AcquaintReply,
    AcquaintRequest,
    GreetReply,
    GreetRequest,
    JoinReply,
    JoinRequest,
)
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
from sessiond.wire.methods import Method
from sessiond.wire.peer_api import PeerApi
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
OnFault = Callable[[str, Exception], None]
"""Told the path of a method and the bug that its answer ran into."""


# At a join port a change of leader is waited for, and nothing longer.
ANSWER_WITHIN: Final = Seconds(5.0)


@dataclass(frozen=True, slots=True)
class Handlers:
    """Handlers of one service, by method name."""

    service: str
    by_name: dict[str, Any]

    def generic(self) -> Any:  # noqa: ANN401  gRPC's own stub leaves it open
        """Return what a gRPC server takes."""
        return grpc.method_handlers_generic_handler(self.service, self.by_name)


class Answers:
    """Turns functions over values into handlers over bytes.

    Args:
        guard: Asked before anything of a call is looked at; None at a join port, where
            everybody may call.
    """

    def __init__(
        self, service: str, on_fault: OnFault, gate: Gate, guard: Guard | None
    ) -> None:
        self.handlers = Handlers(service, {})
        self._on_fault = on_fault
        self._gate = gate
        self._guard = guard

    def once(self, method: Method[Q, A], answer: Callable[[Q], Awaitable[A]]) -> None:
        """Answer a method's request with one value."""
        self.once_to(method, lambda request, _: answer(request))

    def once_to(
        self, method: Method[Q, A], answer: Callable[[Q, Caller], Awaitable[A]]
    ) -> None:
        """As `once`, for an answer that depends on who calls."""

        async def handle(_: object, context: Context) -> bytes:
            try:
                self._admit(context, method.path)
                with self._gate.entered(context.peer()):
                    content = await self._gate.request(context)
                    # The request may be seconds behind the call's head.
                    caller = self._admit(context, method.path)
                    return encode(await answer(decode(method.request, content), caller))
            except SessiondError as e:
                end(context, e)
            except Exception as e:  # noqa: BLE001  the rim: a bug has been reported
                end(context, self._fault(method.path, e))
            # With a code that is not OK, gRPC sends no answer.
            return b""

        # As if requests were many, so that the gate may wait for the one.
        handler = grpc.stream_unary_rpc_method_handler(handle)
        self.handlers.by_name[method.name] = handler

    def again(
        self, method: Method[Q, A], answers: Callable[[Q], AsyncIterator[A]]
    ) -> None:
        """Answer a method's request with value after value."""

        async def handle(_: object, context: Context) -> AsyncIterator[bytes]:
            try:
                caller = self._admit(context, method.path)
                with self._gate.entered(context.peer()):
                    content = await self._gate.request(context)
                    values = answers(decode(method.request, content))
                    allowed = self._allowed(values, caller, method.path)
                    try:
                        async for value in allowed:
                            yield encode(value)
                    finally:
                        # A caller that leaves cancels us between two values.
                        await _close(allowed)
                        await _close(values)
            except SessiondError as e:
                end(context, e)
            except Exception as e:  # noqa: BLE001  the rim, as above
                end(context, self._fault(method.path, e))

        handler = grpc.stream_stream_rpc_method_handler(handle)
        self.handlers.by_name[method.name] = handler

    def _admit(self, context: Context, path: str) -> Caller:
        if self._guard is None:
            return Caller(source_of(context.peer()))
        return self._guard.admit(context, path)

    def _allowed(
        self, values: AsyncIterator[A], caller: Caller, path: str
    ) -> AsyncIterator[A]:
        return values if self._guard is None else self._guard.each(values, caller, path)

    def _fault(self, path: str, bug: Exception) -> Broken:
        self._on_fault(path, bug)
        return Broken(
            "The agent met a bug of its own.", "Its log has the details; report them."
        )


async def _close(values: AsyncIterator[object]) -> None:
    if isinstance(values, AsyncGenerator):
        await values.aclose()


def end(context: Context, error: SessiondError) -> None:
    """Have the call end with this error.

    Not by `abort`: its exception and the call hold each other, and the server with
    them, until the garbage collector comes by.
    """
    failure = failure_of(error)
    context.set_code(failure.code)
    context.set_details(failure.details)
    context.set_trailing_metadata(failure.trailing)


class _AgentAnswers:
    """OwnedApi with one request and one reply a method."""

    def __init__(self, api: OwnedApi) -> None:
        self._api = api

    async def hosts(self, request: HostsRequest) -> HostsReply:
        return HostsReply(sightings=await self._api.hosts(request.wait))

    async def create(self, request: CreateRequest, caller: Caller) -> StampedSpec:
        return await self._api.create(
            request.spec, request.secrets, by_owner=caller.id is None
        )

    async def apply(self, request: ApplyRequest) -> StampedSpec:
        return await self._api.apply(request.spec, request.secrets, request.based_on)

    async def spec(self, request: SessionRequest) -> StampedSpec:
        return await self._api.spec(request.name)

    async def status(self, request: SessionRequest) -> SessionStatus:
        return await self._api.status(request.name)

    def watch(self, request: SessionRequest) -> AsyncIterator[SessionStatus]:
        return self._api.watch(request.name)

    async def gain(self, request: GainRequest) -> Stamp:
        return await self._api.gain(
            request.session, request.mount, request.host, request.gain_db
        )

    async def title(self, request: TitleRequest) -> Stamp:
        return await self._api.title(request.session, request.mount, request.title)

    async def mute(self, request: MuteRequest, caller: Caller) -> Done:
        await self._api.mute(
            request.host, muted=request.muted, by_owner=caller.id is None
        )
        return Done()

    async def leave(self, _: Done) -> Done:
        await self._api.leave()
        return Done()

    async def resume(self, _: Done) -> Done:
        await self._api.resume()
        return Done()

    async def handover(self, request: HandoverRequest) -> HandoverReply:
        host = await self._api.handover(request.session, request.host)
        return HandoverReply(broadcaster=host)

    async def stop(self, request: StopRequest) -> Done:
        await self._api.stop(request.name)
        return Done()

    async def doctor(self, _: Done) -> DoctorReply:
        return DoctorReply(findings=await self._api.doctor())


def agent_handlers(
    api: OwnedApi,
    membership: MembershipApi | None,
    on_fault: OnFault,
    gate: Gate,
    guard: Guard,
) -> Handlers:
    """Return the handlers of AgentService in front of these implementations."""
    asked = _AgentAnswers(api)
    answers = Answers(methods.AGENT_SERVICE, on_fault, gate, guard)
    answers.once(methods.HOSTS, asked.hosts)
    answers.once_to(methods.CREATE, asked.create)
    answers.once(methods.APPLY, asked.apply)
    answers.once(methods.GET_SPEC, asked.spec)
    answers.once(methods.STATUS, asked.status)
    answers.again(methods.WATCH, asked.watch)
    answers.once(methods.SET_GAIN, asked.gain)
    answers.once(methods.SET_TITLE, asked.title)
    answers.once_to(methods.SET_MUTE, asked.mute)
    answers.once(methods.LEAVE, asked.leave)
    answers.once(methods.RESUME, asked.resume)
    answers.once(methods.HANDOVER, asked.handover)
    answers.once(methods.STOP, asked.stop)
    answers.once(methods.DOCTOR, asked.doctor)
    if membership is not None:
        _add_membership(answers, membership)
    return answers.handlers


def _add_membership(answers: Answers, api: MembershipApi) -> None:
    async def invite(request: InviteRequest) -> InviteReply:
        return InviteReply(link=await api.invite(request.session, request.role))

    async def remove(request: RemoveRequest) -> Stamp:
        return await api.remove(request.session, request.name)

    async def join(request: JoinLinkRequest) -> StampedSpec:
        return await api.join(request.link)

    answers.once(methods.INVITE, invite)
    answers.once(methods.REMOVE, remove)
    answers.once(methods.JOIN, join)


def peer_handlers(
    api: PeerApi, on_fault: OnFault, gate: Gate, guard: Guard
) -> Handlers:
    """Return the handlers of PeerService in front of this implementation.

    Who says to be an agent must be the one that its certificate shows.
    """
    answers = Answers(peer_methods.PEER_SERVICE, on_fault, gate, guard)

    async def hello(request: HelloRequest, caller: Caller) -> HelloReply:
        if request.sender is not None:
            _require_sender(request.sender.id, caller)
        return await api.hello(request)

    async def tell(envelope: PeerEnvelope, caller: Caller) -> PeerEnvelope:
        _require_sender(envelope.sender_id, caller)
        return await api.tell(envelope)

    async def consider(request: ConsiderRequest) -> Done:
        await api.consider(request)
        return Done()

    async def report(request: ReportRequest) -> HostStatus:
        return await api.report(request.session)

    async def mute(request: PeerMuteRequest) -> Done:
        await api.mute(request.session, muted=request.muted)
        return Done()

    answers.once_to(peer_methods.HELLO, hello)
    answers.once_to(peer_methods.TELL, tell)
    answers.once(peer_methods.CONSIDER, consider)
    answers.once(peer_methods.REPORT, report)
    answers.once(peer_methods.PEER_MUTE, mute)
    _add_trusting(answers, api)
    return answers.handlers


def _add_trusting(answers: Answers, api: PeerApi) -> None:
    """Add what a host does for certain members only."""

    async def give_secrets(request: GiveSecretsRequest, caller: Caller) -> Done:
        await api.give_secrets(request.session, request.secrets, _agent(caller))
        return Done()

    async def admit(request: AdmitRequest, caller: Caller) -> StampedSpec:
        return await api.admit(request, _agent(caller))

    answers.once_to(peer_methods.GIVE_SECRETS, give_secrets)
    answers.once_to(peer_methods.ADMIT, admit)


def join_handlers(api: JoinApi, on_fault: OnFault, gate: Gate) -> Handlers:
    """Return the handlers of JoinService in front of this implementation."""
    answers = Answers(join_methods.JOIN_SERVICE, on_fault, gate, None)

    async def greet(request: GreetRequest, caller: Caller) -> GreetReply:
        return await _soon(api.greet(request, caller.source))

    async def acquaint(request: AcquaintRequest, caller: Caller) -> AcquaintReply:
        return await _soon(api.acquaint(request, caller.source))

    async def join(request: JoinRequest, caller: Caller) -> JoinReply:
        return await _soon(api.join(request, caller.source))

    answers.once_to(join_methods.GREET, greet)
    answers.once_to(join_methods.ACQUAINT, acquaint)
    answers.once_to(join_methods.JOIN, join)
    return answers.handlers


async def _soon(answer: Awaitable[A]) -> A:
    """Return an answer to a stranger, who holds a place meanwhile."""
    try:
        async with asyncio.timeout(ANSWER_WITHIN):
            return await answer
    except TimeoutError as e:
        raise Unavailable(
            f"This took longer than {ANSWER_WITHIN:g} s.", "Try again."
        ) from e


def _agent(caller: Caller) -> HostId:
    if caller.id is None:
        raise Forbidden("An agent shows its certificate.")
    return caller.id


def _require_sender(sender: HostId, caller: Caller) -> None:
    if sender != caller.id:
        raise Forbidden(
            "Who sends this says to be another one than its certificate shows.",
            "An agent speaks for itself only.",
        )
