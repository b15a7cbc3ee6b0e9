"""The embedded station's files: written where Icecast's own user can read them.

Icecast gives up root after its start and reads its configuration again on SIGHUP, so
the file is its user's and lies outside the private state folder.
"""

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Final

from agent.adapters.limits import raise_limit
from agent.filler import FILES, write_filler, write_for
from agent.host import Host
from agent.keeping import keep
from sessiond.core.icecast_config import (
    WEB_FOLDER,
    StationSettings,
    icecast_xml,
    listeners_within,
)
from sessiond.core.page import MOUNTS, mounts_document
from sessiond.core.spec import SessionSpec
from sessiond.core.stamped import Secrets
from sessiond.core.stationorder import StationOrder
from sessiond.errors import Broken
from sessiond.page import write_page
from sessiond.units import HostId

ICECAST_USER: Final = "icecast2"

# Icecast's web folder, beside its configuration; no secrets are in it.
_WEB: Final = "web"
_WEB_MODE: Final = 0o755


def station_folder(run_folder: Path, host: HostId) -> Path:
    """Return where this host's Icecast reads its configuration."""
    return Path("/run/sessiond") / host if os.geteuid() == 0 else run_folder


def web_folder(host: Host) -> Path:
    """Return where this host's Icecast has its pages, if it runs one."""
    return Path(host.setup.station_folder) / _WEB


def prepare_station(host: Host) -> bool:
    """Write configuration and page; returns whether the former has changed.

    Raises:
        Broken: It can't be written.
    """
    order = host.plan.station
    if order is None:
        return False
    keep(host)
    secrets = _secrets(host, order)
    folder = Path(host.setup.station_folder)
    settings = StationSettings(
        hostname=order.station.address,
        port=order.station.port,
        # Icecast inherits it.
        listeners=listeners_within(raise_limit()),
        filler=bool(host.plan.radio),
        web_folder=str(web_folder(host)),
        page=True,
    )
    content = icecast_xml(order.spec, secrets, settings)
    file = folder / "icecast.xml"
    try:
        _publish(web_folder(host), order.spec)
        write_filler(host, order, secrets)
        if file.exists() and file.read_text("utf-8") == content:
            return False
        write_for(ICECAST_USER, file, content)
    except OSError as e:
        raise Broken(
            f"Icecast's files in {folder} can't be written: {e.strerror}.",
            "Correct the folder's owner.",
        ) from e
    return True


def _secrets(host: Host, order: StationOrder) -> Secrets:
    """Return the passwords of what Icecast serves: the session's, or those kept."""
    # What is kept is planned as it is; a session's order is made anew each turn.
    if host.kept is not None and order is host.kept.order:
        return host.kept.secrets
    return host.secrets


def _publish(web: Path, spec: SessionSpec) -> None:
    """Put Icecast's own pages and the listener page into this Icecast's web folder.

    All of it is written when what the page reads has changed; that comes last.
    """
    mounts = mounts_document(spec, live=True)
    file = web / MOUNTS
    if file.exists() and file.read_text("utf-8") == mounts:
        return
    web.mkdir(parents=True, exist_ok=True)
    web.chmod(_WEB_MODE)
    for own in Path(WEB_FOLDER).iterdir():
        if not (web / own.name).exists():
            (web / own.name).symlink_to(own)
    write_page(web, mounts)


def remove_station(host: Host) -> None:
    """Delete the configuration: it holds passwords that nobody needs any more."""
    # A station that is kept goes on with it.
    if host.kept is None or host.leaving:
        remove_configuration(Path(host.setup.station_folder))


def remove_configuration(folder: Path) -> None:
    """Delete what `prepare_station` wrote, if it did."""
    shutil.rmtree(folder / _WEB, ignore_errors=True)
    if not (folder / "icecast.xml").exists():
        return
    with suppress(OSError):
        for name in ("icecast.xml", *FILES):
            (folder / name).unlink(missing_ok=True)
        if folder.parent == Path("/run/sessiond"):
            folder.rmdir()
