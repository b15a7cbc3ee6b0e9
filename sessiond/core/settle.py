"""What a leader adds to a spec: who the members are, and how they are linked.

Pure and idempotent: a leader stamps the result only when it differs.
"""

from collections.abc import Mapping
from dataclasses import replace

from sessiond.core.facts import HostFacts
from sessiond.core.spec import HostRef, SessionSpec
from sessiond.core.stamped import LinkPort, Member, Stamp, StampedSpec, Station
from sessiond.core.topology import hubs, pairs, settle_links
from sessiond.units import HostName, Term

FIRST_STAMP = Stamp(Term(0), 0)
"""Stands where a document has not been stamped yet."""


def first_document(
    spec: SessionSpec,
    found: Mapping[HostName, HostFacts],
    station: Station | None,
) -> StampedSpec:
    """Return the document with which a session begins, not yet stamped.

    Args:
        spec: As the operator wrote it.
        found: The session's hosts that answer now, by name.
        station: Where its Icecast is; None without mounts.
    """
    blank = StampedSpec(stamp=FIRST_STAMP, spec=spec, members=(), station=station)
    return settle(blank, found, leader=None, standby=None)


def amended(document: StampedSpec, spec: SessionSpec) -> StampedSpec:
    """Return the document with another spec; `settle` brings the rest into line."""
    station = document.station
    if spec.icecast is not None:
        station = external_station(spec)
    return replace(document, spec=spec, station=station)


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
    members = tuple(_member(ref, document, found.get(ref.name)) for ref in spec.hosts)
    busy = {name: facts.busy_ports for name, facts in found.items()}
    links: tuple[LinkPort, ...] = settle_links(
        pairs(spec, hubs(spec, leader, standby)), members, document.links, busy
    )
    return replace(document, members=members, links=links)


def _member(ref: HostRef, document: StampedSpec, facts: HostFacts | None) -> Member:
    known = document.member(ref.name) or Member(name=ref.name, address=ref.address)
    if facts is None or (known.id is not None and facts.id != known.id):
        return known
    return replace(known, id=facts.id, address=facts.address, reachable=facts.reachable)
