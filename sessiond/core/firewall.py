"""What a host must let in for its session, and the nftables rules that say so.

They close the ports of this host's links to strangers and leave all that isn't ours as
it is: a firewall that drops by default stays in force, and needs the same lines.
"""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from sessiond.core.stamped import LinkPort, StampedSpec
from sessiond.units import HostName, UdpPort

# RFC 6762 section 3: the one port and the two groups; no router passes them on.
MDNS_PORT: Final = 5353
MDNS_GROUPS: Final = ("224.0.0.251", "ff02::fb")


class Protocol(StrEnum):
    """What a port is a port of."""

    TCP = "tcp"
    UDP = "udp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A way in that the session needs.

    Attributes:
        sources: Bare IPv4 and IPv6 addresses; empty: from everywhere.
        destinations: Likewise; empty: whichever the host has.
        why: What comes in there, for people.
    """

    protocol: Protocol
    port: int
    why: str
    sources: tuple[str, ...] = ()
    destinations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Firewall:
    """All that one host needs to let in.

    Attributes:
        document: None outside a session.
        closed: UDP ports of the host's links: closed to all who have no opening.
        notes: What a person has to know about these rules, one sentence each.
    """

    host: HostName
    document: StampedSpec | None
    openings: tuple[Opening, ...]
    closed: tuple[UdpPort, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """The host that the rules are for, and where the others are.

    Attributes:
        port: Where its agent listens.
        places: Each member's addresses as bare IPs, as far as they are known.
    """

    host: HostName
    port: int
    places: Mapping[HostName, tuple[str, ...]] = field(
        default_factory=lambda: MappingProxyType({})
    )


def firewall(document: StampedSpec | None, seat: Seat) -> Firewall:
    """Return what this host must let in; without a session only what finds one."""
    if document is None or document.stopped:
        return Firewall(host=seat.host, document=None, openings=tuple(_agent(seat)))
    ends = [(link, link.peer_of(seat.host)) for link in document.links]
    links = [_link(document, seat, link, peer) for link, peer in ends if peer]
    return Firewall(
        host=seat.host,
        document=document,
        openings=(
            *_agent(seat),
            *(opening for opening, _ in links if opening),
            *_station(document, seat),
        ),
        closed=tuple(sorted(link.udp_port for link, peer in ends if peer)),
        notes=tuple(note for _, note in links if note),
    )


def nft_rules(wall: Firewall) -> str:
    """Return the rules as a file for ``nft -f``; loading it twice changes nothing."""
    return "\n".join(_lines(wall)) + "\n"


def _agent(seat: Seat) -> Iterator[Opening]:
    yield Opening(
        protocol=Protocol.TCP,
        port=seat.port,
        why="agents and operators, by mutual TLS",
    )
    if seat.port < 65535:
        yield Opening(
            protocol=Protocol.TCP, port=seat.port + 1, why="whoever joins, by TLS"
        )
    yield Opening(
        protocol=Protocol.UDP,
        port=MDNS_PORT,
        destinations=MDNS_GROUPS,
        why="agents that look for one another",
    )


def _link(
    document: StampedSpec, seat: Seat, link: LinkPort, peer: HostName
) -> tuple[Opening | None, str]:
    """Return a link's opening, None while its peer is nowhere known; and a note."""
    member = document.member(peer)
    port = f"{link.udp_port}/udp"
    places = tuple(sorted(seat.places.get(peer, ())))
    why = f"the link with {peer}"
    if member is not None and not member.reachable:
        return Opening(protocol=Protocol.UDP, port=link.udp_port, why=why), (
            f"{peer} is behind NAT, so {port} is open to everyone; name its router's "
            "public address there if you know it."
        )
    if not places:
        return None, f"{peer} has no known address yet, so {port} is closed."
    return Opening(
        protocol=Protocol.UDP, port=link.udp_port, sources=places, why=why
    ), ""


def _station(document: StampedSpec, seat: Seat) -> Iterator[Opening]:
    station = document.station
    if station is not None and station.host == seat.host:
        yield Opening(
            protocol=Protocol.TCP,
            port=station.port,
            why="Icecast: listeners and sources",
        )


# ── as nftables' own language ───────────────────────────────────────────────────────


def _lines(wall: Firewall) -> Iterator[str]:
    doc = wall.document
    of = f"the session {doc.spec.name} ({doc.stamp})" if doc else "a host in no session"
    yield "#!/usr/sbin/nft -f"
    yield f"# What {wall.host} lets in for {of}."
    yield "# A firewall of yours that drops by default needs these lines in its own"
    yield "# input chain: accepting here takes back no other table's drop."
    for note in wall.notes:
        yield f"# {note}"
    # Replaces what an earlier document left, in one transaction.
    yield "add table inet sessiond"
    yield "delete table inet sessiond"
    yield "table inet sessiond {"
    yield "  chain input {"
    yield "    type filter hook input priority filter; policy accept;"
    yield '    iif "lo" accept'
    for opening in wall.openings:
        yield from _rules(opening)
    if wall.closed:
        ports = ", ".join(map(str, wall.closed))
        yield f'    udp dport {{ {ports} }} drop comment "JackTrip from anyone else"'
    yield "  }"
    yield "}"


def _rules(opening: Opening) -> Iterator[str]:
    port = f"{opening.protocol} dport {opening.port}"
    matches = [
        *_address_matches("saddr", opening.sources),
        *_address_matches("daddr", opening.destinations),
    ]
    for match in matches or [""]:
        yield f'    {match}{port} accept comment "{opening.why}"'


def _address_matches(key: str, addresses: Iterable[str]) -> Iterator[str]:
    by_version: dict[int, list[str]] = {4: [], 6: []}
    for address in addresses:
        by_version[ipaddress.ip_address(address).version].append(address)
    for family, version in (("ip", 4), ("ip6", 6)):
        if found := by_version[version]:
            yield f"{family} {key} {{ {', '.join(found)} }} "
