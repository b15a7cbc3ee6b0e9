"""Which pairs of hosts are linked, and on which UDP port.

A topology is a set of host pairs. `settle_links` keeps every link that is still
wanted exactly as it is, so that adding a host moves nobody.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import combinations
from typing import Final

from sessiond.core.spec import MESH_LIMIT, SessionSpec, TopologyChoice
from sessiond.core.stamped import LinkPort, Member
from sessiond.units import HostName, UdpPort

# JackTrip 1.7 refuses bind ports outside 3464…5464 (its settings source); 4464 is
# the port that people know and open in firewalls.
FIRST_PORT: Final = 4464
LAST_PORT: Final = 5464

Pair = tuple[HostName, HostName]
"""Two hosts in the order of their names."""


def resolved(spec: SessionSpec) -> TopologyChoice:
    """Return mesh or star: what ``auto`` means for this many hosts."""
    if spec.topology is not TopologyChoice.AUTO:
        return spec.topology
    few = len(spec.hosts) <= MESH_LIMIT
    return TopologyChoice.MESH if few else TopologyChoice.STAR


def hubs(
    spec: SessionSpec, leader: HostName | None, standby: HostName | None
) -> tuple[HostName, ...]:
    """Return a star's one or two hubs; none for a mesh.

    Before there is a leader or a standby, the best ranks stand in.
    """
    if resolved(spec) is TopologyChoice.MESH:
        return ()
    names = spec.host_names
    ranked = (*spec.preference, *(n for n in names if n not in spec.preference))
    wanted = [n for n in (leader, standby) if n is not None and n in names]
    spare = [n for n in ranked if n not in wanted]
    return tuple((wanted + spare)[:2])


def pairs(spec: SessionSpec, centre: Sequence[HostName]) -> frozenset[Pair]:
    """Return the linked pairs: with a `centre` of hubs those at it, else all."""
    return frozenset(
        (a, b)
        for a, b in combinations(sorted(spec.host_names), 2)
        if not centre or a in centre or b in centre
    )


def settle_links(
    wanted: frozenset[Pair],
    members: Iterable[Member],
    previous: Iterable[LinkPort],
    busy: Mapping[HostName, frozenset[UdpPort]],
) -> tuple[LinkPort, ...]:
    """Give every wanted pair a port and a server side, sorted by pair.

    Args:
        wanted: The pairs to be linked.
        members: Tell who is reachable; a host that is not is always the client.
        previous: Links that exist; kept unless a port is reported busy.
        busy: Ports that a foreign program holds, for each host.

    Returns:
        One link a pair. A port is free on both hosts of its link; two hosts that
        are both unreachable are linked all the same, in case a way exists.
    """
    by_pair = {(link.a, link.b): link for link in previous}
    reachable = {m.name: m.reachable for m in members}
    kept = {
        pair: by_pair[pair]
        for pair in wanted
        if pair in by_pair
        and not any(by_pair[pair].udp_port in busy.get(h, frozenset()) for h in pair)
    }
    used = {(h, link.udp_port) for pair, link in kept.items() for h in pair}
    foreign = {(host, port) for host, ports in busy.items() for port in ports}
    links = dict(kept)
    for pair in sorted(wanted - kept.keys()):
        # Whoever says that every port is busy gets one all the same.
        free = _free(pair, used | foreign)
        port = next(free, None) or next(_free(pair, used))
        used |= {(host, port) for host in pair}
        a, b = pair
        server = b if not reachable.get(a, True) and reachable.get(b, True) else a
        links[pair] = LinkPort(a=a, b=b, udp_port=port, server=server)
    return tuple(links[pair] for pair in sorted(links))


def _free(pair: Pair, used: AbstractSet[tuple[HostName, UdpPort]]) -> Iterator[UdpPort]:
    """Yield the ports that neither host uses; of 200 hosts at most 398 are in use."""
    ports = (UdpPort(p) for p in range(FIRST_PORT, LAST_PORT + 1))
    return (port for port in ports if not any((host, port) in used for host in pair))
