"""`doctor --firewall`: whose rules, from whose word; nft itself reads them."""

import json
import os
import subprocess
from dataclasses import replace

import pytest

from sessiond.cli.firewall import addresses_of, is_here
from sessiond.cli.main import run
from sessiond.core.stamped import Member
from sessiond.core.status import HostSighting
from sessiond.units import Address, HostId, HostName, SessionName
from tests.cli import pictures
from tests.cli.fakeagent import FakeAgent

Capture = pytest.CaptureFixture[str]


def seen(name: str, address: str, session: str = "friday-jam") -> HostSighting:
    return HostSighting(
        name=HostName(name),
        id=HostId(f"{ord(name[0]):032x}"),
        address=Address(address),
        session=SessionName(session),
        version="0",
    )


@pytest.fixture
def band(agent: FakeAgent) -> FakeAgent:
    """Alice is this machine; Bob has a name that nobody resolves."""
    agent.sightings = (
        seen("alice", "127.0.0.1:7710"),
        seen("bob", "198.51.100.21:7700"),
    )
    return agent


def test_the_rules_are_those_of_the_host_that_this_is(
    band: FakeAgent, capsys: Capture
) -> None:
    assert run(["doctor", "--firewall"], band.operator()) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "# What alice lets in for the session friday-jam (3.2)."
    assert any(line.startswith("    tcp dport 7711 accept") for line in lines)
    bob = "ip saddr { 192.168.1.21 } udp dport 4464 accept"
    assert any(bob in line for line in lines)
    assert [call[0] for call in band.asked] == ["hosts", "spec"]


def test_nft_takes_the_rules(band: FakeAgent, capsys: Capture) -> None:
    assert run(["doctor", "--firewall"], band.operator()) == 0
    inside = ["unshare", "--net"]
    if os.geteuid() != 0:
        inside = ["unshare", "--user", "--map-root-user", "--net"]
    rules = capsys.readouterr().out
    # Only looked at, loaded, and loaded once more.
    for check, times in (["-c"], 1), ([], 2):
        done = subprocess.run(
            [*inside, "/usr/sbin/nft", *check, "-f", "-"],
            input=rules * times,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")


def test_as_a_document(band: FakeAgent, capsys: Capture) -> None:
    arguments = ["doctor", "--firewall", "--host", "bob", "--json"]
    assert run(arguments, band.operator()) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["host"], document["session"]) == ("bob", "friday-jam")
    assert document["stamp"] == {"term": 3, "revision": 2, "edit": 0}
    assert {
        "protocol": "udp",
        "port": 4464,
        "from": ["192.168.1.20"],
        "to": [],
        "why": "the link with alice",
    } in document["openings"]
    assert document["closed_udp_ports"] == [4464]


def test_a_name_that_nobody_resolves_leaves_its_link_closed(
    band: FakeAgent, capsys: Capture
) -> None:
    bob = Member(name=pictures.BOB, address=Address("no-such-host.invalid:7700"))
    band.running = replace(pictures.STAMPED, members=(pictures.STAMPED.members[0], bob))
    assert run(["doctor", "--firewall"], band.operator()) == 0
    assert "# bob has no known address yet" in capsys.readouterr().out


def test_outside_a_session(agent: FakeAgent, capsys: Capture) -> None:
    agent.sightings = (seen("alice", "127.0.0.1:7710", session=""),)
    assert run(["doctor", "--firewall"], agent.operator()) == 0
    assert "for a host in no session" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--firewall", "--host", "dave"], "dave was not found"),
        (["--host", "bob"], "--host names whose firewall"),
    ],
)
def test_whose_rules_must_be_clear(
    band: FakeAgent, capsys: Capture, words: list[str], says: str
) -> None:
    assert run(["doctor", *words], band.operator()) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("addresses", "says"),
    [
        (("198.51.100.1:7700", "198.51.100.2:7700"), "None of the hosts found"),
        (("127.0.0.1:7700", "127.0.0.1:7710"), "Several of the hosts found"),
    ],
)
def test_from_elsewhere_the_host_must_be_named(
    agent: FakeAgent, capsys: Capture, addresses: tuple[str, ...], says: str
) -> None:
    agent.sightings = (seen("alice", addresses[0]), seen("bob", addresses[1]))
    assert run(["doctor", "--firewall"], agent.operator()) == 2
    assert says in capsys.readouterr().err


def test_addresses() -> None:
    assert addresses_of("::1") == ("::1",)
    assert addresses_of("no-such-host.invalid") == ()
    assert is_here("127.0.0.1")
    assert not is_here("198.51.100.1")
