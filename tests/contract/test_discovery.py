"""The contract of the door `Discovery`: a fake network, and two real namespaces."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pytest
from zeroconf import ServiceInfo
from zeroconf.asyncio import AsyncZeroconf

from agent.adapters.mdns import MAX_SIGHTINGS, SERVICE, MdnsDiscovery
from agent.doors import Bell, Discovery
from sessiond.core.status import HostSighting
from sessiond.errors import Unavailable
from sessiond.units import Address, HostId, HostName
from tests.contract.conftest import Rings, descriptors
from tests.support.eventually import aeventually
from tests.support.fakes import FakeDiscovery, FakeNetwork

ALICE = HostSighting(
    name=HostName("alice"),
    id=HostId("a" * 32),
    address=Address("10.97.0.1:7700"),
    version="0.1.0",
)
BOB = HostSighting(
    name=HostName("bob"),
    id=HostId("b" * 32),
    address=Address("10.97.0.2:7700"),
    version="0.1.0",
)
CLONE_NEWNET = 0x40000000


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


class Namespaces:
    """Two hosts on one cable, 10.97.0.1 and 10.97.0.2, each a network namespace."""

    def __init__(self) -> None:
        self.names = [f"disc{side}{os.getpid()}" for side in "ab"]
        for name in self.names:
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        a, b = self.names
        ip("-n", a, "link", "add", "v0", "type", "veth", "peer", "v0", "netns", b)
        for host, name in enumerate(self.names, start=1):
            ip("-n", name, "addr", "add", f"10.97.0.{host}/24", "dev", "v0")
            ip("-n", name, "link", "set", "v0", "up")

    def close(self) -> None:
        for name in self.names:
            ip("netns", "del", name)

    def of(self, address: str) -> str:
        """Return the namespace that has this address."""
        return self.names[int(address.split(":", maxsplit=1)[0].rpartition(".")[2]) - 1]

    @contextmanager
    def inside(self, address: str) -> Iterator[None]:
        """Make the sockets of this block on the host with that address."""
        with (
            Path("/proc/self/ns/net").open() as home,
            Path("/run/netns", self.of(address)).open() as there,
        ):
            enter(there.fileno())
            try:
                yield
            finally:
                enter(home.fileno())


def enter(namespace: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.setns(namespace, CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())


class Network(Protocol):
    def agent(self, identity: HostSighting, bell: Bell) -> Discovery: ...


class InNamespace:
    """A real discovery whose sockets are those of its own host."""

    def __init__(
        self, namespaces: Namespaces, identity: HostSighting, bell: Bell
    ) -> None:
        self._namespaces = namespaces
        self._address = identity.address
        self._discovery = MdnsDiscovery(
            identity.name, identity.id, identity.address, bell, identity.version
        )
        self.sightings = self._discovery.sightings
        self.close = self._discovery.close

    async def open(self) -> None:
        with self._namespaces.inside(self._address):
            await self._discovery.open()


class RealNetwork:
    def __init__(self, namespaces: Namespaces) -> None:
        self._namespaces = namespaces

    def agent(self, identity: HostSighting, bell: Bell) -> Discovery:
        return InNamespace(self._namespaces, identity, bell)


class PretendNetwork:
    def __init__(self) -> None:
        self._network = FakeNetwork()

    def agent(self, identity: HostSighting, bell: Bell) -> Discovery:
        return FakeDiscovery(self._network, identity, bell)


@pytest.fixture(scope="module")
def namespaces() -> Iterator[Namespaces]:
    made = Namespaces()
    yield made
    made.close()


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.real)])
def network(request: pytest.FixtureRequest) -> Network:
    if request.param == "fake":
        return PretendNetwork()
    return RealNetwork(request.getfixturevalue("namespaces"))


OpenAgent = Callable[[HostSighting], Discovery]


@pytest.fixture
async def agent(network: Network, rings: Rings) -> AsyncIterator[OpenAgent]:
    before = descriptors()
    made: list[Discovery] = []

    def make(identity: HostSighting) -> Discovery:
        made.append(network.agent(identity, rings))
        return made[-1]

    yield make
    for discovery in made:
        await discovery.close()
    assert descriptors() <= before, "a descriptor leaked"


def seen_by(discovery: Discovery) -> list[HostSighting]:
    return list(discovery.sightings())


async def test_two_agents_see_each_other_and_themselves(agent: OpenAgent) -> None:
    alice, bob = agent(ALICE), agent(BOB)
    assert seen_by(alice) == []
    await alice.open()
    await bob.open()
    await aeventually(lambda: seen_by(alice) == [ALICE, BOB], within=5)
    await aeventually(lambda: seen_by(bob) == [ALICE, BOB], within=5)


async def test_a_newcomer_and_a_goodbye_ring(agent: OpenAgent, rings: Rings) -> None:
    alice, bob = agent(ALICE), agent(BOB)
    await alice.open()
    await aeventually(lambda: seen_by(alice) == [ALICE], within=5)
    rings.count = 0
    await bob.open()
    await aeventually(lambda: seen_by(alice) == [ALICE, BOB], within=5)
    assert rings.count > 0
    rings.count = 0
    await bob.close()
    await aeventually(lambda: seen_by(alice) == [ALICE], within=5)
    assert rings.count > 0


async def test_two_agents_of_one_name_are_both_seen(agent: OpenAgent) -> None:
    namesake = replace(BOB, name=ALICE.name)
    alice, other = agent(ALICE), agent(namesake)
    await alice.open()
    await other.open()
    await aeventually(lambda: seen_by(alice) == [ALICE, namesake], within=5)


async def test_closing_twice_or_unopened_is_fine(agent: OpenAgent) -> None:
    alice = agent(ALICE)
    await alice.close()
    await alice.open()
    await alice.close()
    await alice.close()


async def test_blocked_multicast_is_unavailable() -> None:
    network = FakeNetwork()
    network.blocked = True
    with pytest.raises(Unavailable):
        await FakeDiscovery(network, ALICE).open()


# What only a real network shows.


@pytest.mark.real
@pytest.mark.parametrize(
    "address",
    ["127.0.0.1:7700", "192.0.2.1:7700", "0.0.0.0:7700", "nowhere.invalid:7700"],
)
async def test_an_address_that_cannot_multicast_is_unavailable(address: str) -> None:
    before = descriptors()
    door = MdnsDiscovery(ALICE.name, ALICE.id, Address(address), Rings())
    with pytest.raises(Unavailable):
        await door.open()
    await door.close()
    assert descriptors() <= before


ANNOUNCE = """if True:
    import asyncio, sys
    from agent.adapters.mdns import MdnsDiscovery
    async def main():
        door = MdnsDiscovery(sys.argv[1], sys.argv[2], sys.argv[3], lambda: None)
        await door.open()
        print("open", flush=True)
        await asyncio.sleep(300)
    asyncio.run(main())
"""


@pytest.mark.real
async def test_an_agent_killed_and_restarted_at_once_is_seen_where_it_is_now(
    namespaces: Namespaces, rings: Rings
) -> None:
    bob = InNamespace(namespaces, BOB, rings)
    await bob.open()
    killed = announce(namespaces, replace(ALICE, address=Address("10.97.0.1:7701")))
    await aeventually(lambda: len(seen_by(bob)) == 2, within=5)
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=5)
    alice = InNamespace(namespaces, ALICE, rings)
    await alice.open()
    await aeventually(
        lambda: [s.address for s in seen_by(bob)] == [ALICE.address, BOB.address],
        within=5,
    )
    await alice.close()
    await bob.close()


def announce(
    namespaces: Namespaces, identity: HostSighting
) -> "subprocess.Popen[bytes]":
    who = [identity.name, identity.id, identity.address]
    enter_and_run = ["ip", "netns", "exec", namespaces.of(identity.address)]
    return subprocess.Popen(
        [*enter_and_run, sys.executable, "-c", ANNOUNCE, *who], stdout=subprocess.PIPE
    )


@pytest.mark.real
async def test_an_agent_with_a_new_identity_replaces_its_former_self(
    namespaces: Namespaces, rings: Rings
) -> None:
    bob = InNamespace(namespaces, BOB, rings)
    await bob.open()
    former = announce(namespaces, replace(ALICE, id=HostId("c" * 32)))
    await aeventually(lambda: len(seen_by(bob)) == 2, within=5)
    former.send_signal(signal.SIGKILL)
    former.communicate(timeout=5)
    alice = InNamespace(namespaces, ALICE, rings)
    await alice.open()
    await aeventually(lambda: seen_by(bob) == [ALICE, BOB], within=5)
    await alice.close()
    await bob.close()


@pytest.mark.real
async def test_strange_announcements_are_no_sightings_and_a_flood_is_bounded(
    namespaces: Namespaces, rings: Rings
) -> None:
    bob = InNamespace(namespaces, BOB, rings)
    await bob.open()
    with namespaces.inside(ALICE.address):
        stranger = AsyncZeroconf(interfaces=["10.97.0.1"])
    strange = [
        service("x1", {"name": "Al ice", "id": "a" * 32, "v": "1"}),
        service("x2-aaaaaaaa", {"name": "x2", "id": "a" * 31, "v": "1"}),
        service("x3-aaaaaaaa", {"name": "x3", "id": "a" * 32, "v": "1\n"}),
        service("another", {"name": "x4", "id": "a" * 32, "v": "1"}),
        service("x5-aaaaaaaa", {}),
        service("x6-aaaaaaaa", {"name": "x6", "id": b"\xff" * 32, "v": "1"}),
        service("x7-aaaaaaaa", {"name": "x7", "id": "a" * 32, "v": ""}, port=0),
    ]
    flood = [
        service(f"f{n}-{n:08x}", {"name": f"f{n}", "id": f"{n:08x}" * 4, "v": "1"})
        for n in range(MAX_SIGHTINGS + 40)
    ]
    for info in (*strange, *flood):
        await stranger.async_register_service(info, cooperating_responders=True)
    await aeventually(
        lambda: len(seen_by(bob)) == MAX_SIGHTINGS and flood[-1].name[:4] in names(bob),
        within=15,
    )
    assert not {name for name in names(bob) if name.startswith("x")}
    await bob.close()
    await stranger.zeroconf._async_close()


def names(discovery: Discovery) -> set[str]:
    return {sighting.name for sighting in seen_by(discovery)}


def service(
    instance: str, text: dict[str, str | bytes], port: int = 7700
) -> ServiceInfo:
    return ServiceInfo(
        SERVICE,
        f"{instance}.{SERVICE}",
        port=port,
        addresses=[socket.inet_aton("10.97.0.1")],
        properties=text,
        server=f"{instance}.local.",
    )
