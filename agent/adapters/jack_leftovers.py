"""What a killed JACK server leaves behind, and the next one would wait on for ever."""

import os
import shutil
from pathlib import Path
from typing import Final

from sessiond.errors import Broken

SHARED: Final = Path("/dev/shm")  # noqa: S108  where JACK keeps it
"""The folder of JACK's shared memory."""

_MAPS: Final = "[0-9]*/maps"


def drop_dead_metadata(shared: Path = SHARED) -> bool:
    """Remove this user's JACK metadata where no living process has it open.

    All servers of a user share one Berkeley DB. One that is killed while it makes that
    leaves it half made, and jackd 1.9.21 then says ``BDB0002 __fop_file_setup: Retry
    limit (100) exceeded`` without an end.

    Args:
        shared: JACK's folder of shared memory.

    Returns:
        Whether there was something dead.

    Raises:
        Broken: It is there and can't be removed.
    """
    folder = shared / f"jack_db-{os.getuid()}"
    try:
        if _is_open(folder):
            return False
        shutil.rmtree(folder)
    except FileNotFoundError:
        return False
    except OSError as e:
        raise Broken(
            f"JACK's old metadata {folder} can't be removed: {e.strerror}.",
            "Remove that folder, or correct its owner.",
        ) from e
    return True


def _is_open(folder: Path) -> bool:
    """Tell whether a process has one of the files in its memory."""
    files = {_as_mapped(file.stat()) for file in folder.iterdir()}
    return any(files & _mapped(maps) for maps in Path("/proc").glob(_MAPS))


def _as_mapped(stat: os.stat_result) -> tuple[str, str]:
    device = f"{os.major(stat.st_dev):02x}:{os.minor(stat.st_dev):02x}"
    return device, str(stat.st_ino)


def _mapped(maps: Path) -> set[tuple[str, str]]:
    """Return device and inode of what a process maps; nothing if it has gone."""
    try:
        lines = maps.read_text(errors="replace").splitlines()
    except OSError:
        return set()
    # address, permissions, offset, device, inode, path: see proc(5).
    rows = (line.split(maxsplit=5) for line in lines)
    return {(row[3], row[4]) for row in rows if len(row) > 4}
