"""Hosts that lack something play on, say what they lack, and may leave at any time."""

import shutil
import signal
import sys
from pathlib import Path

import pytest

from tests.support.eventually import aeventually, eventually
from tests.support.jackhost import connections
from tests.support.jam import SESSION, Jam, expected
from tests.support.written import conditions, open_icecast, refuses, written
from tests.system.conftest import Jamming

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

HOSTS = ("alice", "bob")
MOUNTS = {"/mix.opus": ("*",), "/bobs.ogg": ("bob",)}
PROGRAMS = ("env", "nsenter", "jackd", "jacktrip", "setpriv")


def start_with(jam: Jam, name: str, programs: tuple[str, ...]) -> Path:
    """Start a host's agent with these programs alone; returns where they are."""
    host = jam.lab.host(name)
    folder = host.folder / "bin"
    folder.mkdir()
    for program in programs:
        found = shutil.which(program)
        assert found is not None
        (folder / program).symlink_to(found)
    jam.start_agent(name)
    jam.agents[name].stop()
    file = host.folder / "agent.toml"
    argv = (sys.executable, "-m", "agent", "--config", str(file))
    jam.agents[name] = host.spawn(argv, env={"PATH": str(folder)}, log="lame")
    return folder


def microphones(jam: Jam, name: str) -> frozenset[tuple[str, str]]:
    wires = connections(jam.lab.host(name))
    return frozenset(wire for wire in wires if wire[0].startswith("music:"))


async def test_a_host_that_lacks_programs_plays_on_and_leaves(jam_of: Jamming) -> None:
    jam = jam_of(*HOSTS)
    jam.start_agent("alice")
    programs = start_with(jam, "bob", PROGRAMS)
    for name in HOSTS:
        jam.start_audio(name)
    jam.await_agents(HOSTS)
    file = written(jam, HOSTS, MOUNTS, top='[broadcast]\nprefer = ["bob"]')
    open_icecast(jam, file)
    created = jam.operate("alice", "create", str(file))
    assert created.code == 0, created

    # Bob can't encode, so he plays and Alice broadcasts, though he was preferred.
    lacks = conditions(jam, "bob")["CodecMissing"]
    assert "opus" in lacks
    assert "ffmpeg package" in lacks
    assert jam.status()["broadcaster"] == "alice"

    async def together() -> bool:
        sines = await jam.sines_on("/mix.opus")
        assert sines == expected(HOSTS), sorted(sines)
        return True

    await aeventually(together, within=20)
    refused = jam.operate("alice", "handover", SESSION, "bob")
    assert refuses(refused, 2)
    assert jam.status()["broadcaster"] == "alice"

    # His own inputs he may close also while the leader says nothing.
    jam.agents["alice"].send(signal.SIGSTOP)
    try:
        assert jam.operate("bob", "mute").code == 0
        eventually(lambda: not microphones(jam, "bob"), within=5)
    finally:
        jam.agents["alice"].send(signal.SIGCONT)
    # Nobody else opens them for him.
    assert refuses(jam.operate("alice", "unmute", "bob"), 2, "owner of bob")
    assert jam.operate("bob", "unmute").code == 0
    eventually(lambda: microphones(jam, "bob"), within=10)

    # JackTrip is gone when it is needed again.
    (programs / "jacktrip").unlink()
    jam.lab.host("bob").run(("kill", str(jam.pids_of("bob")["link-alice"])))
    eventually(
        lambda: "package jacktrip" in conditions(jam, "bob").get("ProgramMissing", ""),
        within=20,
    )

    # Whoever leaves takes along the mount that he alone was heard on.
    left = jam.operate("bob", "leave")
    assert left.code == 0, left
    assert not jam.ours_on("bob")
    assert not connections(jam.lab.host("bob"))
    assert refuses(jam.operate("bob", "leave"), 2)

    def alone() -> bool:
        status = jam.status()
        assert [m["path"] for m in status["mounts"]] == ["/mix.opus"], status
        assert [h["name"] for h in status["hosts"]] == ["alice"], status
        return bool(status["mounts"][0]["state"] == "live")

    eventually(alone, within=10)
