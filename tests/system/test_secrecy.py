"""A whole session, searched for its passwords: they lie in one file of mode 0600."""

import base64
import html
import json
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import pytest

from agent.adapters.disk import DiskStore
from agent.records import load_secrets
from sessiond.cli.lab import LabHost
from sessiond.core.stamped import Secrets
from tests.support.eventually import eventually
from tests.support.jam import (
    ADMIN_PASSWORD,
    SESSION,
    SOURCE_PASSWORD,
    Jam,
    command_line,
)
from tests.support.written import open_icecast, written
from tests.system.conftest import Jamming

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

HOSTS = ("alice", "bob")
MOUNTS = {"/mix.opus": ("*",), "/dj.ogg": ("bob",)}
OWN_PASSWORD = "0nly /dj.ogg's = %41"

# What an agent may keep in its state folder, by the names of its files.
SECRET_FILES = ("secrets.", "key.")


def disguises(password: str, user: str = "source") -> Iterator[bytes]:
    """Yield a password as it may stand in a text of one kind or another."""
    yield password.encode()
    yield base64.b64encode(f"{user}:{password}".encode())
    yield quote(password, safe="").encode()
    yield html.escape(password).encode()
    yield json.dumps(password)[1:-1].encode()
    yield repr(password)[1:-1].encode()


def needles(jam: Jam) -> frozenset[bytes]:
    """Return all that must be found nowhere, the studio's secret and keys too."""
    studio = (jam.lab.folder / "studio.token").read_bytes().strip()
    passwords = (SOURCE_PASSWORD, OWN_PASSWORD, ADMIN_PASSWORD)
    found = {one for each in passwords for one in disguises(each)}
    found |= set(disguises(ADMIN_PASSWORD, "admin"))
    return frozenset({*found, studio, b"PRIVATE KEY"})


def processes(host: LabHost) -> Iterator[tuple[str, bytes]]:
    """Yield each process's arguments and environment."""
    for pid in host.processes():
        for kind in ("cmdline", "environ"):
            path = Path(f"/proc/{pid}/{kind}")
            try:
                yield str(path), path.read_bytes()
            except (FileNotFoundError, ProcessLookupError):
                continue  # it has ended meanwhile


def without_core(host: LabHost) -> set[str]:
    """Return which of our programs a host runs; a crash of them leaves no core file."""
    found = set()
    for pid in host.processes():
        line = command_line(pid)
        # What `/run/sessiond` is for is the host's own Icecast.
        ours = ("-m agent", "ffmpeg", "jacktrip", "/run/sessiond")
        for word in (word for word in ours if word in line):
            limits = Path(f"/proc/{pid}/limits").read_text()
            (core,) = (row for row in limits.splitlines() if "core file" in row)
            assert core.split()[4:6] == ["0", "0"], (line, core)
            found.add(word.removeprefix("-m "))
    return found


def files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def said(jam: Jam) -> Iterator[tuple[str, bytes]]:
    """Yield what the command line says of each host, for people and for scripts."""
    for name in HOSTS:
        for command in ("status", f"spec {SESSION}", "hosts", "doctor"):
            for flags in ((), ("--json",)):
                told = jam.operate(name, *command.split(), *flags)
                yield f"{name}: {command} {flags}", (told.out + told.err).encode()


def hits(
    found: Mapping[str, bytes], wanted: frozenset[bytes]
) -> list[tuple[str, bytes]]:
    return [
        (where, one)
        for where, content in found.items()
        for one in wanted
        if one in content
    ]


def require_hidden(jam: Jam, wanted: frozenset[bytes]) -> None:
    """Fail if one of these lies anywhere but where it must."""
    for host in jam.lab.hosts:
        assert not hits(dict(processes(host)), wanted)
    for name in HOSTS:
        assert "agent" in without_core(jam.lab.host(name))
    assert not hits(dict(said(jam)), wanted)
    for name in HOSTS:
        host = jam.lab.host(name)
        found = {path: path.read_bytes() for path in files(host.folder)}
        assert any(path.name == "agent.log" for path in found)
        assert any(path.parent.name == "log" for path in found)
        holding = {p for p, text in found.items() if any(n in text for n in wanted)}
        assert {path.parent for path in holding} == {host.state_dir}, holding
        assert all(path.name.startswith(SECRET_FILES) for path in holding), holding
        assert modes(holding) == {0o600}
        assert modes([host.state_dir]) == {0o700}


def station_files(host: LabHost) -> dict[str, str]:
    """Return the mode of each file of an Icecast that is a host's own."""
    listed = host.run(("find", "/run/sessiond", "-type", "f", "-printf", "%m %p\n"))
    lines = (line.split(maxsplit=1) for line in listed.splitlines())
    return {path: mode for mode, path in lines}


def modes(paths: Iterable[Path]) -> set[int]:
    return {stat.S_IMODE(path.stat().st_mode) for path in paths}


def invited(jam: Jam) -> bytes:
    """Return an invitation's secret: it is made anew each time, and kept nowhere."""
    link = jam.operate("alice", "invite", SESSION).out.strip()
    return link.rpartition(".")[2].encode()


def used(jam: Jam) -> None:
    """Let the passwords travel as they would in an evening."""
    eventually(lambda: has_password(jam, "bob"), within=10)
    jam.operate("alice", "handover", SESSION)
    jam.operate("alice", "gain", SESSION, "/mix.opus", "bob", "-3")


def test_no_password_is_found_outside_its_file(jam_of: Jamming) -> None:
    jam = jam_of(*HOSTS)
    jam.start_all()
    own = {"/dj.ogg": OWN_PASSWORD}
    file = written(jam, HOSTS, MOUNTS, passwords=own)
    open_icecast(jam, file, own)
    created = jam.operate("alice", "create", str(file))
    assert created.code == 0, created
    secret = invited(jam)
    used(jam)
    require_hidden(jam, needles(jam) | {secret})


def test_the_passwords_of_an_embedded_icecast_lie_in_its_file_too(
    jam_of: Jamming,
) -> None:
    jam = jam_of(*HOSTS)
    jam.start_all()
    file = written(jam, HOSTS, MOUNTS, station=False)
    created = jam.operate("alice", "create", str(file))
    assert created.code == 0, created
    used(jam)
    kept = passwords_of(jam.lab.host("alice"))
    assert kept.source
    assert kept.admin
    wanted = {*disguises(kept.source), *disguises(kept.admin, "admin")}
    require_hidden(jam, frozenset(wanted))
    host = jam.lab.host("alice")
    assert "/run/sessiond" in without_core(host)
    found = station_files(host)
    content = {path: host.run(("cat", path)).encode() for path in found}
    holding = {path for path, _ in hits(content, frozenset(wanted))}
    # Icecast reads it as a user of its own.
    assert {(path.rpartition("/")[2], found[path]) for path in holding} == {
        ("icecast.xml", "600")
    }


def passwords_of(host: LabHost) -> Secrets:
    kept = load_secrets(DiskStore(host.state_dir))
    assert kept is not None
    return kept.secrets


def has_password(jam: Jam, name: str) -> bool:
    assert passwords_of(jam.lab.host(name)).source, name
    return True
