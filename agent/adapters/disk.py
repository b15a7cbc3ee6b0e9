"""This host's state folder: named documents that are whole after any crash.

A document has two slots, written in turn. A new version goes to a scratch file that is
synced, takes the place of the *older* slot by rename, and is durable once the folder is
synced too; until then the other slot holds the version before. Each slot begins with
one line: format, sequence, SHA-256 of the sequence and the content. The highest valid
sequence wins.

A reserve of some blocks is set aside while there is room. On a full disk it is spent,
and made again as soon as it can be, for the few documents without which a crash would
be heard: which processes are ours, and whether the microphone is closed.

Source: fsync(2), rename(2); "All File Systems Are Not Created Equal" (OSDI 2014).
"""

import errno
import fcntl
import hashlib
import os
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.doors import LEAST_ROOM
from sessiond.errors import Broken, Unavailable

FORMAT: Final = b"sessiond-1"
SLOTS: Final = (0, 1)
SECRET_MODE: Final = 0o600
FOLDER_MODE: Final = 0o700

# Two dozen procs' records are 24 KiB; each write needs its size once more for a moment.
RESERVE_BYTES: Final = 128 * 1024
# The unit in which file systems give room.
BLOCK_BYTES: Final = 4096

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,47}")
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
# It says nothing of the folder, and passes.
_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})

Fault = Callable[[str], None]
"""Called between any two steps of a write with the step that comes next."""


def _no_fault(_: str) -> None:
    """Go on."""


@dataclass(frozen=True, slots=True)
class _Version:
    slot: int
    sequence: int
    content: bytes


class DiskStore:
    """The state folder (door `Store`).

    Args:
        state_dir: Made when missing, mode 0700.
        fault: For tests: may raise, or end the process, between two steps.

    Raises:
        Broken: The folder can't be made or written; a full disk is not broken.
    """

    def __init__(self, state_dir: Path, fault: Fault = _no_fault) -> None:
        self._path = state_dir
        self._fault = fault
        self._lock: int | None = None
        try:
            state_dir.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            state_dir.chmod(FOLDER_MODE)
            self._try_out()
        except OSError as e:
            if e.errno not in _FULL:
                raise self._broken("written", e) from e
        self._set_aside()

    def lock(self) -> None:
        """Keep other agents out of this folder until `close` or our end.

        Raises:
            Broken: Another agent works in it.
        """
        lock = os.open(self._path / "lock", os.O_RDWR | os.O_CREAT, SECRET_MODE)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as e:
            os.close(lock)
            raise Broken(
                f"another agent is running in {self._path}",
                "give this one a state_dir of its own in agent.toml",
            ) from e
        self._lock = lock

    def close(self) -> None:
        """Let other agents in."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def load(self, name: str) -> bytes | None:
        """Return the newest whole version of a document, or None.

        Raises:
            Broken: The folder can't be read, or the disk has damaged all versions.
            Unavailable: This process has too many files open.
        """
        newest = self._newest(name)
        return None if newest is None else newest.content

    def save(self, name: str, content: bytes, *, spare: bool = False) -> None:
        """Store a document durably before returning.

        Args:
            name: The document.
            content: Its new version.
            spare: On a full disk the reserve is there for this document.

        Raises:
            Unavailable: The disk is full or read-only; what is loaded next is whole,
                the version before or (when only the last sync failed) this one.
        """
        newest = self._newest(name)
        slot = self._slot(name, 0 if newest is None else 1 - newest.slot)
        stored = _encoded(1 if newest is None else newest.sequence + 1, content)
        try:
            self._write_somehow(slot, stored, spare=spare)
        except OSError as e:
            raise Unavailable(
                f"the state can't be stored in {self._path}: {e.strerror}",
                "make room on that disk",
            ) from e
        self._set_aside()

    def save_secret(self, name: str, content: bytes) -> None:
        """Like `save`, in a file of mode 0600, and no older version of it is kept.

        Raises:
            Unavailable: As `save`.
        """
        self.save(name, content)
        newest = self._newest(name)
        if newest is not None:
            self._remove(self._slot(name, 1 - newest.slot))

    def has_room(self) -> bool:
        """Tell whether `LEAST_ROOM` could be stored now, the reserve left alone.

        A quota is found only by writing.
        """
        try:
            room = os.statvfs(self._path)
        except OSError:
            return True  # it says nothing of the disk
        free = room.f_bavail if os.geteuid() else room.f_bfree
        return free * room.f_frsize >= LEAST_ROOM

    def erase(self, name: str) -> None:
        """Remove every version of a document; without one, do nothing.

        Raises:
            Unavailable: The disk is read-only.
        """
        newest = self._newest(name)
        # The older first: a crash in between must not bring it back.
        slots = SLOTS if newest is None else (1 - newest.slot, newest.slot)
        for slot in slots:
            self._remove(self._slot(name, slot))

    def folder(self, name: str) -> Path:
        """Return a sub-folder of mode 0700 for logs or sockets, made when missing.

        Raises:
            Unavailable: The disk is full or read-only.
        """
        path = self._path / _checked(name)
        try:
            path.mkdir(mode=FOLDER_MODE, exist_ok=True)
            path.chmod(FOLDER_MODE)
        except OSError as e:
            raise Unavailable(f"{path} can't be made: {e.strerror}") from e
        return path

    def _newest(self, name: str) -> _Version | None:
        stored = {slot: self._read(name, slot) for slot in SLOTS}
        found = [_decoded(slot, text) for slot, text in stored.items() if text]
        versions = [version for version in found if version is not None]
        if versions:
            return max(versions, key=lambda version: version.sequence)
        # No crash of ours leaves this, and to forget a vote is to vote twice.
        if any(text is not None for text in stored.values()):
            raise Broken(
                f"the disk has damaged {name} in {self._path}",
                "restore it, or remove it to begin anew under another identity",
            )
        return None

    def _read(self, name: str, slot: int) -> bytes | None:
        try:
            return self._slot(name, slot).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as e:
            if e.errno in _EXHAUSTED:
                raise Unavailable(f"the state can't be read: {e.strerror}") from e
            raise self._broken("read", e) from e

    def _write_somehow(self, slot: Path, stored: bytes, *, spare: bool) -> None:
        try:
            self._write(slot, stored)
        except OSError as e:
            if not spare or e.errno not in _FULL or not self._spend(len(stored)):
                raise
            self._write(slot, stored)

    def _set_aside(self) -> None:
        """Make the reserve whole again, where there is room for it."""
        with suppress(OSError):
            if self._reserved() < RESERVE_BYTES:
                flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW
                file = os.open(self._path / "reserve", flags, SECRET_MODE)
                try:
                    os.posix_fallocate(file, 0, RESERVE_BYTES)
                finally:
                    os.close(file)

    def _spend(self, needed: int) -> bool:
        """Give some of the reserve back to the disk; False when there is none."""
        left = self._reserved()
        if not left:
            return False
        # The scratch file's blocks, and one for the folder's own growth.
        given = (needed // BLOCK_BYTES + 2) * BLOCK_BYTES
        with suppress(OSError):
            os.truncate(self._path / "reserve", max(0, left - given))
            return True
        return False

    def _reserved(self) -> int:
        """Return how many bytes are set aside, a file system's whole blocks."""
        try:
            stat = (self._path / "reserve").stat()
        except OSError:
            return 0
        return min(stat.st_size, stat.st_blocks * 512)

    def _write(self, slot: Path, stored: bytes) -> None:
        scratch = slot.with_suffix(".new")
        try:
            self._fill(scratch, stored)
            self._fault("rename")
            scratch.replace(slot)
        except OSError:
            with suppress(OSError):
                scratch.unlink(missing_ok=True)
            raise
        self._fault("sync folder")
        self._sync_folder()
        self._fault("return")

    def _fill(self, scratch: Path, stored: bytes) -> None:
        self._fault("create")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        with os.fdopen(os.open(scratch, flags, SECRET_MODE), "wb") as file:
            os.fchmod(file.fileno(), SECRET_MODE)
            self._fault("write")
            half = len(stored) // 2
            file.write(stored[:half])
            file.flush()
            self._fault("write the rest")
            file.write(stored[half:])
            file.flush()
            self._fault("sync file")
            os.fsync(file.fileno())

    def _remove(self, path: Path) -> None:
        try:
            self._fault("remove")
            path.unlink(missing_ok=True)
            self._fault("sync removal")
            self._sync_folder()
        except OSError as e:
            raise Unavailable(f"{path} can't be removed: {e.strerror}") from e

    def _sync_folder(self) -> None:
        folder = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _try_out(self) -> None:
        """Write and remove a file, as root's permissions tell nothing."""
        trial = self._path / "trial.new"
        trial.write_bytes(FORMAT)
        trial.unlink()

    def _slot(self, name: str, slot: int) -> Path:
        return self._path / f"{_checked(name)}.{slot}"

    def _broken(self, verb: str, e: OSError) -> Broken:
        return Broken(
            f"the state folder {self._path} can't be {verb}: {e.strerror}",
            "look at its owner and mode, or set state_dir in agent.toml",
        )


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a document")
    return name


def _encoded(sequence: int, content: bytes) -> bytes:
    return b"%s %d %s\n%s" % (FORMAT, sequence, _digest(sequence, content), content)


def _decoded(slot: int, stored: bytes) -> _Version | None:
    """Return what a slot holds; None when it is not whole."""
    header, _, content = stored.partition(b"\n")
    words = header.split(b" ")
    if len(words) != 3 or words[0] != FORMAT or not words[1].isdigit():
        return None
    sequence = int(words[1])
    if words[2] != _digest(sequence, content):
        return None
    return _Version(slot, sequence, content)


def _digest(sequence: int, content: bytes) -> bytes:
    return hashlib.sha256(b"%d\n%s" % (sequence, content)).hexdigest().encode()
