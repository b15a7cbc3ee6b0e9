"""The rules of ``doctor --firewall`` in a real kernel: who gets in, and who doesn't."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest

from sessiond.cli.lab import Lab, LabHost
from sessiond.core.firewall import MDNS_GROUPS, MDNS_PORT, Seat, firewall, nft_rules
from sessiond.core.stamped import Station
from sessiond.units import HostName
from tests.core.examples import document, session

pytestmark = pytest.mark.real

DUO = (HostName("alice"), HostName("bob"))
LINK = 4464

# What a datagram on one switch takes is a hundredth of it.
_WITHIN = 1.0


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Lab("sessiond-wall", hosts=(*DUO, "stranger"), folder=tmp_path) as opened:
        yield opened


def load_rules(host: LabHost, lab: Lab) -> None:
    station = Station(address=host.address, port=8000, host=DUO[0])
    places = {name: (lab.host(name).address,) for name in DUO}
    wall = firewall(
        replace(document(session(DUO)), station=station),
        Seat(host=DUO[0], port=7700, places=places),
    )
    assert wall.closed == (LINK,)
    file = host.folder / "rules.nft"
    file.write_text(nft_rules(wall))
    for _ in range(2):
        host.run(("/usr/sbin/nft", "-f", str(file)))


def arrives(sender: LabHost, at: socket.socket, port: int, to: str) -> bool:
    """Tell whether a datagram reaches a socket that listens there."""
    with closing(sender.open_socket(socket.SOCK_DGRAM)) as opened:
        opened.sendto(b"hello", (to, port))
    at.settimeout(_WITHIN)
    try:
        return at.recv(64) == b"hello"
    except TimeoutError:
        return False


def listening(host: LabHost, port: int, stack: ExitStack) -> socket.socket:
    opened = stack.enter_context(closing(host.open_socket(socket.SOCK_DGRAM)))
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    opened.bind(("", port))
    return opened


def test_a_link_is_open_to_its_peer_alone(lab: Lab) -> None:
    alice, bob, stranger = lab.hosts
    with ExitStack() as stack:
        link = listening(alice, LINK, stack)
        assert arrives(stranger, link, LINK, alice.address)
        load_rules(alice, lab)
        assert arrives(bob, link, LINK, alice.address)
        assert not arrives(stranger, link, LINK, alice.address)
        # What is not ours stays as it is.
        other = listening(alice, 5004, stack)
        assert arrives(stranger, other, 5004, alice.address)


def test_everyone_may_ask_join_listen_and_announce(lab: Lab) -> None:
    alice, _, stranger = lab.hosts
    load_rules(alice, lab)
    with ExitStack() as stack:
        for port in (7700, 7701, 8000):
            server = stack.enter_context(closing(alice.open_socket()))
            server.bind(("", port))
            server.listen()
            stack.enter_context(closing(stranger.connect(alice.address, port)))
        mdns = listening(alice, MDNS_PORT, stack)
        group, interface = (
            socket.inet_aton(one) for one in (MDNS_GROUPS[0], alice.address)
        )
        mdns.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group + interface)
        assert arrives(stranger, mdns, MDNS_PORT, MDNS_GROUPS[0])
