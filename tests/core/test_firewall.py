"""The rules of `doctor --firewall`, as values and as nftables' own text."""

from collections.abc import Mapping
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from sessiond.core.firewall import (
    MDNS_PORT,
    Firewall,
    Protocol,
    Seat,
    firewall,
    nft_rules,
)
from sessiond.core.settle import settle
from sessiond.core.stamped import StampedSpec, Station
from sessiond.units import HostName
from tests.core.examples import ALICE, BOB, CAROL, all_facts, document, hosts, session

PLACES: Mapping[HostName, tuple[str, ...]] = {
    ALICE: ("192.168.1.20",),
    BOB: ("192.168.1.21",),
    CAROL: ("fe80::22", "192.168.1.22"),
}
HERE = Seat(host=ALICE, port=7700, places=PLACES)

OWN = Station(address="192.168.1.20", port=8000, host=ALICE)

GOLDEN = """\
#!/usr/sbin/nft -f
# What alice lets in for the session jam (1.1).
# A firewall of yours that drops by default needs these lines in its own
# input chain: accepting here takes back no other table's drop.
add table inet sessiond
delete table inet sessiond
table inet sessiond {
  chain input {
    type filter hook input priority filter; policy accept;
    iif "lo" accept
    tcp dport 7700 accept comment "agents and operators, by mutual TLS"
    tcp dport 7701 accept comment "whoever joins, by TLS"
    ip daddr { 224.0.0.251 } udp dport 5353 accept comment "agents that look for one \
another"
    ip6 daddr { ff02::fb } udp dport 5353 accept comment "agents that look for one \
another"
    ip saddr { 192.168.1.21 } udp dport 4464 accept comment "the link with bob"
    ip saddr { 192.168.1.22 } udp dport 4465 accept comment "the link with carol"
    ip6 saddr { fe80::22 } udp dport 4465 accept comment "the link with carol"
    tcp dport 8000 accept comment "Icecast: listeners and sources"
    udp dport { 4464, 4465 } drop comment "JackTrip from anyone else"
  }
}
"""


def links(wall: Firewall) -> dict[int, tuple[str, ...]]:
    return {
        one.port: one.sources
        for one in wall.openings
        if one.protocol is Protocol.UDP and one.port != MDNS_PORT
    }


def hidden(doc: StampedSpec, name: HostName) -> StampedSpec:
    members = (
        replace(m, reachable=False) if m.name == name else m for m in doc.members
    )
    return replace(doc, members=tuple(members))


def test_the_rules_of_a_host_that_is_the_station_too() -> None:
    assert nft_rules(firewall(document(station=OWN), HERE)) == GOLDEN


def test_another_hosts_station_needs_no_opening_here() -> None:
    there = Seat(host=BOB, port=7700, places=PLACES)
    wall = firewall(document(station=OWN), there)
    assert [o.port for o in wall.openings if o.protocol is Protocol.TCP] == [7700, 7701]
    assert links(wall) == {4464: PLACES[ALICE], 4466: ("192.168.1.22", "fe80::22")}


def test_without_a_session_only_what_finds_one() -> None:
    stopped = document(stopped=True)
    for doc in (None, stopped):
        wall = firewall(doc, HERE)
        assert [one.port for one in wall.openings] == [7700, 7701, MDNS_PORT]
        text = nft_rules(wall)
        assert "alice lets in for a host in no session." in text
        assert "drop comment" not in text


def test_a_host_outside_the_document_has_no_links() -> None:
    wall = firewall(document(), Seat(host=HostName("dave"), port=7700, places=PLACES))
    assert (links(wall), wall.closed, wall.notes) == ({}, (), ())


def test_whoever_is_behind_nat_comes_from_anywhere() -> None:
    wall = firewall(hidden(document(), BOB), HERE)
    assert links(wall)[4464] == ()
    (note,) = wall.notes
    assert note.startswith("bob is behind NAT, so 4464/udp is open to everyone;")
    text = nft_rules(wall)
    assert '    udp dport 4464 accept comment "the link with bob"' in text
    assert f"# {note}" in text


def test_a_link_to_nowhere_stays_closed() -> None:
    wall = firewall(document(), Seat(host=ALICE, port=7700))
    assert links(wall) == {}
    assert wall.closed == (4464, 4465)
    assert wall.notes[0] == "bob has no known address yet, so 4464/udp is closed."


def test_the_last_port_has_no_join_port_beside_it() -> None:
    wall = firewall(None, Seat(host=ALICE, port=65535))
    assert [o.port for o in wall.openings] == [65535, MDNS_PORT]


@given(st.integers(1, 12), st.data())
def test_no_link_is_open_to_more_than_its_peer(
    count: int, choose: st.DataObject
) -> None:
    names = hosts(count)
    doc = settle(
        document(session(names)), all_facts(names), leader=names[0], standby=None
    )
    places = {name: (f"10.0.0.{n + 1}",) for n, name in enumerate(names)}
    me = choose.draw(st.sampled_from(names))
    wall = firewall(doc, Seat(host=me, port=7700, places=places))
    wanted = {
        link.udp_port: places[peer]
        for link in doc.links
        if (peer := link.peer_of(me)) is not None
    }
    assert links(wall) == wanted
    assert set(wall.closed) == set(wanted)
