"""Holds one host's namespaces open, and takes everything in them along at the end.

Run as a script (``python -I -S holder.py NAME``): it makes the namespaces, writes
``ready`` to stdout and reads stdin. When stdin ends, because the lab closed it or
because the lab's process died in whatever way, it kills every process that lives
in its network namespace, itself last.

Only what a bare interpreter has is imported, so that a host starts in 20 ms.
"""

import contextlib
import ctypes
import os
import select
import signal
import sys

# From <linux/sched.h> and <linux/mount.h>; the os module has them from 3.12 on.
CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWNET = 0x40000000
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_REC = 0x4000
MS_PRIVATE = 0x40000

_STATIONS = "/run/sessiond"

# A killed process is gone within milliseconds, unless its disk hangs.
_GONE_WITHIN = 5.0
_ROUNDS = 10


def network_of(pid: int) -> int | None:
    """Return the inode of a process's network namespace; None once it is gone."""
    try:
        return os.stat(f"/proc/{pid}/ns/net").st_ino  # noqa: PTH116  a bare start
    except OSError:
        return None


def pids_in(network: int) -> list[int]:
    """Return every process that lives in a network namespace, in any order."""
    pids = (int(name) for name in os.listdir("/proc") if name.isdigit())  # noqa: PTH208
    return [pid for pid in pids if network_of(pid) == network]


def _call(libc: ctypes.CDLL, name: str, *arguments: object) -> None:
    if getattr(libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _enter(name: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    _call(libc, "unshare", CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWUTS)
    _call(libc, "sethostname", name.encode(), len(name))
    _call(libc, "mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)
    shm = b"tmpfs", b"/dev/shm", b"tmpfs", MS_NOSUID | MS_NODEV, b"mode=1777"
    _call(libc, "mount", *shm)
    # Where an agent of root's keeps its Icecast's file, which a killed one leaves.
    with contextlib.suppress(PermissionError):
        os.makedirs(_STATIONS, exist_ok=True)  # noqa: PTH103  a bare start
        run = b"tmpfs", _STATIONS.encode(), b"tmpfs", MS_NOSUID | MS_NODEV, b"mode=755"
        _call(libc, "mount", *run)


def _clear() -> None:
    """Kill all others in here and see them gone.

    Whoever forked meanwhile is met on the next round.
    """
    network = network_of(os.getpid())
    assert network is not None  # noqa: S101  our own entry in /proc
    for _ in range(_ROUNDS):
        handles = [_killed(pid) for pid in set(pids_in(network)) - {os.getpid()}]
        for handle in handles:
            if handle is not None:
                # Readable once the process has ended.
                select.select([handle], [], [], _GONE_WITHIN)
                os.close(handle)
        if not handles:
            return


def _killed(pid: int) -> "int | None":
    """Kill a process and return a descriptor of it; None if it has gone already."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    return handle


def main() -> None:
    """Hold until stdin ends."""
    # Ctrl-C on the terminal is the lab's to act on, not ours.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _enter(sys.argv[1])
    os.write(1, b"ready\n")
    while os.read(0, 4096):
        pass
    _clear()


if __name__ == "__main__":
    main()
