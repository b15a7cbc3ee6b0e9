"""The HTTP of `sessiond next-track`: the contract in docs/next-track.md, and no more.

One request a connection, small and soon: whoever is slow or large is hung up on. h11
reads and writes HTTP and stays in here.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

import h11

from sessiond.cli.jukebox import Jukebox
from sessiond.core.playlist import played_document
from sessiond.errors import Refused

# A path has at most 4,096 bytes, and JSON may write six characters for one.
LARGEST_BODY: Final = 32 * 1024
LARGEST_HEAD: Final = 16 * 1024

# A request is one packet; who takes longer waits for something else.
REQUEST_WITHIN: Final = 5

# A filler and some web pages; each costs a descriptor.
MOST_CONNECTIONS: Final = 64

_TEXT: Final = "text/plain; charset=utf-8"
_JSON: Final = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What somebody asked; header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def wants_json(self) -> bool:
        """JSON is asked for by name; a browser's ``*/*`` is not."""
        return _JSON in self.headers.get("accept", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What they are told: the same as lines and as a document."""

    status: HTTPStatus
    lines: tuple[str, ...] = ()
    document: object = None
    allow: str = ""


_Door = Callable[[Request], Awaitable[Answer]]


class _Unread(Exception):  # noqa: N818  an answer, not an error of ours
    """The request can't be read to its end; says what to answer."""

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.answer = _refusal(status, sentence)


class TrackServer:
    """Answers for a jukebox.

    Args:
        jukebox: Whom it asks.
        tell: Called with each track that was handed out or asked for.
    """

    def __init__(self, jukebox: Jukebox, tell: Callable[[str, str], None]) -> None:
        self._jukebox = jukebox
        self._tell = tell
        self._open = 0
        self._doors: Mapping[str, Mapping[str, _Door]] = MappingProxyType(
            {
                "/next": {"GET": self._next},
                "/queue": {"GET": self._queue, "POST": self._wish},
                "/history": {"GET": self._history},
            }
        )

    async def converse(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Answer one connection's request and close it."""
        self._open += 1
        try:
            # Cancelled is who has asked for nothing when everything ends; Python 3.11's
            # streams would print a traceback for each.
            with suppress(ConnectionError, TimeoutError, asyncio.CancelledError):
                if self._open <= MOST_CONNECTIONS:
                    await self._converse(reader, writer)
        finally:
            self._open -= 1
            writer.close()

    async def _converse(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        line = h11.Connection(h11.SERVER, max_incomplete_event_size=LARGEST_HEAD)
        wants_json = False
        try:
            async with asyncio.timeout(REQUEST_WITHIN):
                request = await _read(line, reader)
            wants_json = request.wants_json
            answer = await self.answer(request)
        except _Unread as e:
            answer = e.answer
        writer.write(_written(line, answer, as_json=wants_json))
        async with asyncio.timeout(REQUEST_WITHIN):
            await writer.drain()
            writer.write_eof()
            # Closed with something unread, the line would break before its answer came.
            while await reader.read(LARGEST_HEAD):
                pass

    async def answer(self, request: Request) -> Answer:
        """Answer a request that has been read."""
        if request.headers.get("sec-fetch-site", "none") not in _OWN_SITES:
            return _refusal(
                HTTPStatus.FORBIDDEN, "Pages of other sites may not ask here."
            )
        methods = self._doors.get(request.path)
        if methods is None:
            places = ", ".join(self._doors)
            return _refusal(HTTPStatus.NOT_FOUND, f"There is only {places}.")
        if request.method not in methods:
            return Answer(
                status=HTTPStatus.METHOD_NOT_ALLOWED,
                lines=(f"{request.path} takes {' and '.join(methods)}.",),
                allow=", ".join(methods),
            )
        return await methods[request.method](request)

    async def _next(self, _: Request) -> Answer:
        played = await self._jukebox.next()
        if played is None:
            return Answer(status=HTTPStatus.NO_CONTENT)
        self._tell("next", played.track)
        document = played_document(played)
        return Answer(status=HTTPStatus.OK, lines=(played.track,), document=document)

    async def _wish(self, request: Request) -> Answer:
        try:
            track = await self._jukebox.wish(_wished(request))
        except Refused as e:
            return _refusal(HTTPStatus.UNPROCESSABLE_ENTITY, e.sentence)
        self._tell("queued", track)
        return Answer(
            status=HTTPStatus.CREATED, lines=(track,), document={"path": track}
        )

    async def _queue(self, _: Request) -> Answer:
        queue = await self._jukebox.queue()
        return Answer(
            status=HTTPStatus.OK, lines=queue, document={"queue": list(queue)}
        )

    async def _history(self, _: Request) -> Answer:
        latest_first = self._jukebox.playlist.history[::-1]
        return Answer(
            status=HTTPStatus.OK,
            lines=tuple(f"{played.at} {played.track}" for played in latest_first),
            document={"history": [played_document(p) for p in latest_first]},
        )


# A browser says where the page that asks is from; programs say nothing.
_OWN_SITES: Final = frozenset({"none", "same-origin"})


def _wished(request: Request) -> str:
    """Return the path that a body names; raises Refused."""
    try:
        text = request.body.decode()
        if not request.headers.get("content-type", "").startswith(_JSON):
            return text.strip()
        match json.loads(text):
            case {"path": str(path)}:
                return path
    except ValueError:
        pass
    raise Refused('The body must be a path, or {"path": "…"} as JSON, in UTF-8.')


def _refusal(status: HTTPStatus, sentence: str) -> Answer:
    return Answer(status=status, lines=(sentence,), document={"error": sentence})


async def _read(line: h11.Connection, reader: asyncio.StreamReader) -> Request:
    """Return the connection's request.

    Raises:
        _Unread: It is no HTTP, or too large.
        ConnectionError: It ended before its end.
    """
    request: h11.Request | None = None
    body = b""
    while True:
        match await _event(line, reader):
            case h11.Request() as request:
                pass
            case h11.Data(data=piece):
                body += bytes(piece)
                if len(body) > LARGEST_BODY:
                    raise _Unread(
                        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "That is no path."
                    )
            case h11.EndOfMessage() if request is not None:
                return Request(
                    method=request.method.decode(),
                    path=request.target.decode().partition("?")[0],
                    headers={
                        k.decode(): v.decode("latin-1") for k, v in request.headers
                    },
                    body=body,
                )
            case _:
                raise ConnectionError


async def _event(line: h11.Connection, reader: asyncio.StreamReader) -> object:
    while True:
        try:
            event = line.next_event()
        except h11.RemoteProtocolError as e:
            raise _Unread(HTTPStatus(e.error_status_hint), "This is no HTTP.") from e
        if event is not h11.NEED_DATA:
            return event
        line.receive_data(await reader.read(LARGEST_HEAD))


def _written(line: h11.Connection, answer: Answer, *, as_json: bool) -> bytes:
    has_document = as_json and answer.document is not None
    text = (
        json.dumps(answer.document, ensure_ascii=False) + "\n"
        if has_document
        else "".join(f"{each}\n" for each in answer.lines)
    )
    body = text.encode()
    headers = [
        ("Content-Type", _JSON if has_document else _TEXT),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
        ("Connection", "close"),
    ]
    if answer.status is HTTPStatus.NO_CONTENT:
        # RFC 9110 section 8.6: such an answer has no length.
        headers = headers[2:]
    if answer.allow:
        headers.append(("Allow", answer.allow))
    head = h11.Response(
        status_code=answer.status, headers=headers, reason=answer.status.phrase
    )
    events = (head, h11.Data(data=body), h11.EndOfMessage())
    return b"".join(line.send(event) or b"" for event in events)
