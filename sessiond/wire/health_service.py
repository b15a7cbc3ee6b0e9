"""The standard health service, behind the gate like every other.

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
from sessiond.wire.servicing import Handlers, end

HEALTH_SERVICE: Final = "grpc.health.v1.Health"


def health_handlers(services: Collection[str], gate: Gate) -> Handlers:
    """Return the handlers of a server that has these services."""
    answers = _Health(frozenset(services) | {""}, gate)
    return Handlers(
        HEALTH_SERVICE,
        {
            "Check": grpc.stream_unary_rpc_method_handler(answers.check),
            "Watch": grpc.stream_stream_rpc_method_handler(answers.watch),
        },
    )


class _Health:
    def __init__(self, services: frozenset[str], gate: Gate) -> None:
        self._services = services
        self._gate = gate

    async def check(self, _: object, context: Context) -> bytes:
        try:
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
            with self._gate.entered(context.peer()):
                known = await self._asked(context) in self._services
                yield _said(
                    HealthCheckResponse.SERVING
                    if known
                    else HealthCheckResponse.SERVICE_UNKNOWN
                )
                # It stays so until the server ends the call.
                await asyncio.get_running_loop().create_future()
        except SessiondError as e:
            end(context, e)

    async def _asked(self, context: Context) -> str:
        content = await self._gate.request(context)
        try:
            service: str = HealthCheckRequest.FromString(content).service
        except DecodeError as e:
            raise Refused("What came is no HealthCheckRequest.") from e
        return service


def _said(status: int) -> bytes:
    content: bytes = HealthCheckResponse(status=status).SerializeToString()
    return content
