"""The door to FFmpeg as a pair of ears: bytes of a stream in, measured tenths out."""

import asyncio
import os
import shutil
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from sessiond.core.tenths import Tenth, decoder_argv, read_tenths
from sessiond.errors import Broken, Unavailable
from sessiond.units import Seconds

_CHUNK_BYTES: Final = 65536

# Ties FFmpeg's life to ours, also where we are killed; part of every Debian.
_TIE: Final = ("setpriv", "--pdeathsig", "KILL", "--")

# FFmpeg takes what a pipe holds at once; one that does not has hung.
_TAKES_WITHIN: Final = Seconds(5.0)

_TAIL_LINES: Final = 3

Heard = Callable[[Sequence[Tenth]], None]


class Decoder:
    """One FFmpeg that listens; see `decoding`."""

    def __init__(self, child: asyncio.subprocess.Process, heard: Heard) -> None:
        self._child = child
        self._heard = heard
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)

    async def feed(self, sound: bytes) -> None:
        """Have it listen to these bytes.

        Raises:
            Unavailable: It has ended, or takes nothing any more.
        """
        assert self._child.stdin is not None  # noqa: S101  it was asked for
        try:
            async with asyncio.timeout(_TAKES_WITHIN):
                self._child.stdin.write(sound)
                await self._child.stdin.drain()
        except TimeoutError as e:
            raise Unavailable("FFmpeg takes nothing any more") from e
        except OSError as e:
            said = " · ".join(self._tail) or "it said nothing"
            raise Unavailable(f"FFmpeg can't play this: {said}") from e

    async def listen(self) -> None:
        """Tell of every tenth until the decoder ends."""
        assert self._child.stdout is not None  # noqa: S101  it was asked for
        rest = ""
        while chunk := await self._child.stdout.read(_CHUNK_BYTES):
            tenths, rest = read_tenths(rest + chunk.decode("ascii", "replace"))
            if tenths:
                self._heard(tenths)

    async def keep_words(self) -> None:
        """Keep FFmpeg's last words, and never let it wait for a reader."""
        assert self._child.stderr is not None  # noqa: S101  it was asked for
        while chunk := await self._child.stderr.read(_CHUNK_BYTES):
            lines = chunk.decode("utf-8", "replace").splitlines()
            self._tail.extend(line.strip()[:200] for line in lines if line.strip())


@asynccontextmanager
async def decoding(heard: Heard) -> AsyncGenerator[Decoder, None]:
    """Run FFmpeg until the block ends.

    Args:
        heard: Called on the event loop with each lot of tenths, oldest first.

    Raises:
        Broken: FFmpeg is missing or can't be started.
    """
    child = await _start()
    decoder = Decoder(child, heard)
    try:
        async with asyncio.TaskGroup() as group:
            tasks = (
                group.create_task(decoder.listen()),
                group.create_task(decoder.keep_words()),
            )
            try:
                yield decoder
            finally:
                await _end(child, tasks)
    except ExceptionGroup as e:
        # The block's own error: the tasks have none.
        raise e.exceptions[0] from e


async def _end(
    child: asyncio.subprocess.Process, tasks: Sequence[asyncio.Task[None]]
) -> None:
    """Kill FFmpeg and wait for its end, whoever is in a hurry.

    Its pipes end with it, and so do the tasks. Cancelled before that, they would leave
    the pipes open.
    """
    with suppress(ProcessLookupError):
        child.kill()
    cancelled = False
    ending = asyncio.gather(child.wait(), *tasks)
    while not ending.done():
        try:
            await asyncio.shield(ending)
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError


async def _start() -> asyncio.subprocess.Process:
    tie, *tied = _TIE
    program, *arguments = decoder_argv()
    try:
        return await asyncio.create_subprocess_exec(
            *(_place(tie), *tied, _place(program), *arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as e:
        raise Broken(f"FFmpeg can't be started: {e.strerror or e}.") from e


def _place(program: str) -> str:
    """Return where a program lies, looked for in absolute folders alone.

    Raises:
        Broken: It is missing.
    """
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    absolute = os.pathsep.join(f for f in folders if Path(f).is_absolute())
    # An empty path would stand for the system's default one.
    if absolute and (found := shutil.which(program, path=absolute)):
        return found
    raise Broken(f"The program {program} is missing.", "sudo apt install ffmpeg")
