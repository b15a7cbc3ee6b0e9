"""A stderr that no full disk and no reader that has gone can turn into an end."""

import io
from typing import TextIO

STDERR = 2


class _Raw(io.FileIO):
    """Drops what can't be written."""

    def write(self, content: object) -> int:
        """Return the length of the content, written or not."""
        view = memoryview(content)  # type: ignore[arg-type]  # any buffer
        try:
            return super().write(view)
        except OSError:
            return view.nbytes


def unfailing(descriptor: int = STDERR) -> TextIO:
    """Return a text file over a descriptor, which stays the caller's."""
    raw = _Raw(descriptor, "w", closefd=False)
    # Nothing is kept back: a crash right after a line must not take it along.
    return io.TextIOWrapper(
        raw,
        encoding="utf-8",
        errors="backslashreplace",
        write_through=True,
    )
