"""The ``[station]`` table of an agent file: a host whose Icecast is always on the air.

What it plays while nobody does is the filler's, `radio_liq`.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sessiond.core.filecheck import Table
from sessiond.core.mistakes import TextRule, is_printable
from sessiond.core.namerules import is_internet_host
from sessiond.units import Seconds

# Longer than any server on the same network takes, and shorter than what is left of a
# track once the next one is asked for.
NEXT_TRACK_WITHIN: Final = Seconds(3.0)
_LONGEST_WAIT: Final = 30.0

CROSSFADE: Final = Seconds(3.0)
# Two ends of tracks that are longer than this are no transition any more.
_LONGEST_CROSSFADE: Final = 20.0

# What Icecast itself has as its default.
PORT: Final = 8000
# Below them only root may listen, and Icecast gives root up.
_PORTS: Final = range(1024, 65536)

_URL: Final = re.compile(
    r"https?://(?P<host>\[[^\]/]+\]|[^/:?#\[\]]+)(:[0-9]{1,5})?/.*"
)


class Loudness(StrEnum):
    """How tracks of different makers are brought to one loudness.

    ``normalize`` measures while it plays; ``replaygain`` believes the files' tags.
    """

    NORMALIZE = "normalize"
    REPLAYGAIN = "replaygain"
    OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class StationConfig:
    """What a station's own agent is told of it.

    Attributes:
        music: A folder or a playlist, played when no next track is to be had; watched.
        next_track: Whom to ask for the next track: a URL, or a program's path; empty
            for nobody.
        next_track_within: How long the answer may take.
        crossfade: How long two tracks overlap; 0 is one after the other.
        session: A session file whose mounts are served outside any session; empty for
            those of the last session.
        port: Where Icecast listens.
    """

    music: str
    next_track: str = ""
    next_track_within: Seconds = NEXT_TRACK_WITHIN
    loudness: Loudness = Loudness.NORMALIZE
    crossfade: Seconds = CROSSFADE
    session: str = ""
    port: int = PORT


def read_station(root: Table) -> StationConfig | None:
    """Return what an agent file's table says; None when it has none."""
    table = root.table("station")
    if "station" not in root:
        return None
    return StationConfig(
        music=table.text("music", None, _PATH),
        next_track=table.text("next_track", "", _NEXT_TRACK),
        next_track_within=Seconds(
            table.number(
                "next_track_timeout_s",
                NEXT_TRACK_WITHIN,
                lambda wait: 0.1 <= wait <= _LONGEST_WAIT,
                f"a number of seconds from 0.1 to {_LONGEST_WAIT:g}",
            )
        ),
        loudness=table.choice("loudness", Loudness.NORMALIZE),
        crossfade=Seconds(
            table.number(
                "crossfade_s",
                CROSSFADE,
                lambda length: 0 <= length <= _LONGEST_CROSSFADE,
                f"a number of seconds from 0 to {_LONGEST_CROSSFADE:g}",
            )
        ),
        session=table.text("session", "", _PATH),
        port=table.whole("port", PORT, _PORTS),
    )


def is_url(text: str) -> bool:
    """Tell whether a next track is asked for over HTTP, not of a program."""
    return text.startswith(("http://", "https://"))


def _is_next_track(text: str) -> bool:
    if not is_printable(text) or " " in text:
        return False
    if text.startswith("/"):
        return True
    found = _URL.fullmatch(text)
    return found is not None and is_internet_host(found["host"].strip("[]"))


_PATH: Final = TextRule(
    accepts=lambda text: text.startswith("/") and is_printable(text),
    must='a path that starts with "/"',
)
_NEXT_TRACK: Final = TextRule(
    accepts=_is_next_track,
    must='an address such as "http://127.0.0.1:7790/next", or the path of a program, '
    "without spaces",
    repair=str.strip,
)
