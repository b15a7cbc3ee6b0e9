"""The filler's files, and whom it runs as: Liquidsoap does not like to be root."""

import os
import pwd
from contextlib import suppress
from pathlib import Path
from typing import Final

from agent.host import Host
from sessiond.core.radio_liq import passwords_text
from sessiond.core.stamped import Secrets
from sessiond.core.stationorder import StationOrder
from sessiond.core.stationplan import passwords_file, script_file

# Debian's package makes it.
LIQUIDSOAP_USER: Final = "liquidsoap"

FILES: Final = ("radio.liq", "passwords")
"""What `write_filler` leaves in the station's folder."""


def filler_user() -> str:
    """Return whom Liquidsoap is to run as, where the agent is root.

    Empty: as whom the agent is; a namespace's root may have nobody else.
    """
    if os.geteuid() != 0:
        return ""
    try:
        uid = pwd.getpwnam(LIQUIDSOAP_USER).pw_uid
    except KeyError:
        return ""
    lines = Path("/proc/self/uid_map").read_text("ascii").splitlines()
    spans = ([int(word) for word in line.split()] for line in lines)
    is_mapped = any(first <= uid < first + count for first, _, count in spans)
    return LIQUIDSOAP_USER if is_mapped else ""


def write_filler(host: Host, order: StationOrder, secrets: Secrets) -> None:
    """Write the filler's script and the passwords that it reads, where they changed.

    Raises:
        OSError: They can't be written.
    """
    if not host.plan.radio:
        return
    for name, content in (
        (script_file(host.setup), host.plan.radio),
        (passwords_file(host.setup), passwords_text(order, secrets)),
    ):
        file = Path(name)
        if not file.exists() or file.read_text("utf-8") != content:
            write_for(host.setup.filler_user, file, content)


def write_for(user: str, file: Path, content: str) -> None:
    """Write a file that only this user may read; where we are root it is given to them.

    In one step: whoever reads it meets the whole of the old one or of the new one.

    Raises:
        OSError: It can't be written.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    made = file.with_name(f".{file.name}")
    made.unlink(missing_ok=True)
    made.touch(mode=0o600)
    made.write_text(content, "utf-8")
    if user and os.geteuid() == 0:
        # Without such a user the program itself says what is wrong.
        with suppress(KeyError):
            owner = pwd.getpwnam(user)
            os.chown(made, owner.pw_uid, owner.pw_gid)
    made.replace(file)
