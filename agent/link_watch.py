"""Looks after this host's ends of links, turn by turn: which hang, which start anew."""

from dataclasses import replace

import structlog

from agent.host import Host
from sessiond.core.argv import link_client
from sessiond.core.linkcare import LinkCare, LinkSight, is_expected, is_hung, tend
from sessiond.core.plan import generation
from sessiond.core.procstates import Running
from sessiond.core.stamped import StampedSpec
from sessiond.core.view import SessionView
from sessiond.units import HostName, ProcName, Seconds

_log = structlog.get_logger()


class LinkWatch:
    """Remembers each link's troubles, and asks for a new start of a link.

    Args:
        host: This host; its `generations`, and `hung` in `observed`, are written here.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._cares: dict[HostName, LinkCare] = {}

    def look(self, now: Seconds) -> None:
        """Judge every link that a process of ours serves, from what was observed."""
        host = self._host
        view = host.view()
        doc = view.running
        if doc is None:
            self._cares.clear()
            return
        hung = {
            peer for peer in host.observed.links if self._tend(view, doc, peer, now)
        }
        host.observed = replace(host.observed, hung=frozenset(hung))
        for gone in self._cares.keys() - host.observed.links.keys():
            del self._cares[gone]

    def _tend(
        self, view: SessionView, doc: StampedSpec, peer: HostName, now: Seconds
    ) -> bool:
        """Tend one link; returns whether its process here hangs."""
        host, theirs = self._host, view.facts.get(peer)
        sight = LinkSight(
            seen=host.observed.links[peer],
            running=isinstance(
                host.lifecycles.get(ProcName(link_client(peer))), Running
            ),
            expected=is_expected(theirs, view.liveness.get(peer)),
            queue_packets=doc.spec.links.queue_packets,
        )
        tended = tend(self._cares.get(peer, LinkCare()), sight, now)
        self._cares[peer] = tended.care
        if tended.restart:
            host.generations[peer] = generation(view, peer) + 1
            _log.warning(
                "link.restart",
                peer=peer,
                held=sight.seen.held,
                now=host.generations[peer],
            )
        return is_hung(host.name, sight, theirs, now)
