"""A session ends everywhere, also for who was away, and starts for nobody alone."""

from functools import partial
from pathlib import Path

import pytest

from tests.support.eventually import aeventually, eventually, steadily
from tests.support.jackhost import connections
from tests.support.jam import SESSION, Jam, expected
from tests.system.conftest import Jamming

pytestmark = [pytest.mark.real, pytest.mark.timeout(150)]

MOUNTS = {"/mix.ogg": ("*",), "/dj1.ogg": ("alice",)}


def on_air(jam: Jam, file: Path) -> None:
    jam.start_icecast(file)
    created = jam.operate("alice", "create", str(file))
    assert created.code == 0, created


async def heard(jam: Jam, path: str, *names: str) -> bool:
    sines = await jam.sines_on(path)
    assert sines == expected(names), f"{path} carries {sorted(sines)}"
    return True


async def test_after_stop_nothing_of_ours_is_left(jam_of: Jamming) -> None:
    jam = jam_of("alice", "bob")
    jam.start_all()
    on_air(jam, jam.session_file(MOUNTS))
    assert jam.operate("bob", "stop", SESSION).code == 0
    for name in jam.musicians:
        eventually(partial(is_clean, jam, name), within=10)
    heard = await jam.listen("/mix.ogg", 1.0)
    assert " 404 " in heard.status


def is_clean(jam: Jam, name: str) -> bool:
    host = jam.lab.host(name)
    assert not jam.ours_on(name), jam.ours_on(name)
    assert not connections(host), connections(host)
    clients = {port.partition(":")[0] for port in host.run(("jack_lsp",)).split()}
    assert clients == {"system", "music", "phones"}, clients
    return True


@pytest.mark.parametrize("hosts", [("alice", "bob"), ("alice", "bob", "carol")])
async def test_a_host_that_was_off_while_the_session_stopped_starts_nothing(
    jam_of: Jamming, hosts: tuple[str, ...]
) -> None:
    jam = jam_of(*hosts)
    jam.start_all()
    on_air(jam, jam.session_file(MOUNTS))
    jam.lab.host("bob").kill_all()

    def stopped() -> bool:
        said = jam.operate("alice", "stop", SESSION)
        assert said.code == 0, said
        return True

    eventually(stopped, within=20)
    eventually(lambda: not jam.ours_on("alice"), within=10)
    jam.start_agent("bob")
    jam.start_audio("bob")
    jam.await_agents(["bob"])
    eventually(partial(is_clean, jam, "bob"), within=10)
    steadily(partial(is_clean, jam, "bob"), during=5)


async def test_a_host_that_boots_alone_into_a_session_stays_silent(
    jam_of: Jamming,
) -> None:
    jam = jam_of("alice", "bob")
    jam.start_all()
    on_air(jam, jam.session_file(MOUNTS))
    for name in jam.musicians:
        jam.lab.host(name).kill_all()
    jam.lab.host("bob").cut()
    jam.start_agent("bob")
    jam.start_audio("bob")
    jam.await_agents(["bob"])
    wires = connections(jam.lab.host("bob"))
    assert not [pair for pair in wires if pair[0].startswith("music:")]
    assert (await jam.listen("/mix.ogg", 1.0)).status.split()[1] == "404"
    assert jam.operate("bob", "resume").code == 0
    jam.lab.host("bob").heal()
    await aeventually(lambda: heard(jam, "/mix.ogg", "bob"), within=25)
