"""A host that boots into a session opens no microphone before it has heard a member."""

import pytest

from sessiond.cli.lab.network import INTERFACE
from tests.support.eventually import aeventually, eventually, steadily
from tests.support.jackhost import connections
from tests.support.jam import Jam, expected
from tests.support.written import conditions, open_icecast, written
from tests.system.conftest import Jamming

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

HOSTS = ("alice", "bob")

# Longer than a host waits that was only restarted (agent.membership.ALONE_AFTER).
LONG_ENOUGH = 8.0


def open_microphones(jam: Jam, name: str) -> list[tuple[str, str]]:
    return [w for w in connections(jam.lab.host(name)) if w[0].startswith("music:")]


def moves(jam: Jam, name: str, address: str) -> None:
    """Give a host another address, as a laptop gets one on another network."""
    host = jam.lab.host(name)
    # With its first address an interface loses the others of the same network.
    host.run(("ip", "address", "del", f"{host.address}/24", "dev", INTERFACE))
    host.run(("ip", "address", "add", f"{address}/24", "dev", INTERFACE))


def silent(jam: Jam, name: str) -> bool:
    assert not open_microphones(jam, name)
    return not jam.ours_on(name)


def boot(jam: Jam, name: str) -> None:
    """Start a host whose last agent ran in another boot."""
    for slot in jam.lab.host(name).state_dir.glob("home.*"):
        slot.unlink()
    jam.start_agent(name)
    jam.start_audio(name)
    jam.await_agents([name])


async def test_a_booted_host_stays_silent_until_a_member_is_heard(
    jam_of: Jamming,
) -> None:
    jam = jam_of(*HOSTS)
    jam.start_all()
    file = written(jam, HOSTS, {"/mix.opus": ("*",)})
    open_icecast(jam, file)
    created = jam.operate("alice", "create", str(file))
    assert created.code == 0, created
    for name in HOSTS:
        jam.lab.host(name).kill_all()

    boot(jam, "bob")
    steadily(lambda: silent(jam, "bob"), during=LONG_ENOUGH)
    assert "sessiond resume" in conditions(jam, "bob")["AwaitingConsent"]
    assert (await jam.listen("/mix.opus", 1.0)).status.split()[1] == "404"

    # Alice's agent was only restarted: in her own boot and network she goes on.
    jam.start_agent("alice")
    jam.start_audio("alice")
    jam.await_agents(["alice"])
    eventually(lambda: open_microphones(jam, "bob"), within=20)
    assert "AwaitingConsent" not in conditions(jam, "bob")

    async def together() -> bool:
        sines = await jam.sines_on("/mix.opus")
        assert sines == expected(HOSTS), sorted(sines)
        return True

    await aeventually(together, within=30)


def test_a_host_that_wakes_on_another_network_stays_silent_until_a_member_is_heard(
    jam_of: Jamming,
) -> None:
    jam = jam_of(*HOSTS)
    jam.start_all()
    created = jam.operate("alice", "create", str(written(jam, HOSTS, {})))
    assert created.code == 0, created
    eventually(lambda: open_microphones(jam, "bob"), within=20)

    bob = jam.lab.host("bob")
    bob.cut()
    moves(jam, "bob", bob.address.rpartition(".")[0] + ".77")
    eventually(lambda: "AwaitingConsent" in conditions(jam, "bob"), within=20)
    steadily(lambda: silent(jam, "bob"), during=2.0)

    bob.heal()
    eventually(lambda: open_microphones(jam, "bob"), within=30)
    assert "AwaitingConsent" not in conditions(jam, "bob")
