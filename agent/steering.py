"""How the agent steers a child that outlives it: JSON lines over a Unix socket.

One request is one JSON object on one line, and so is its answer; a connection may
carry any number of them. Requests are levels, not edges: a child that gets the same
request twice is where it was after the first, so an agent that lost an answer just
asks again. What requests mean is each child's own business, never this module's.

The socket file is the owner's alone (0600) and replaces one that nobody answers.
"""

import asyncio
import errno
import json
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeAlias

from sessiond.errors import Broken, Refused, SessiondError, Unavailable
from sessiond.units import Seconds

Json: TypeAlias = (
    "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
)
"""What a JSON document holds; NaN and infinities are not in it."""

Answer: TypeAlias = Callable[[Mapping[str, Json]], Mapping[str, Json]]
"""Gives a request's answer at once, or raises `Refused` and changes nothing."""

# An order of 200 strips on 32 buses takes 60 KiB; whatever is longer is no request.
LINE_LIMIT: Final = 256 * 1024

# The most that one read takes; a report of many strips comes in two or three.
_PART_BYTES: Final = 64 * 1024

# The agent and a person with a look-in tool are two; more is a leak of connections.
CLIENTS_MAX: Final = 16


class SteeringServer:
    """Answers on a socket for as long as its ``async with`` block lasts.

    Args:
        path: The socket file; its folder exists.
        answer: Called on the event loop, one request at a time.

    Raises:
        Unavailable: On entering, when another process answers on `path`.
        Broken: On entering, when the socket can't be made there.
    """

    def __init__(self, path: Path, answer: Answer) -> None:
        self._path = path
        self._answer = answer
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._inode = 0
        self._is_over = False

    async def __aenter__(self) -> Self:
        if _answers(self._path):
            raise Unavailable(f"another process already answers on {self._path}")
        # Made beside its place and moved there once it listens: whoever sees the file
        # is answered, and a stale file is replaced in the same moment.
        beside = self._path.with_name(f"{self._path.name}~")
        with ExitStack() as unless_it_serves:
            made = unless_it_serves.enter_context(_bind(beside))
            self._server = await asyncio.start_unix_server(
                self._serve, sock=made, limit=LINE_LIMIT
            )
            unless_it_serves.pop_all()
        beside.rename(self._path)
        self._inode = self._path.stat().st_ino
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._is_over = True
            await self._let_nobody_in(self._server)
            self._server.close()
            for writer in tuple(self._writers):
                writer.transport.abort()
            await self._server.wait_closed()
        # A successor may have put its own socket here; that one is not ours.
        if self._path.exists() and self._path.stat().st_ino == self._inode:
            self._path.unlink()

    async def _let_nobody_in(self, server: asyncio.Server) -> None:
        """Stop accepting; who was accepted a moment ago is a whole connection then.

        A server that is closed in between forgets such a one halfway, open.
        """
        for door in server.sockets:
            asyncio.get_running_loop().remove_reader(door)
        for _ in range(2):
            await asyncio.sleep(0)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        # One that was let in at the last moment comes here after the end.
        if self._is_over or len(self._writers) >= CLIENTS_MAX:
            writer.transport.abort()
            return
        self._writers.add(writer)
        try:
            while (line := await _line(reader)) is not None:
                writer.write(_encode(self._reply(line)))
                await writer.drain()
        except ValueError:  # from the line limit: the stream has lost its place
            writer.write(_encode({"error": "the line is too long"}))
        except ConnectionError:
            pass  # a client may leave at any moment; nobody is owed an answer
        finally:
            self._writers.discard(writer)
            writer.close()

    def _reply(self, line: bytes) -> Mapping[str, Json]:
        try:
            return self._answer(_decode(line))
        except SessiondError as e:
            return {"error": e.sentence}


async def ask(
    path: Path, request: Mapping[str, Json], *, within: Seconds
) -> dict[str, Json]:
    """Send one request on a connection of its own and return its answer.

    Args:
        path: The child's socket file.
        request: Must be JSON.
        within: For everything: connecting, sending and the answer.

    Raises:
        Refused: The child answered ``{"error": …}``; nothing changed there.
        Unavailable: Nobody answered in time, or what answered speaks otherwise.
    """
    try:
        async with asyncio.timeout(within):
            reply = await _exchange(path, _encode(request))
    except TimeoutError as e:
        raise Unavailable(f"{path.name} did not answer within {within:g} s") from e
    except (OSError, ValueError) as e:
        raise Unavailable(f"nobody answers on {path.name}: {e}") from e
    if reply is None:
        raise Unavailable(f"{path.name} closed the connection without an answer")
    try:
        answered = _decode(reply)
    except Refused as e:
        raise Unavailable(f"{path.name} gave no sensible answer") from e
    if "error" in answered:
        raise Refused(f"{answered['error']}")
    return answered


async def _exchange(path: Path, line: bytes) -> bytes | None:
    loop = asyncio.get_running_loop()
    # No stream: what asyncio builds for one takes four times as long, and every child
    # is asked every second.
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
        door.setblocking(False)  # noqa: FBT003  the socket module's own way
        # By its number: a socket that is not found is written out in full first.
        number = door.fileno()
        # Who listens on a Unix socket is there at once, or its backlog is full.
        door.connect(str(path))
        try:
            await loop.sock_sendall(door, line)
            return await _answer_on(door)
        finally:
            # A cancelled wait lets go of the descriptor only in the loop's next round,
            # when its number may be another's.
            loop.remove_reader(number)
            loop.remove_writer(number)


async def _answer_on(door: socket.socket) -> bytes | None:
    """Return the first whole line; None when the connection ends before it.

    Raises:
        ValueError: The line is longer than `LINE_LIMIT`.
    """
    loop = asyncio.get_running_loop()
    answer = bytearray()
    while b"\n" not in answer:
        if len(answer) > LINE_LIMIT:
            raise ValueError("the answer is too long")
        part = await loop.sock_recv(door, _PART_BYTES)
        if not part:
            return None
        answer += part
    return bytes(answer)


async def _line(reader: asyncio.StreamReader) -> bytes | None:
    """Return the next whole line; None at the end, also after half a line.

    Raises:
        ValueError: The line is longer than `LINE_LIMIT`.
    """
    line = await reader.readline()
    return line if line.endswith(b"\n") else None


def _encode(message: Mapping[str, Json]) -> bytes:
    return json.dumps(message, allow_nan=False, separators=(",", ":")).encode() + b"\n"


def _decode(line: bytes) -> dict[str, Json]:
    try:
        message = json.loads(line, parse_constant=_no_constant)
    except (ValueError, RecursionError) as e:
        raise Refused(f"this is not JSON: {e}") from e
    if not isinstance(message, dict):
        raise Refused("a request is a JSON object")
    return message


def _no_constant(name: str) -> Json:
    raise ValueError(f"{name} is no JSON number")


def _bind(path: Path) -> socket.socket:
    """Return a socket at `path` that its owner alone may connect to."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.unlink(missing_ok=True)
        made.bind(str(path))
        # Nobody can connect before listen(), so there is no moment of openness.
        path.chmod(0o600)
    except OSError as e:
        made.close()
        raise Broken(
            f"the socket {path} can't be made: {e.strerror or e}",
            "a socket's path has at most 106 characters, in a folder of one's own",
        ) from e
    return made


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(0)
        try:
            probe.connect(str(path))
        except OSError as e:
            # EAGAIN is a live server whose backlog is full; all else is nobody.
            return e.errno == errno.EAGAIN
    return True
