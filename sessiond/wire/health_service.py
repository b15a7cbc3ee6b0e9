"""The standard health service, behind guard and gate like every other.

gRPC's own servicer waits for a request for ever, and anybody may watch: a few hundred
such calls would keep peers out. An agent's services serve for as long as it listens.

Source: grpc/health/v1/health.proto.
"""

import asyncio
from collections.abc import AsyncIterator, Collection
from typing import Final

import grpc
from google.protobuf.message import DecodeError
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from sessiond.errors import Refused, SessiondError
from sessiond.wire.gate import Context, Gate
from sessiond.wire.guard import Guard
from sessiond.wire.servicing import Handlers, end

HEALTH_SERVICE: Final = "grpc.health.v1.Health"
_CHECK: Final = f"/{HEALTH_SERVICE}/Check"
_WATCH: Final = f"/{HEALTH_SERVICE}/Watch"


def health_handlers(services: Collection[str], gate: Gate, guard: Guard) -> Handlers:
    """Return the handlers of a server that has these services."""
    answers = _Health(frozenset(services) | {""}, gate, guard)
    return Handlers(
        HEALTH_SERVICE,
        {
            "Check": grpc.stream_unary_rpc_method_handler(answers.check),
            "Watch": grpc.stream_stream_rpc_method_handler(answers.watch),
        },
    )


class _Health:
    def __init__(self, services: frozenset[str], gate: Gate, guard: Guard) -> None:
        self._services = services
        self._gate = gate
        self._guard = guard

    async def check(self, _: object, context: Context) -> bytes:
        try:
            self._guard.admit(context, _CHECK)
            with self._gate.entered(context.peer()):
                if await self._asked(context) in self._services:
                    return _said(HealthCheckResponse.SERVING)
        except SessiondError as e:
            end(context, e)
            return b""
        context.set_code(grpc.StatusCode.NOT_FOUND)
        return b""

    async def watch(self, _: object, context: Context) -> AsyncIterator[bytes]:
        try:
            caller = self._guard.admit(context, _WATCH)
            with self._gate.entered(context.peer()):
                known = await self._asked(context) in self._services
                said = _stays(
                    HealthCheckResponse.SERVING
                    if known
                    else HealthCheckResponse.SERVICE_UNKNOWN
                )
                async for each in self._guard.each(said, caller, _WATCH):
                    yield each
        except SessiondError as e:
            end(context, e)

    async def _asked(self, context: Context) -> str:
        content = await self._gate.request(context)
        try:
            service: str = HealthCheckRequest.FromString(content).service
        except DecodeError as e:
            raise Refused("What came is no HealthCheckRequest.") from e
        return service


async def _stays(status: int) -> AsyncIterator[bytes]:
    """Yield a status once; it stays so until the server ends the call."""
    yield _said(status)
    await asyncio.get_running_loop().create_future()


def _said(status: int) -> bytes:
    content: bytes = HealthCheckResponse(status=status).SerializeToString()
    return content
