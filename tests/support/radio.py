"""A station with a filler: what it plays, and what its agent's file says of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sessiond.cli.lab import LabHost
from sessiond.cli.lab.agentfile import Tables
from tests.support.ear import listening
from tests.support.eventually import aeventually
from tests.support.jam import MONITORED
from tests.support.tracks import public_folder, write_track

# Where its Icecast answers, and its next-track server.
PORT: Final = 8000
NEXT_PORT: Final = 7790

# The sines of the emergency list and of what the next-track server names.
EMERGENCY: Final = 300
NAMED: Final = 360


@contextmanager
def station_music() -> Iterator[Path]:
    """Make a folder with an emergency list and ``named.flac``."""
    with public_folder() as folder:
        (folder / "emergency").mkdir(mode=0o755)
        write_track(folder / "emergency" / "one.flac", EMERGENCY)
        write_track(folder / "named.flac", NAMED)
        yield folder


def on_the_radio(music: Path, session: Path) -> Tables:
    """Return the agent file's tables for a station that knows a session's mounts."""
    return {
        "station": {
            "music": str(music / "emergency"),
            "next_track": f"http://127.0.0.1:{NEXT_PORT}/next",
            "crossfade_s": 0.5,
            "session": str(session),
        },
        "audio": {"inputs": [], "outputs": []},
        "health": MONITORED,
    }


async def plays(radio: LabHost, path: str) -> bool:
    """Tell whether somebody who tunes in there now is sent something."""
    async with listening(radio.address, PORT, path, connect=radio.connect) as heard:
        await aeventually(lambda: heard.status, within=5)
        return " 200 " in heard.status
