"""Operating-system processes that we own, through pidfds.

A pidfd is taken while a process is provably ours: an unreaped child, or one whose
start time, boot id and argument list are those of its record. From then on the
descriptor is the proof; a recycled pid can't be met. It also tells of the exit.

Every process has a session of its own, so it outlives us, and whatever it leaves
behind can be found by its session id. Its output goes to one file, which we cut; there
is no pipe, so neither side can stall or kill the other.

Source: pidfd_open(2), pidfd_send_signal(2), waitid(2), proc(5), setsid(2).
"""

import asyncio
import errno
import hashlib
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from agent.adapters.executables import Executables
from agent.adapters.jack_leftovers import drop_dead_metadata
from agent.adapters.proc_log import ProcLog
from agent.doors import EXIT_UNKNOWN, Bell
from sessiond.core.proc import ProcIdentity, ProcPlan, ProcSeen, Program
from sessiond.errors import Broken, SessiondError, Unavailable
from sessiond.units import ProcName

# Seconds between two looks at log sizes while nothing else happens.
TRIM_EVERY: Final = 5.0

# Where each log's next start begins to count, so that a reader misses nothing. One
# whose number is forgotten is read from the start of what there is.
MOST_STARTS: Final = 256

_ROOM: Final = frozenset(
    {errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ENOSPC}
)


def argv_hash(argv: Sequence[str]) -> str:
    """Return the SHA-256 of an argument list as /proc/PID/cmdline shows it.

    A script started by its `#!` line shows another list; such a one can't be adopted.
    """
    cmdline = b"".join(os.fsencode(word) + b"\0" for word in argv)
    return hashlib.sha256(cmdline).hexdigest()


def boot_id() -> str:
    """Return the kernel's random id of this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


class _Stat(NamedTuple):
    """What proc(5) tells of a pid; `started` in clock ticks since boot."""

    zombie: bool
    session: int
    started: int


def _stat(pid: int) -> _Stat | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The program's name, in brackets, may itself hold brackets and spaces.
    fields = text.rpartition(")")[2].split()
    return _Stat(fields[0] in "ZX", int(fields[3]), int(fields[19]))


def _is_ours(identity: ProcIdentity) -> bool:
    """Whether this pid is alive and is the process of that record."""
    stat = _stat(identity.pid)
    if stat is None or stat.zombie or stat.started != identity.started:
        return False
    try:
        cmdline = Path(f"/proc/{identity.pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return hashlib.sha256(cmdline).hexdigest() == identity.argv_hash


def _stragglers(leader: int, started: int) -> Iterator[int]:
    """Yield the living pids in a session, without its leader.

    While any of them lives the kernel gives the leader's pid to nobody else, so a
    session id that matches is still the session that we opened.
    """
    for entry in os.scandir("/proc"):
        if not entry.name.isdecimal() or int(entry.name) == leader:
            continue
        stat = _stat(int(entry.name))
        if stat is None or stat.zombie or stat.session != leader:
            continue
        if stat.started >= started:
            yield int(entry.name)


def _kill(pid: int, session: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        pidfd = os.pidfd_open(pid)
        try:
            stat = _stat(pid)
            if stat is not None and stat.session == session:
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        finally:
            os.close(pidfd)


@dataclass(slots=True)
class _Owned:
    """A process started or adopted; pidfd is None once it has ended."""

    identity: ProcIdentity
    log: ProcLog
    pidfd: int | None
    exit_code: int | None = None


class OsProcs:
    """The processes of this agent (door `Procs`).

    Args:
        log_folder: Holds one file a proc; must be there, and nobody else's.
        bell: Rung, on the event loop, when a process has ended.
        executables: Where the programs lie; found now unless they are given.
    """

    def __init__(
        self, log_folder: Path, bell: Bell, executables: Executables | None = None
    ) -> None:
        self._folder = log_folder
        self._executables = executables or Executables()
        self._bell = bell
        self._boot_id = boot_id()
        self._owned: dict[ProcName, _Owned] = {}
        self._starts: dict[ProcName, int] = {}
        self._trimming: asyncio.TimerHandle | None = None

    async def spawn(self, plan: ProcPlan) -> ProcIdentity:
        """Start a process in a session of its own, its output to its log file.

        Raises:
            Broken: The program is missing, none of ours, or may not be executed; or
                what a dead JACK server left can't be removed.
            Unavailable: The system has no room for another process.
        """
        executable = self._executables.of(plan.argv[0])
        self._clear(plan.name)
        if plan.program is Program.JACKD:
            drop_dead_metadata()
        log = self._open_log(plan.name, os.O_TRUNC)
        try:
            pid = _start(plan, executable, log)
            pidfd = _watch_descriptor(pid)
        except SessiondError:
            if log is not None:
                os.close(log)
            raise
        stat = _stat(pid)
        # An unreaped child has its entry in /proc, dead or alive.
        assert stat is not None  # noqa: S101
        identity = ProcIdentity(
            pid=pid,
            started=stat.started,
            boot_id=self._boot_id,
            argv_hash=argv_hash(plan.argv),
        )
        self._own(plan.name, identity, pidfd, log)
        return identity

    def adopt(self, name: ProcName, identity: ProcIdentity) -> bool:
        """Take over a process of an earlier agent; False if it is no longer it.

        What a dead one has left behind in its session is ended.
        """
        if identity.boot_id != self._boot_id:
            return False
        try:
            pidfd = os.pidfd_open(identity.pid)
        except ProcessLookupError:
            self._end_stragglers(identity)
            return False
        # The descriptor came first: if it is alive and ours now, it was then.
        if not _is_ours(identity):
            os.close(pidfd)
            return False
        self._clear(name)
        self._own(name, identity, pidfd, self._open_log(name, 0))
        return True

    def signal(self, name: ProcName, number: int) -> None:
        """Send a signal to the process, if it is still ours and alive.

        Whatever it leaves behind in its session is killed once it has ended.
        """
        owned = self._owned.get(name)
        if owned is None or owned.pidfd is None:
            return
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(owned.pidfd, signal.Signals(number))

    def seen(self) -> Mapping[ProcName, ProcSeen]:
        """Return every process started or adopted and not yet forgotten."""
        return {
            name: ProcSeen(
                identity=owned.identity,
                exit_code=owned.exit_code,
                tail=owned.log.tail(),
            )
            for name, owned in self._owned.items()
        }

    def read_log(self, name: ProcName, offset: int) -> tuple[str, int]:
        """Return what the log has beyond `offset`, at most 64 KiB, and the next offset.

        The text may end in the middle of a line. When the log has been cut, or begun
        anew by another start, reading goes on at the start of what there is.
        """
        owned = self._owned.get(name)
        return ("", offset) if owned is None else owned.log.read(offset)

    def forget(self, name: ProcName) -> None:
        """Drop an ended process from `seen`.

        Raises:
            ValueError: It has not ended.
        """
        self._clear(name)

    def close(self) -> None:
        """Let go of every process without ending it."""
        for name, owned in tuple(self._owned.items()):
            self._let_go(owned)
            self._starts[name] = owned.log.close()
        self._owned.clear()
        if self._trimming is not None:
            self._trimming.cancel()
            self._trimming = None

    def _own(
        self, name: ProcName, identity: ProcIdentity, pidfd: int, log: int | None
    ) -> None:
        start = self._starts.get(name, 0)
        owned = _Owned(identity=identity, log=ProcLog(log, start), pidfd=pidfd)
        self._owned[name] = owned
        asyncio.get_running_loop().add_reader(pidfd, self._ended, owned)
        if self._trimming is None:
            self._trim()

    def _ended(self, owned: _Owned) -> None:
        if owned.pidfd is None:
            return
        # First its session, while the unreaped child still keeps its pid from others.
        self._end_stragglers(owned.identity)
        owned.exit_code = _reap(owned.pidfd)
        self._let_go(owned)
        self._bell()

    def _let_go(self, owned: _Owned) -> None:
        if owned.pidfd is not None:
            asyncio.get_running_loop().remove_reader(owned.pidfd)
            os.close(owned.pidfd)
            owned.pidfd = None

    def _end_stragglers(self, identity: ProcIdentity) -> None:
        leader = _stat(identity.pid)
        if leader is not None and leader.started != identity.started:
            return  # a stranger has the pid: nobody of that session is left
        for pid in _stragglers(identity.pid, identity.started):
            _kill(pid, identity.pid)

    def _clear(self, name: ProcName) -> None:
        owned = self._owned.get(name)
        if owned is None:
            return
        if owned.pidfd is not None:
            raise ValueError(f"{name} has not ended")
        if len(self._starts) >= MOST_STARTS:
            self._starts.clear()
        self._starts[name] = owned.log.close()
        del self._owned[name]

    def _open_log(self, name: ProcName, flags: int) -> int | None:
        """Return a descriptor of the log; None when the disk has no room for one."""
        if "/" in name:
            raise ValueError(f"{name} is no file name")
        flags |= os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
        try:
            return os.open(self._folder / name, flags, 0o600)
        except OSError as e:
            if e.errno in {errno.ENOSPC, errno.EDQUOT, errno.EROFS}:
                return None  # a full disk never stops music
            if e.errno in _ROOM:
                raise _no_room(name, e) from e
            raise Broken(
                f"the log of {name} can't be written: {e.strerror}",
                f"look at the owner and the mode of {self._folder}",
            ) from e

    def _trim(self) -> None:
        for owned in self._owned.values():
            owned.log.tend()
        loop = asyncio.get_running_loop()
        self._trimming = (
            loop.call_later(TRIM_EVERY, self._trim) if self._owned else None
        )


def _start(plan: ProcPlan, executable: str, log: int | None) -> int:
    """Return the pid of a new process; the caller owes it a `_reap`."""
    output = subprocess.DEVNULL if log is None else log
    try:
        started = subprocess.Popen(
            plan.argv,
            executable=executable,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env={**os.environ, **dict(plan.env)},
            user=plan.user or None,
            group=plan.user or None,
            extra_groups=[] if plan.user else None,
        )
    except KeyError as e:
        raise Broken(
            f"there is no user {plan.user} here", f"install {plan.argv[0]} again"
        ) from e
    except OSError as e:
        if e.errno in _ROOM:
            raise _no_room(plan.name, e) from e
        raise Broken(
            f"{plan.argv[0]} can't be executed: {e.strerror}",
            "install it again, or look at its file mode",
        ) from e
    # Reaping is ours alone, by pidfd: this keeps Popen's destructor out of it.
    started.returncode = 0
    return started.pid


def _watch_descriptor(pid: int) -> int:
    try:
        return os.pidfd_open(pid)
    except OSError as e:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise Unavailable(f"no process can be watched: {e.strerror}") from e


def _reap(pidfd: int) -> int:
    """Return an ended process's exit code; `EXIT_UNKNOWN` if it is no child of ours."""
    try:
        result = os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOHANG)
    except ChildProcessError:
        return EXIT_UNKNOWN
    if result is None:
        return EXIT_UNKNOWN
    exited = result.si_code == os.CLD_EXITED
    return result.si_status if exited else -result.si_status


def _no_room(name: str, e: OSError) -> Unavailable:
    return Unavailable(
        f"the system has no room to start {name}: {e.strerror}",
        "end other programs, or raise the limits on processes and open files",
    )
