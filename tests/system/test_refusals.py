"""Bad input and hosts that don't fit: one sentence, the right exit code, no trace.

One lab without a session serves every test of this module; each leaves it as it was.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sessiond.core.spec import HostRef, LinkSettings, SessionSpec
from sessiond.core.specfile import parse_spec
from sessiond.core.stamped import Secrets
from sessiond.errors import Refused, SessiondError
from sessiond.units import Frames, Hertz
from sessiond.wire.client import AgentClient
from tests.support.eventually import eventually
from tests.support.jam import SESSION, Jam, jamming
from tests.support.written import open_icecast, refuses, written
from tests.system.conftest import unmarked

pytestmark = [pytest.mark.real, pytest.mark.timeout(60)]

MIX = {"/mix.opus": ("*",)}
DUO = ("alice", "bob")


@pytest.fixture(scope="module")
def jam(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jam]:
    unmarked()
    folder = tmp_path_factory.mktemp("jam")
    with jamming(folder, "alice", "bob", "carol", "dave") as opened:
        for name in opened.musicians:
            # Dave's agent calls itself Bob, too.
            known = {"name": "bob"} if name == "dave" else {}
            opened.start_agent(name, {"": {**peers(opened, name), **known}})
        for name in DUO:
            opened.start_audio(name)
        opened.lab.host("carol").start_jackd(Hertz(44100), Frames(512))
        opened.await_agents(opened.musicians)
        yield opened


def peers(jam: Jam, name: str) -> dict[str, list[str] | bool]:
    others = (h for h in jam.musicians if h != name)
    return {"peers": [at(jam, h) for h in others], "mdns": False}


def at(jam: Jam, name: str) -> str:
    return f"{jam.lab.host(name).address}:7700"


def untouched(jam: Jam) -> bool:
    """Tell that no host is in a session or runs anything for one."""
    for name in jam.musicians:
        assert not jam.ours_on(name), jam.ours_on(name)
    said = jam.operate("alice", "hosts", "--wait", "0", "--json")
    return {host["session"] for host in said.document["hosts"]} <= {"", None}


def test_an_absent_icecast(jam: Jam) -> None:
    file = written(jam, ["alice", f"bob@{at(jam, 'bob')}"], MIX)
    assert refuses(jam.operate("alice", "create", str(file)), 3, ":8000")
    assert untouched(jam)


def test_a_name_that_two_agents_carry(jam: Jam) -> None:
    file = written(jam, DUO, {}, station=False)
    said = jam.operate("alice", "create", str(file))
    assert refuses(said, 2, "bob", at(jam, "bob"), at(jam, "dave"))
    # Whoever is asked, also one of the two.
    assert refuses(jam.operate("bob", "create", str(file)), 2, at(jam, "dave"))
    assert untouched(jam)


def test_an_address_where_another_host_is(jam: Jam) -> None:
    file = written(jam, ["alice", f"bob@{at(jam, 'carol')}"], {}, station=False)
    assert refuses(jam.operate("alice", "create", str(file)), 2, "carol", "bob")
    assert untouched(jam)


def test_a_jack_server_at_another_rate(jam: Jam) -> None:
    file = written(jam, ["alice", "carol"], {}, station=False)
    for asked in ("alice", "carol"):
        said = jam.operate(asked, "create", str(file))
        assert refuses(said, 2, "carol", "44100", "48000")
    assert untouched(jam)


def test_hosts_none_of_which_is_there(jam: Jam) -> None:
    file = written(jam, ["zoe", "yves"], {}, station=False)
    assert refuses(jam.operate("alice", "create", str(file)), 3, SESSION)


def test_an_agent_that_is_not_there(jam: Jam) -> None:
    where = f"unix:{jam.lab.folder}/nobody.sock"
    assert refuses(jam.operate("alice", "--agent", where, "status"), 3, where)


def test_an_agent_that_this_person_has_no_way_in_to(jam: Jam) -> None:
    where = at(jam, "alice")
    said = jam.operate("alice", "--agent", where, "status")
    assert refuses(said, 2, where, "sessiond invite")


def test_a_session_that_is_not_there(jam: Jam) -> None:
    file = written(jam, DUO, {}, station=False)
    for command in (
        ("stop", "nosuch"),
        ("gain", "nosuch", "/mix.opus", "bob", "-3"),
        ("apply", str(file), "--yes"),
        ("leave",),
        ("mute", "zoe"),
    ):
        assert refuses(jam.operate("alice", *command), 2), command


def asked(jam: Jam, spec: SessionSpec) -> SessiondError | None:
    """Return what an agent answers to a spec that no parser has seen."""

    async def create() -> SessiondError | None:
        async with AgentClient(f"unix:{jam.lab.host('alice').agent_socket}") as agent:
            try:
                await agent.create(spec, Secrets())
            except SessiondError as e:
                return e
        return None

    return asyncio.run(create())


def test_specs_that_no_parser_has_seen(jam: Jam) -> None:
    file = written(jam, ["alice"], MIX, station=False)
    good = parse_spec(file.read_text()).spec
    mount = good.mounts[0]
    for wrong in (
        replace(good, links=LinkSettings(bit_depth=7)),
        replace(good, mounts=(mount, mount)),
        replace(good, mounts=(replace(mount, sources=()),)),
        replace(good, hosts=(*good.hosts, HostRef(name=good.hosts[0].name))),
    ):
        assert isinstance(asked(jam, wrong), Refused), wrong
    assert untouched(jam)


def test_wrong_passwords_and_none(jam: Jam) -> None:
    bob = f"bob@{at(jam, 'bob')}"
    icecast = open_icecast(jam, written(jam, ["alice", bob], MIX))
    file = written(jam, ["alice", bob], MIX, password="wrong")
    assert refuses(jam.operate("alice", "create", str(file)), 4, "/mix.opus")
    Path(file.parent / "source.password").write_text("\n")
    assert refuses(jam.operate("alice", "create", str(file)), 2, "source password")
    assert untouched(jam)
    icecast.stop()


def test_one_of_two_namesakes_is_picked_by_its_address(jam: Jam) -> None:
    file = written(jam, ["alice", f"bob@{at(jam, 'dave')}"], {}, station=False)
    said = jam.operate("alice", "create", str(file), "--wait", "0")
    assert said.code == 0, said
    eventually(lambda: jam.operate("dave", "status").code == 0, within=10)
    assert jam.operate("bob", "status").code == 2
    # Who is in a session can't be asked into another one.
    other = written(
        jam,
        [f"bob@{at(jam, 'dave')}", "carol"],
        {},
        name="other",
        station=False,
        top="rate_hz = 44100",
    )
    assert refuses(jam.operate("carol", "create", str(other)), 2, SESSION, "bob")
    again = written(
        jam,
        [f"bob@{at(jam, 'dave')}", "carol"],
        {},
        station=False,
        top="rate_hz = 44100",
    )
    assert refuses(jam.operate("carol", "create", str(again)), 2, SESSION, "bob")
    assert jam.operate("alice", "stop", SESSION).code == 0
    eventually(lambda: jam.operate("dave", "spec", SESSION).code == 2, within=10)
    eventually(lambda: not jam.ours_on("dave"), within=10)
