"""What a leader adds to a spec: who the members are, and how they are linked.

Pure and idempotent: a leader stamps the result only when it differs.

What a host says of itself never gives it a member's place: facts tell only where the
holder of a known id is. An id and its certificate come into a document together, by a
join (`admitting`), or by an acquaintance of hosts of one studio, whose `identities` an
operator's agent hands to the functions here.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from sessiond.core.facts import HostFacts
from sessiond.core.namerules import ADDRESS
from sessiond.core.spec import HostRef, SessionSpec
from sessiond.core.stamped import LinkPort, Member, Stamp, StampedSpec, Station
from sessiond.core.titles import sound_titles
from sessiond.core.topology import hubs, pairs, settle_links
from sessiond.units import Certificate, HostId, HostName, Term

Identities = Mapping[HostName, tuple[HostId, Certificate]]
"""Hosts whose certificates this agent has seen proven, by name."""

NOBODY: Final[Identities] = MappingProxyType({})

FIRST_STAMP = Stamp(Term(0), 0)
"""Stands where a document has not been stamped yet."""


def first_document(
    spec: SessionSpec,
    found: Mapping[HostName, HostFacts],
    station: Station | None,
    *,
    identities: Identities = NOBODY,
) -> StampedSpec:
    """Return the document with which a session begins, not yet stamped.

    Args:
        spec: As the operator wrote it.
        found: The session's hosts that answer now, by name.
        station: Where its Icecast is; None without mounts.
        identities: The creating host's own, and those of its studio that it knows;
            nobody else is a voter from the start.
    """
    blank = StampedSpec(stamp=FIRST_STAMP, spec=spec, members=(), station=station)
    return settle(identified(blank, identities), found, leader=None, standby=None)


def amended(
    document: StampedSpec, spec: SessionSpec, *, identities: Identities = NOBODY
) -> StampedSpec:
    """Return the document with another spec; `settle` brings the rest into line.

    Args:
        document: The running one.
        spec: Its new spec.
        identities: Those of hosts of the studio; they matter for hosts that are new.
    """
    station = document.station
    if spec.icecast is not None:
        station = external_station(spec)
    return identified(replace(document, spec=spec, station=station), identities)


def identified(document: StampedSpec, identities: Identities) -> StampedSpec:
    """Return the document with a member for each host of its spec, known where it is.

    A member keeps its id for good; only a certificate of that very id replaces its
    certificate. One id has one place, whatever names it is known by.

    Args:
        document: As stamped.
        identities: Proven ones; a name that is no host of the spec says nothing.
    """
    members = tuple(_named(ref, document) for ref in document.spec.hosts)
    taken = {member.id for member in members} | {who.id for who in document.people}
    told: list[Member] = []
    for member in members:
        host, certificate = identities.get(member.name, (None, None))
        is_new = member.id is None and host not in taken
        if host is not None and (is_new or host == member.id):
            told.append(replace(member, id=host, certificate=certificate))
            taken.add(host)
        else:
            told.append(member)
    return replace(document, members=tuple(told))


def external_station(spec: SessionSpec) -> Station | None:
    """Return the station that a spec names; None when it is to be embedded."""
    if spec.icecast is None:
        return None
    server = spec.icecast
    return Station(address=server.host, port=server.port, tls=server.tls)


def settle(
    document: StampedSpec,
    found: Mapping[HostName, HostFacts],
    *,
    leader: HostName | None,
    standby: HostName | None,
) -> StampedSpec:
    """Return the document with its members and links as they should be now.

    Args:
        document: As stamped; members and links that are still wanted stay as they are.
        found: The newest facts of hosts heard, by name.
        leader: The present leader: a star's centre.
        standby: The present standby: a star's other hub.
    """
    spec = document.spec
    members = tuple(
        _located(_named(ref, document), found.get(ref.name)) for ref in spec.hosts
    )
    busy = {name: facts.busy_ports for name, facts in found.items()}
    links: tuple[LinkPort, ...] = settle_links(
        pairs(spec, hubs(spec, leader, standby)), members, document.links, busy
    )
    # A title goes with its mount.
    titles = sound_titles(document.titles, spec)
    return replace(document, members=members, links=links, titles=titles)


def _named(ref: HostRef, document: StampedSpec) -> Member:
    return document.member(ref.name) or Member(name=ref.name, address=ref.address)


def _located(member: Member, facts: HostFacts | None) -> Member:
    if facts is None or facts.id != member.id:
        return member
    if facts.address != member.address and not ADDRESS.accepts(facts.address):
        # No session file could say it, so nobody else would take the document.
        return member
    return replace(member, address=facts.address, reachable=facts.reachable)
