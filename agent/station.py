"""The embedded station's configuration: written where Icecast's own user can read it.

Icecast gives up root after its start and reads its configuration again on SIGHUP, so
the file is its user's and lies outside the private state folder.
"""

import os
import pwd
from contextlib import suppress
from pathlib import Path
from typing import Final

from agent.host import Host
from sessiond.core.icecast_config import StationSettings, icecast_xml
from sessiond.errors import Broken
from sessiond.units import HostId

ICECAST_USER: Final = "icecast2"


def station_folder(run_folder: Path, host: HostId) -> Path:
    """Return where this host's Icecast reads its configuration."""
    return Path("/run/sessiond") / host if os.geteuid() == 0 else run_folder


def prepare_station(host: Host) -> bool:
    """Write the configuration; returns whether it differs from what was there.

    Raises:
        Broken: It can't be written.
    """
    doc, plan = host.document, host.plan
    if doc is None or plan.station is None:
        return False
    settings = StationSettings(hostname=plan.station.address, port=plan.station.port)
    content = icecast_xml(doc.spec, host.secrets, settings)
    file = Path(host.setup.station_folder) / "icecast.xml"
    try:
        if file.exists() and file.read_text("utf-8") == content:
            return False
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        file.touch(mode=0o600)
        file.write_text(content, "utf-8")
        _give_to_icecast(file)
    except OSError as e:
        raise Broken(
            f"Icecast's configuration {file} can't be written: {e.strerror}.",
            "Correct the folder's owner.",
        ) from e
    return True


def remove_station(host: Host) -> None:
    """Delete the configuration: it holds passwords that nobody needs any more."""
    remove_configuration(Path(host.setup.station_folder))


def remove_configuration(folder: Path) -> None:
    """Delete what `prepare_station` wrote, if it did."""
    if not (folder / "icecast.xml").exists():
        return
    with suppress(OSError):
        (folder / "icecast.xml").unlink()
        if folder.parent == Path("/run/sessiond"):
            folder.rmdir()


def _give_to_icecast(file: Path) -> None:
    if os.geteuid() != 0:
        return
    with suppress(KeyError):
        user = pwd.getpwnam(ICECAST_USER)
        os.chown(file, user.pw_uid, user.pw_gid)
