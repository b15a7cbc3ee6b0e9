"""Which wires a host should have: musicians among themselves, and the mix-down.

A wire may be wanted before its ports are there; `changes` makes it once they are.
"""

from sessiond.core.jackgraph import Wire
from sessiond.core.stamped import StampedSpec
from sessiond.core.topology import hubs
from sessiond.core.view import SessionView
from sessiond.core.wires import (
    air_client,
    bus,
    link_receive,
    link_send,
    patch,
    strip,
)
from sessiond.units import HostName, PortName


def wires_of(view: SessionView, doc: StampedSpec, *, mixing: bool) -> frozenset[Wire]:
    """Return every wire that this host should have.

    Args:
        view: This host's.
        doc: The running document.
        mixing: The host runs a mix-down.
    """
    audio, channels = view.setup.audio, doc.spec.links.channels
    inputs: tuple[PortName, ...] = () if view.muted else audio.inputs
    peers = tuple(p for link in doc.links if (p := link.peer_of(view.me)) is not None)
    wires: set[Wire] = set()
    for peer in peers:
        heard = link_receive(peer, channels)
        wires |= patch(heard, audio.outputs)
        wires |= _towards(view, doc, peer, peers, inputs)
        if mixing:
            wires |= patch(heard, strip(peer))
    if mixing:
        wires |= patch(inputs, strip(view.me))
        for mount in doc.spec.mounts:
            client = air_client(mount)
            ends = (PortName(f"{client}:input_1"), PortName(f"{client}:input_2"))
            wires |= patch(bus(mount), ends)
    return frozenset(wires)


def _towards(
    view: SessionView,
    doc: StampedSpec,
    peer: HostName,
    peers: tuple[HostName, ...],
    inputs: tuple[PortName, ...],
) -> frozenset[Wire]:
    """Return what goes into the link to `peer`: our inputs, and what we forward.

    In a star only the centre (the leader) forwards, and only to hosts that have no
    other way to hear: both hubs have everybody's own link. Everyone else gives its
    input to the hubs alone, also where a former hub's link is still there. So nobody
    is heard twice, and a hub's strips carry one host each.
    """
    channels = doc.spec.links.channels
    lead = view.leadership
    leader, standby = (lead.leader, lead.standby) if lead else (None, None)
    both = hubs(doc.spec, leader, standby)
    send = link_send(peer, channels)
    own = patch(inputs, send)
    if not both or peer in both:
        return own
    if view.me != both[0]:
        return frozenset()
    others = (p for p in peers if p != peer)
    return own.union(*(patch(link_receive(p, channels), send) for p in others))
