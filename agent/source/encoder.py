"""FFmpeg as a child: started, drained, restarted, ended; its words kept for a report.

What becomes of the sound is not known here: every chunk goes to `sink` at once, so
that FFmpeg never waits for anybody (16 periods of waiting are an xrun).
"""

import asyncio
import contextlib
import os
import signal
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

from agent.adapters.executables import Executables
from sessiond.errors import Broken, Unavailable
from sessiond.units import Seconds

# The most that one read takes; a pipe holds as much.
_CHUNK_BYTES: Final = 65536

# How long FFmpeg may take to end by itself before it is killed.
_TERM_SECONDS: Final = Seconds(2.0)

# Waits between tries. The first is short: on the air every tenth of a second counts.
# Together they last longer than a JACK server takes to start again.
BACKOFF: Final = tuple(map(Seconds, (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 4.0, 4.0)))

# The first sound takes 0.2 s, or more on a machine that starts everything at once.
_FIRST_SECONDS: Final = Seconds(5.0)

# Even silent Vorbis comes every 0.65 s: what gives nothing for longer has hung.
_NEXT_SECONDS: Final = Seconds(2.0)

# An encoder that ran this long has earned its restarts back.
_EARNED_SECONDS: Final = Seconds(10.0)

# Lines of FFmpeg's that are kept; a failure to start takes three or four.
_TAIL_LINES: Final = 6

# Ties FFmpeg's life to ours. By itself it would notice our death at its next write,
# and a new FFmpeg started before that would get another name in JACK than planned.
# Our main thread starts it, so that the death of that thread is the process's.
_TIE: Final = "setpriv"
_TIED: Final = ("--pdeathsig", "KILL", "--")

# What FFmpeg says when a person is needed, and what the person is told.
_BROKEN_SIGNS: Final[Mapping[str, str]] = {
    "setpriv: failed to execute": "The program ffmpeg can't be started",
    "Unknown encoder": "This FFmpeg lacks the codec",
    "Unknown input format": "This FFmpeg can't record from JACK",
    "Unrecognized option": "This FFmpeg is too old",
}

Now = Callable[[], Seconds]


class Encoder:
    """One FFmpeg at a time, for as long as `run` is not cancelled.

    Args:
        argv: From `sessiond.core.sourcing.ffmpeg_argv`.
        env: FFmpeg's whole environment.
        sink: Gets every chunk of output, in order; must not block.
        restarted: Called before the first chunk of each further FFmpeg.
        now: A monotonic clock.
        backoff: Waits between tries; one more failure in a row is the end.
        executables: Where FFmpeg lies; found on the PATH of `env` unless given.
    """

    def __init__(
        self,
        argv: tuple[str, ...],
        env: Mapping[str, str],
        *,
        sink: Callable[[bytes], None],
        restarted: Callable[[], None],
        now: Now,
        backoff: tuple[Seconds, ...] = BACKOFF,
        executables: Executables | None = None,
    ) -> None:
        self._executables = executables or Executables(env.get("PATH"))
        self._backoff = backoff
        self._argv = argv
        self._env = env
        self._sink = sink
        self._restarted = restarted
        self._now = now
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._pidfd: int | None = None
        self.pid = 0
        self.restarts = 0
        self.encoded_bytes = 0

    @property
    def said(self) -> str:
        """FFmpeg's last words, as one line."""
        return " · ".join(self._tail)

    def renew(self) -> None:
        """End the present FFmpeg at once, so that another takes its place."""
        _signal(self._pidfd, signal.SIGKILL)

    async def run(self) -> None:
        """Keep FFmpeg running; ends it when cancelled.

        Raises:
            Broken: FFmpeg, its codec or its JACK input is missing.
            Unavailable: FFmpeg ended too often in a row.
        """
        failures = 0
        while True:
            begun = self._now()
            code = await self._run_once()
            self._raise_if_broken()
            if self._now() - begun >= _EARNED_SECONDS:
                failures = 0
            if failures == len(self._backoff):
                raise Unavailable(
                    f"FFmpeg ended {failures + 1} times in a row, last with code "
                    f"{code}: {self.said or 'it said nothing'}.",
                    "Is the JACK server running?",
                )
            await asyncio.sleep(self._backoff[failures])
            failures += 1
            self.restarts += 1
            self._restarted()

    async def _run_once(self) -> int:
        self._tail.clear()
        self.encoded_bytes = 0
        child = await self._start()
        self._pidfd = pidfd = _pidfd(child.pid)
        self.pid = child.pid
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._drain(child, pidfd))
                group.create_task(self._listen(child))
            return await child.wait()
        finally:
            self._pidfd = None
            await _end(child, pidfd)
            if pidfd is not None:
                os.close(pidfd)
            self.pid = 0

    async def _start(self) -> asyncio.subprocess.Process:
        program, *arguments = self._argv
        tie, program = map(self._executables.of, (_TIE, program))
        try:
            return await asyncio.create_subprocess_exec(
                *(tie, *_TIED, program, *arguments),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=dict(self._env),
            )
        except OSError as e:
            raise Unavailable(f"FFmpeg can't be started: {e.strerror or e}.") from e

    async def _drain(
        self, child: asyncio.subprocess.Process, pidfd: int | None
    ) -> None:
        """Give the output to the sink, to its end; kill FFmpeg when it hangs."""
        assert child.stdout is not None  # noqa: S101  it was asked for
        while True:
            patience = _NEXT_SECONDS if self.encoded_bytes else _FIRST_SECONDS
            try:
                async with asyncio.timeout(patience):
                    chunk = await child.stdout.read(_CHUNK_BYTES)
            except TimeoutError:
                self._tail.append(f"gave nothing for {patience:g} s and was killed")
                _signal(pidfd, signal.SIGKILL)
                return
            if not chunk:
                return
            self.encoded_bytes += len(chunk)
            self._sink(chunk)

    async def _listen(self, child: asyncio.subprocess.Process) -> None:
        assert child.stderr is not None  # noqa: S101  it was asked for
        rest = b""
        # Not by readline: a line without an end would be an error there.
        while chunk := await child.stderr.read(_CHUNK_BYTES):
            *lines, rest = (rest + chunk)[-_CHUNK_BYTES:].splitlines(keepends=True)
            if rest.endswith(b"\n"):
                lines, rest = [*lines, rest], b""
            self._keep(lines)
        self._keep([rest])

    def _keep(self, lines: list[bytes]) -> None:
        for line in lines:
            if text := line.decode("utf-8", "replace").strip():
                self._tail.append(text[:300])

    def _raise_if_broken(self) -> None:
        for sign, sentence in _BROKEN_SIGNS.items():
            if sign in self.said:
                raise Broken(f"{sentence}: {self.said}.", "Install Debian's ffmpeg.")


async def _end(child: asyncio.subprocess.Process, pidfd: int | None) -> None:
    """End FFmpeg if it still runs: SIGTERM, after a while SIGKILL."""
    if child.returncode is not None:
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        _signal(pidfd, number)
        try:
            async with asyncio.timeout(_TERM_SECONDS):
                await child.wait()
                return
        except TimeoutError:
            continue


def _pidfd(pid: int) -> int | None:
    """Return a descriptor of a child just started; None if it has ended already.

    A signal through it can't hit a process that took over the number.
    """
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return None


def _signal(pidfd: int | None, number: int) -> None:
    if pidfd is not None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(pidfd, number)
