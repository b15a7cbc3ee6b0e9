"""A session that runs its own Icecast, on a host that runs its own JACK server."""

import base64
import re
import shutil
import signal
import socket
import sys
import threading
from contextlib import suppress
from typing import Self

import pytest

from sessiond.cli.lab import LabHost, Program
from sessiond.cli.lab.agentfile import TomlValue
from sessiond.units import Seconds
from tests.support.eventually import eventually
from tests.support.jam import SESSION, Jam, command_line
from tests.support.written import conditions, refuses, written
from tests.system.conftest import Jamming

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

HOSTS = ("alice", "bob")
AS_ALICE_STARTS_IT = "period_frames = 512"


def running(host: LabHost, program: str) -> bool:
    lines = (command_line(pid) for pid in host.processes())
    return any(line.startswith(program) for line in lines)


def station_files(host: LabHost) -> str:
    return host.run(("find", "/run/sessiond", str(host.state_dir), "-name", "*.xml"))


def passwords_of(host: LabHost) -> dict[str, str]:
    """Return all that the host's Icecast asks for: its own, and its first mount's."""
    text = host.run(("cat", *station_files(host).split()))
    found = re.findall(r"<((?:\w+-)?password)>(\S+)</", text)
    return {name.removesuffix("-password"): word for name, word in found}


def admin_says(jam: Jam, host: LabHost, password: str) -> int:
    """Return what the host's Icecast answers somebody who gives this password."""
    key = base64.b64encode(f"admin:{password}".encode()).decode()
    line = jam.station.connect(host.address, 8000)
    with line, line.makefile("rwb") as stream:
        stream.write(b"GET /admin/stats HTTP/1.0\r\n")
        stream.write(f"Authorization: Basic {key}\r\n\r\n".encode())
        stream.flush()
        return int(stream.readline().split()[1])


def leader_of(jam: Jam) -> str | None:
    leader: str | None = jam.status("bob")["leader"]
    return leader


def start_without(jam: Jam, name: str, program: str) -> Program:
    """Start a host's agent where one program is not installed."""
    host = jam.lab.host(name)
    lame = host.folder / "bin"
    lame.mkdir()
    for other in ("env", "nsenter", "jackd", "jacktrip", "ffmpeg", "setpriv"):
        found = shutil.which(other)
        if other != program and found is not None:
            (lame / other).symlink_to(found)
    jam.start_agent(name)
    jam.agents[name].stop()
    file = host.folder / "agent.toml"
    argv = (sys.executable, "-m", "agent", "--config", str(file))
    jam.agents[name] = host.spawn(argv, env={"PATH": str(lame)}, log="lame")
    return jam.agents[name]


class Listener:
    """Listens to one mount on one connection for as long as it lasts."""

    def __init__(self, jam: Jam, address: str, path: str) -> None:
        self.heard = 0
        self._ended = threading.Event()
        self._line = jam.station.connect(address, 8000)
        self._line.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        self._thread = threading.Thread(target=self._listen)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # the station may have hung up first
            self._line.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._line.close()

    def _listen(self) -> None:
        while block := self._line.recv(65536):
            self.heard += len(block)
        self._ended.set()

    def has_ended(self) -> bool:
        return self._ended.is_set()


def mounts_of(jam: Jam) -> dict[str, str]:
    return {m["path"]: m["state"] for m in jam.status("bob")["mounts"]}


def test_a_session_brings_its_own_icecast_and_takes_it_away(jam_of: Jamming) -> None:
    jam = jam_of(*HOSTS)
    alice, bob = jam.lab.host("alice"), jam.lab.host("bob")
    own_jack: dict[str, TomlValue] = {
        "start": "if-absent",
        "driver": "dummy",
        "period_frames": 512,
    }
    jam.start_agent("alice", {"audio": own_jack})
    lame = start_without(jam, "bob", "jacktrip")
    jam.start_audio("bob")
    jam.await_agents(HOSTS)
    eventually(lambda: running(alice, "jackd"), within=10)

    # Whoever lacks a program is named, with its package, before anything starts.
    one, more = {"/mix.mp3": ("*",)}, {"/mix.mp3": ("*",), "/dj2.mp3": ("bob",)}
    file = written(jam, HOSTS, one, station=False, top=AS_ALICE_STARTS_IT)
    said = jam.operate("alice", "create", str(file))
    assert refuses(said, 4, "jacktrip", "bob", "Debian package")
    said = jam.operate("bob", "doctor")
    assert said.code == 4
    assert "jacktrip is missing" in said.out
    assert not jam.ours_on("alice")
    lame.stop()
    jam.start_agent("bob")
    jam.await_agents(["bob"])

    # The first mount may come later, and Icecast with it.
    none = written(jam, HOSTS, {}, station=False, top=AS_ALICE_STARTS_IT)
    created = jam.operate("alice", "create", str(none))
    assert created.code == 0, created
    assert not station_files(alice)
    eventually(lambda: leader_of(jam) == "alice", within=10)
    file = written(jam, HOSTS, one, station=False, top=AS_ALICE_STARTS_IT)
    began = jam.operate("bob", "apply", str(file), "--yes")
    assert began.code == 0, began
    eventually(
        lambda: (
            {"AudioIsDummy", "StationNotRedundant"} <= set(conditions(jam, "alice"))
        ),
        within=10,
    )
    words = passwords_of(alice)
    assert min(map(len, words.values())) >= 22
    assert len(set(words.values())) == len(words) == 4
    eventually(lambda: admin_says(jam, alice, words["admin"]) == 200, within=10)
    assert admin_says(jam, alice, words["source"]) == 401

    # Icecast learns of a further mount without losing a listener.
    eventually(lambda: "icecast" in jam.pids_of("alice"), within=10)
    icecast = jam.pids_of("alice")["icecast"]
    added = written(jam, HOSTS, more, station=False, top=AS_ALICE_STARTS_IT)
    eventually(lambda: mounts_of(jam) == dict.fromkeys(one, "live"), within=10)
    with Listener(jam, alice.address, "/mix.mp3") as listener:
        applied = jam.operate("bob", "apply", str(added), "--yes")
        assert applied.code == 0, applied
        eventually(lambda: mounts_of(jam) == dict.fromkeys(more, "live"), within=20)
        before = listener.heard
        eventually(lambda: listener.heard > before, within=5)
        assert not listener.has_ended()
        assert jam.pids_of("alice")["icecast"] == icecast

        stopped = jam.operate("bob", "stop", SESSION)
        assert stopped.code == 0, stopped
        eventually(lambda: not running(alice, "icecast2"), within=10)
        eventually(lambda: not station_files(alice), within=10)
        eventually(listener.has_ended, within=5)
    assert not jam.ours_on("alice")
    assert not jam.ours_on("bob")

    # A JACK server that the agent started ends with it, another's does not.
    for name in HOSTS:
        jam.agents[name].send(signal.SIGTERM)
        assert jam.agents[name].wait(Seconds(20)) == 0
    assert not running(alice, "jackd")
    assert running(bob, "jackd")
