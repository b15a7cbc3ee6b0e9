"""A proc's output file: bounded, and with room set aside for what comes next.

On a full disk a write fails, and what a program makes of that is its own affair:
JackTrip says nothing ever again, and a link whose count no longer grows looks dead.
So there is always room beyond the end, and where the disk gives none the file is cut.

Source: fallocate(2); std::ostream keeps its badbit (tried with JackTrip 1.7).
"""

import codecs
import ctypes
import errno
import os
from typing import Final

# A day of a chatty link is a few hundred KiB; ten procs' logs stay below 10 MiB.
LOG_LIMIT: Final = 1024 * 1024
# A link writes 100 bytes a second: ten minutes' worth, asked for every 5 s.
ROOM_AHEAD: Final = 64 * 1024
# Some forty lines: an error, and what led to it.
TAIL_LENGTH: Final = 4096
# One read of a full log takes sixteen; none of them holds a turn up.
READ_LENGTH: Final = 64 * 1024

_KEEP_SIZE: Final = 0x01
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})

# os.posix_fallocate would make the file longer, and then zeros were read from it.
_libc: Final = ctypes.CDLL(None, use_errno=True)
_libc.fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)


class ProcLog:
    """A proc's output file, bounded by cutting it to nothing.

    Offsets count all bytes that were ever written under this name, so a reader that
    comes back after a cut or a new start goes on at the start of what there is.

    Args:
        descriptor: The open file, ours from now on; None for a proc without a log.
        start: The offset of the file's first byte.
    """

    def __init__(self, descriptor: int | None, start: int) -> None:
        self._descriptor = descriptor
        self._start = start
        self._before_cut = b""
        if descriptor is not None:
            _set_room_aside(descriptor, self._size())

    def close(self) -> int:
        """Close the file; return the offset at which a successor starts."""
        if self._descriptor is None:
            return self._start
        end = self._start + self._size()
        os.close(self._descriptor)
        self._descriptor = None
        return end

    def tend(self) -> None:
        """Set room aside; empty a file that is over its limit or gets none.

        The tail of what is cut stays known.
        """
        size = self._size()
        if self._descriptor is None:
            return
        has_room = _set_room_aside(self._descriptor, size)
        if size <= LOG_LIMIT and (has_room or not size):
            return
        kept = min(size, TAIL_LENGTH)
        self._before_cut = self._bytes(size - kept, kept)
        os.ftruncate(self._descriptor, 0)
        self._start += size
        _set_room_aside(self._descriptor, 0)

    def tail(self) -> str:
        """Return its last words, over a cut too."""
        size = self._size()
        end = self._bytes(max(0, size - TAIL_LENGTH), TAIL_LENGTH)
        return (self._before_cut + end)[-TAIL_LENGTH:].decode("utf-8", "replace")

    def read(self, offset: int) -> tuple[str, int]:
        """Return what there is beyond an offset, bounded, and the next offset."""
        position = offset - self._start
        if not 0 <= position <= self._size():
            position = 0
        found = self._bytes(position, READ_LENGTH)
        # A character that is still being written is left for the next read.
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        text = decoder.decode(found)
        unread = len(decoder.getstate()[0])
        return text, self._start + position + len(found) - unread

    def _size(self) -> int:
        return 0 if self._descriptor is None else os.fstat(self._descriptor).st_size

    def _bytes(self, position: int, length: int) -> bytes:
        if self._descriptor is None:
            return b""
        return os.pread(self._descriptor, length, position)


def _set_room_aside(descriptor: int, size: int) -> bool:
    """Have the disk keep room beyond a file's end; False when it has none.

    A file system that can't, does as it always did.
    """
    # In whole steps, so that most calls find all of it there.
    end = (size // ROOM_AHEAD + 2) * ROOM_AHEAD
    failed: int = _libc.fallocate(descriptor, _KEEP_SIZE, 0, end)
    return not failed or ctypes.get_errno() not in _FULL
