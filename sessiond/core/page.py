"""What the listener page reads of a session: two documents beside it.

`MOUNTS` says what there is to listen to. `LIVE` says how it goes, as the session's own
agents know it; where it isn't, the page asks Icecast, which counts their listeners too
and tells no titles of Opus and FLAC.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Final

from sessiond.core.spec import MountSpec, SessionSpec
from sessiond.core.status import MountState, MountStatus
from sessiond.units import MountPath

INDEX: Final = "/index.html"
"""Where the page is on its server."""

MOUNTS: Final = "mounts.json"
LIVE: Final = "live.json"

TYPES: Final = "page/mime.types"
"""The page's own list of media types; browsers run no module of another type."""


def mounts_document(spec: SessionSpec, *, streams: str = "", live: bool = False) -> str:
    """Return `MOUNTS` of a session.

    Args:
        spec: The session; its mounts' order is the page's.
        streams: Where Icecast is for the page, such as ``https://radio.example``,
            without a slash at its end; empty: where the page itself is.
        live: Somebody keeps `LIVE` beside the page.
    """
    document = {
        "session": spec.name,
        "streams": streams,
        "live": live,
        "mounts": [_mount(mount) for mount in spec.mounts],
    }
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def _mount(mount: MountSpec) -> dict[str, str | int | None]:
    return {
        "path": mount.path,
        "name": mount.name,
        "description": mount.description,
        "genre": mount.genre,
        "format": mount.codec,
        "bitrate_kbps": mount.bitrate_kbps,
    }


def live_document(
    spec: SessionSpec,
    mounts: Iterable[MountStatus],
    titles: Mapping[MountPath, str],
    *,
    beat: int,
    filler: bool,
) -> str:
    """Return `LIVE` of a session.

    Args:
        spec: The session.
        mounts: What is known of them; a mount that is not among them is down.
        titles: What was asked to be shown: as soon as that, because what a listener
            hears is some seconds old anyway.
        beat: Another number each time: a page that sees the same one for some time
            believes the document no longer.
        filler: The station plays on each mount that is down.
    """
    known = {mount.path: mount for mount in mounts}
    idle = "filler" if filler else "off-air"
    document = {
        "beat": beat,
        "mounts": {
            mount.path: _live(known.get(mount.path), titles.get(mount.path, ""))
            or {"state": idle, "listeners": 0, "title": ""}
            for mount in spec.mounts
        },
    }
    return json.dumps(document, ensure_ascii=False) + "\n"


def _live(mount: MountStatus | None, asked: str) -> dict[str, str | int] | None:
    """Return how it goes with a mount; None when nobody plays on it."""
    if mount is None or mount.state is MountState.DOWN:
        return None
    return {
        "state": "on-air",
        "listeners": mount.listeners,
        "title": asked or mount.title,
    }
