"""What goes wrong around a running session, and how it heals by itself.

One session serves the whole module; its tests go from one state to the next, so they
run in their order.
"""

import asyncio
import signal
import socket
import time
from collections.abc import Iterator

import pytest

from sessiond.cli.lab import leaks
from sessiond.core.conditions import Condition, Reason
from sessiond.core.status import LinkState
from sessiond.units import Frames, Seconds
from sessiond.wire.client import AgentClient
from tests.support.eventually import aeventually, eventually
from tests.support.jackhost import connections
from tests.support.jam import Jam, expected, jamming
from tests.support.written import conditions, open_icecast, written

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

HOSTS = ("alice", "bob")
MOUNTS = {"/mix.opus": ("*",), "/dj1.ogg": ("alice",)}
OURS = {"sessiond.cli.lab.player", "tests.support.jackhost"}
STRANGE = "-x \"y' #@^%<&>:é"
FIRST_PORT = 4464
PROCS = {"link-alice", "link-bob", "mixdown", "source-mix.opus", "source-dj1.ogg"}
GRACE = 6.0
# A link that was told to restart on both sides, and a JACK server that is new.
HEALED = 60


@pytest.fixture(autouse=True)
def nothing_leaks(real_programs: None) -> None:
    """Let tests start programs on the module's hosts: the lab takes them along."""


@pytest.fixture(scope="module")
def jam(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jam]:
    """Open a session in which Bob has no JACK server yet, and his port is taken."""
    folder = tmp_path_factory.mktemp("jam")
    with jamming(folder, *HOSTS) as opened:
        opened.start_agent("alice")
        inputs = ["music:out_1", "late:out_1"]
        opened.start_agent("bob", {"audio": {"inputs": inputs}})
        opened.start_audio("alice")
        opened.await_agents(HOSTS)
        own = {"/dj1.ogg": STRANGE}
        file = written(opened, HOSTS, MOUNTS, passwords=own)
        open_icecast(opened, file, own)
        with opened.lab.host("bob").open_socket(socket.SOCK_DGRAM) as foreign:
            foreign.bind(("", FIRST_PORT))
            created = opened.operate("alice", "create", str(file))
            assert created.code == 0, created
            yield opened
        networks = opened.lab.networks
    assert not leaks(networks)


async def seen_until_linked(jam: Jam, name: str) -> list[Condition]:
    """Return every condition that a host shows until its link is up."""
    seen: list[Condition] = []
    async with AgentClient(f"unix:{jam.lab.host(name).agent_socket}") as agent:
        async for status in agent.watch(None):
            (own,) = (host for host in status.hosts if host.name == name)
            seen.extend(own.conditions)
            if all(link.state is LinkState.UP for link in status.links):
                break
    return seen


def link_is_up(jam: Jam, asked: str = "alice") -> bool:
    (link,) = jam.status(asked)["links"]
    return bool(link["state"] == "up")


def feeding(jam: Jam, asked: str = "alice") -> dict[str, str | None]:
    """Return who feeds each live mount."""
    mounts = jam.status(asked)["mounts"]
    return {m["path"]: m["host"] for m in mounts if m["state"] == "live"}


def all_live(jam: Jam, asked: str = "alice") -> bool:
    assert set(feeding(jam, asked)) == set(MOUNTS), jam.status(asked)["mounts"]
    return link_is_up(jam, asked)


def end_jack(jam: Jam, name: str) -> None:
    """Kill a host's JACK server, its musician and its headphones."""
    for program in jam.lab.host(name)._programs:
        # Reaped as well: JACK takes a zombie for a running server.
        if program.argv[0] == "jackd" or not OURS.isdisjoint(program.argv):
            program.kill()


async def hears(jam: Jam, path: str, *names: str) -> bool:
    sines = await jam.sines_on(path)
    assert sines == expected(names), f"{path} carries {sorted(sines)}"
    return True


def test_a_host_without_jack_is_named_and_waited_for(jam: Jam) -> None:
    assert "JackAbsent" in conditions(jam, "bob", "alice")
    assert set(feeding(jam).values()) == {"alice"}


async def test_a_port_that_is_taken_is_named_and_replaced(jam: Jam) -> None:
    async with asyncio.timeout(HEALED):
        seen, _ = await asyncio.gather(
            seen_until_linked(jam, "bob"), asyncio.to_thread(jam.start_audio, "bob")
        )
    busy = [c.message for c in seen if c.reason is Reason.UDP_PORT_BUSY]
    assert busy
    assert str(FIRST_PORT) in busy[0]
    assert "bob" in busy[0]
    (link,) = jam.status()["links"]
    assert link["udp_port"] != FIRST_PORT
    assert "UdpPortBusy" not in conditions(jam, "bob", "alice")


async def test_a_strange_password_is_carried_through(jam: Jam) -> None:
    await aeventually(lambda: hears(jam, "/dj1.ogg", "alice"), within=20)
    for host in jam.lab.hosts:
        for file in (host.folder / "state").rglob("*"):
            if file.is_file() and STRANGE in file.read_text(errors="replace"):
                assert file.stat().st_mode & 0o777 == 0o600, file


def test_an_input_that_is_late_is_named_then_wired(jam: Jam) -> None:
    bob = jam.lab.host("bob")
    eventually(
        lambda: "late:out_1" in conditions(jam, "bob").get("InputPortAbsent", ""),
        within=15,
    )
    bob.start_player("--sine", "1210", client="late")
    wire = ("late:out_1", "link-alice:send_2")
    eventually(lambda: wire in connections(bob), within=10)
    eventually(lambda: "InputPortAbsent" not in conditions(jam, "bob"), within=10)


def test_another_period_is_named_with_both_values(jam: Jam) -> None:
    end_jack(jam, "bob")
    eventually(lambda: "JackAbsent" in conditions(jam, "bob"), within=10)
    jam.start_audio("bob", Frames(256))

    def named() -> bool:
        text = "".join(conditions(jam, n).get("PeriodMismatch", "") for n in HOSTS)
        return "256" in text and "512" in text

    eventually(named, within=HEALED)
    # Nothing else of the show is touched.
    assert set(feeding(jam)) == set(MOUNTS)
    end_jack(jam, "bob")
    eventually(lambda: "JackAbsent" in conditions(jam, "bob"), within=10)
    jam.start_audio("bob")
    eventually(lambda: all_live(jam), within=HEALED)
    for name in HOSTS:
        assert "PeriodMismatch" not in conditions(jam, name)


async def test_the_broadcasters_jack_server_dies_and_comes_back(jam: Jam) -> None:
    broadcaster = jam.status()["broadcaster"]
    end_jack(jam, broadcaster)
    eventually(lambda: "JackAbsent" in conditions(jam, broadcaster), within=10)
    jam.start_audio(broadcaster)
    eventually(lambda: all_live(jam), within=HEALED)
    await aeventually(lambda: hears(jam, "/mix.opus", *HOSTS), within=20)


def test_a_hang_up_without_a_terminal_restarts_the_agent_in_place(jam: Jam) -> None:
    broadcaster = jam.status()["broadcaster"]
    before = {name: jam.pids_of(name) for name in HOSTS}
    agent = jam.agents[broadcaster]
    ready = agent.text.count("agent.ready")
    agent.send(signal.SIGHUP)
    sent = time.monotonic()
    eventually(lambda: agent.text.count("agent.ready") > ready, within=20)
    took = time.monotonic() - sent
    eventually(lambda: all_live(jam, broadcaster), within=20)
    after = {name: jam.pids_of(name) for name in HOSTS}
    # A source outlives an agent that is silent for 10 s, which a busy machine can be.
    kept = PROCS if took < GRACE else {"link-alice", "link-bob"}
    for name in HOSTS:
        pids = {proc: pid for proc, pid in before[name].items() if proc in kept}
        assert pids.items() <= after[name].items()
    assert jam.status()["broadcaster"] == broadcaster or took >= GRACE


async def test_an_agent_that_is_told_to_end_hands_over_first(jam: Jam) -> None:
    broadcaster = jam.status()["broadcaster"]
    (other,) = set(HOSTS) - {broadcaster}
    agent = jam.agents[broadcaster]
    agent.send(signal.SIGTERM)
    assert agent.wait(Seconds(20)) == 0
    assert not jam.ours_on(broadcaster)
    eventually(lambda: feeding(jam, other) == dict.fromkeys(MOUNTS, other), within=15)
    await aeventually(lambda: hears(jam, "/mix.opus", other), within=20)
