"""The stage of the measurements: a jam in a lab, and what is seen of it from outside.

Nothing here believes what an agent says of itself where the world can be asked.
"""

import contextlib
import http.client
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from agent.adapters.icecast import parse_status
from sessiond.core.onair import MountSeen
from sessiond.core.spec import StandbyMode
from sessiond.units import Frames
from tests.support.eventually import eventually
from tests.support.jam import ICECAST_PORT, SESSION, Jam, jamming

PERIOD: Final = Frames(256)
MOUNTS: Final[Mapping[str, Sequence[str]]] = {
    "/mix.ogg": ("*",),
    "/dj1.opus": ("alice",),
    "/dj2.mp3": ("bob",),
}
PRIMARY: Final = "/mix.ogg"

_SOON: Final = 30.0


@contextlib.contextmanager
def staged(
    *musicians: str,
    mounts: Mapping[str, Sequence[str]] = MOUNTS,
    standby: StandbyMode = StandbyMode.HOT,
) -> Iterator[tuple[Jam, Path]]:
    """Open a jam with agents, music and Icecast, and a session file not yet used."""
    with (
        tempfile.TemporaryDirectory(prefix="sessiond-bench-") as folder,
        jamming(Path(folder), *musicians) as jam,
    ):
        for name in musicians:
            jam.start_agent(name)
        for name in musicians:
            jam.start_audio(name, PERIOD)
        jam.await_agents(musicians)
        # A busy machine answers time requests late; nobody's clock is measured here.
        tables = {
            "clock": "warn_ms = 100\nfail_ms = 500",
            "broadcast": f'standby = "{standby}"',
        }
        file = jam.session_file(mounts, tables)
        jam.start_icecast(file)
        yield jam, file


def create(jam: Jam, file: Path) -> None:
    """Create the session on its first host's agent."""
    said = jam.operate(jam.musicians[0], "create", str(file))
    assert said.code == 0, said


def stop(jam: Jam, asked: str) -> None:
    """Stop the session; nothing of it is left on return."""
    said = jam.operate(asked, "stop", SESSION)
    assert said.code == 0, said
    await_silence(jam)


def await_silence(jam: Jam) -> None:
    """Return once no host runs anything of a session and Icecast has no source."""
    for name in jam.musicians:
        eventually(partial(_silent, jam, name), within=_SOON)
    eventually(lambda: not mounts_on(jam), within=_SOON)


def _silent(jam: Jam, name: str) -> bool:
    return not jam.ours_on(name)


def mounts_on(jam: Jam) -> dict[str, MountSeen]:
    """Return what Icecast itself says of its mounts, by path."""
    line = http.client.HTTPConnection(jam.station.address, ICECAST_PORT)
    line.sock = jam.station.connect(jam.station.address, ICECAST_PORT)
    with contextlib.closing(line):
        line.request("GET", "/status-json.xsl")
        text = line.getresponse().read().decode("utf-8", "replace")
    return {mount.path: mount for mount in parse_status(text)}


def rest(seconds: float) -> None:
    """Let the programs run undisturbed."""
    ends = time.monotonic() + seconds
    eventually(lambda: time.monotonic() >= ends, within=seconds + 5)
