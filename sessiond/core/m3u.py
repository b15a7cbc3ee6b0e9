"""Lists of tracks in the M3U form; where the paths lead is for others to see."""

from collections.abc import Iterator


def listed(text: str) -> Iterator[str]:
    """Yield the paths that a list names, as they stand there.

    Left out are what players write beside them (``#EXTINF`` and other comments) and
    addresses: only files can be looked for.

    Source: RFC 8216 section 4.1 for lines, ends of line and comments.
    """
    for line in text.removeprefix("\ufeff").splitlines():
        path = line.strip()
        if path and not path.startswith("#") and "://" not in path:
            yield path
