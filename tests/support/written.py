"""Session files as an operator writes them, and what a refused command must say."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from sessiond.cli.lab import Program
from sessiond.core.icecast_config import StationSettings, icecast_xml
from sessiond.core.specfile import parse_spec
from sessiond.core.stamped import Secrets
from sessiond.units import MountPath
from tests.support.eventually import eventually
from tests.support.jam import (
    ADMIN_PASSWORD,
    ICECAST_PORT,
    SESSION,
    SOURCE_PASSWORD,
    Jam,
    Said,
)

Mounts = Mapping[str, Sequence[str]]
"""Path → the hosts heard on it."""

PASSWORD_FILE: Final = "source.password"


def written(
    jam: Jam,
    hosts: Sequence[str],
    mounts: Mounts,
    *,
    top: str = "",
    station: bool = True,
    name: str = SESSION,
    password: str = SOURCE_PASSWORD,
    passwords: Mapping[str, str] | None = None,
) -> Path:
    """Write a session file with its password files and return where it is.

    Args:
        hosts: As they stand in the file, addresses too.
        mounts: What listeners can tune into.
        top: Further lines before the first table.
        station: Whether it names the lab's Icecast.
        name: The session's, and the file's.
        password: The source password.
        passwords: A mount's own one, by path.
    """
    folder = jam.lab.folder
    lines = [f"name = {json.dumps(name)}", f"hosts = {json.dumps(list(hosts))}", top]
    if station:
        (folder / PASSWORD_FILE).write_text(password + "\n")
        (folder / "admin.password").write_text(ADMIN_PASSWORD + "\n")
        lines += [
            "[icecast]",
            f"host = {json.dumps(jam.station.address)}",
            f"port = {ICECAST_PORT}",
            f'source_password_file = "{PASSWORD_FILE}"',
            'admin_password_file = "admin.password"',
        ]
    for number, (path, sources) in enumerate(mounts.items()):
        lines += ["[[mount]]", f'path = "{path}"', f"sources = {json.dumps(sources)}"]
        if path in (passwords or {}):
            own = folder / f"mount-{number}.password"
            own.write_text((passwords or {})[path] + "\n")
            lines.append(f'source_password_file = "{own.name}"')
    file = folder / f"{name}.toml"
    file.write_text("\n".join(lines) + "\n")
    return file


def open_icecast(
    jam: Jam, session_file: Path, passwords: Mapping[str, str] | None = None
) -> Program:
    """Start the station's Icecast for a session, mounts with passwords of their own."""
    spec = parse_spec(session_file.read_text()).spec
    own = {MountPath(path): word for path, word in (passwords or {}).items()}
    secrets = Secrets(source=SOURCE_PASSWORD, admin=ADMIN_PASSWORD, mounts=own)
    settings = StationSettings(hostname=jam.station.address, port=ICECAST_PORT)
    config = jam.station.folder / "icecast.xml"
    config.write_text(icecast_xml(spec, secrets, settings))
    icecast = jam.station.spawn(("icecast2", "-c", str(config)))

    def answers() -> bool:
        try:
            jam.station.connect(jam.station.address, ICECAST_PORT).close()
        except OSError:
            return False
        return True

    eventually(answers, within=5)
    return icecast


def refuses(said: Said, code: int, *words: str) -> bool:
    """Tell that a command failed with this code and one sentence with these words.

    Returns:
        Whether it gave a hint, too.
    """
    assert said.code == code, said
    sentence, *hints = said.err.splitlines()
    assert sentence.startswith("error: "), said.err
    assert sentence.endswith("."), said.err
    assert "Traceback" not in said.err
    for word in words:
        assert word in said.err, said.err
    return bool(hints)


def conditions(jam: Jam, host: str, asked: str | None = None) -> dict[str, str]:
    """Return a host's conditions, by reason: the messages of each, one a line."""
    found: dict[str, str] = {}
    for shown in jam.status(asked or host)["hosts"]:
        if shown["name"] == host:
            for one in shown["conditions"]:
                words = f"{one['message']} {one['hint']}"
                found[one["reason"]] = f"{found.get(one['reason'], '')}{words}\n"
    return found
