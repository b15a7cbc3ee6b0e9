"""The page that monitoring asks: ``/healthz`` and ``/metrics``, over plain HTTP.

Each answer is made when it is asked for, from what the session's ear hears then.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import structlog

from agent.bell import TurnBell
from agent.host import Host
from sessiond.core.health import Document, filler_health_document, health_document
from sessiond.core.metrics import metrics_text
from sessiond.core.namerules import split_address
from sessiond.core.status import Phase, SessionStatus
from sessiond.errors import Refused
from sessiond.units import Seconds
from sessiond.version import VERSION

# A request fits one packet; a head of more than this is none of monitoring's.
_HEAD_LIMIT: Final = 8 * 1024
_HEAD_WITHIN: Final = Seconds(2.0)

# Two servers that scrape at once are many already; each asks every member.
MOST_ASKERS: Final = 8

# A port that is taken may be free again later.
_AGAIN: Final = Seconds(30.0)

_TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
_JSON: Final = "application/json"

_log = structlog.get_logger()


class HealthPage:
    """Answers on one address for as long as `run` runs.

    Args:
        listen: ``HOST:PORT``.
        host: Who answers.
        status: Returns the session's picture; raises `Refused` outside a session.
    """

    def __init__(
        self,
        *,
        listen: str,
        host: Host,
        status: Callable[[], Awaitable[SessionStatus]],
    ) -> None:
        self._listen = listen
        self._host = host
        self._status = status
        self._askers = 0

    async def run(self) -> None:
        """Answer for ever; a port that is taken is tried again."""
        address = split_address(self._listen)
        if address is None:
            return
        pause = TurnBell(asyncio.get_running_loop())
        while True:
            try:
                server = await asyncio.start_server(
                    self._serve, *address, limit=_HEAD_LIMIT
                )
            except OSError as e:
                why = e.strerror or str(e)
                _log.warning("health.off", listen=self._listen, why=why)
                await pause.wait(_AGAIN)
                continue
            async with server:
                await server.serve_forever()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._askers += 1
        try:
            if self._askers > MOST_ASKERS:
                return
            async with asyncio.timeout(_HEAD_WITHIN):
                head = await reader.readuntil(b"\r\n\r\n")
            writer.write(await self._answer(head))
            await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass  # whoever asked has gone, or never did
        except asyncio.LimitOverrunError:
            writer.write(_reply("431 Request Header Fields Too Large", _TEXT, ""))
        finally:
            self._askers -= 1
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, head: bytes) -> bytes:
        method, target, *_ = (*head.split(maxsplit=2), b"", b"")
        if method not in {b"GET", b"HEAD"}:
            return _reply("405 Method Not Allowed", _TEXT, "")
        match target.partition(b"?")[0]:
            case b"/healthz":
                document = await self._health()
                code = "200 OK" if document["ok"] else "503 Service Unavailable"
                reply = _reply(code, _JSON, json.dumps(document) + "\n")
            case b"/metrics":
                text = metrics_text(self._host.name, VERSION, await self._picture())
                reply = _reply("200 OK", _TEXT, text)
            case _:
                reply = _reply("404 Not Found", _TEXT, "Ask /healthz or /metrics.\n")
        return reply if method == b"GET" else _head_of(reply)

    async def _health(self) -> Document:
        host, status = self._host, await self._picture()
        # Of a session that is over nothing is expected any more.
        if status is not None and status.phase is not Phase.STOPPED:
            return health_document(host.name, status)
        order = host.plan.station if host.plan.radio else None
        mounts = [mount.path for mount in order.spec.mounts] if order else []
        return filler_health_document(host.name, mounts, host.observed.sounds or ())

    async def _picture(self) -> SessionStatus | None:
        try:
            return await self._status()
        except Refused:
            return None


def _head_of(reply: bytes) -> bytes:
    head, end, _ = reply.partition(b"\r\n\r\n")
    return head + end


def _reply(code: str, kind: str, text: str) -> bytes:
    payload = text.encode()
    return (
        f"HTTP/1.0 {code}\r\nContent-Type: {kind}\r\nContent-Length: {len(payload)}\r\n"
        "Cache-Control: no-store\r\nConnection: close\r\n\r\n"
    ).encode() + payload
