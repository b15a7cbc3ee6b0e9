"""The signs by which a process is known: that it is ready, idle, or misnamed.

A pid proves nothing. What a process is for can be seen from outside: ports in JACK's
graph, answers on a socket, periods mixed, statistics written.
"""

import re
from typing import Final, assert_never

from sessiond.core.argv import link_peer
from sessiond.core.jackgraph import JackGraph
from sessiond.core.observed import Observed
from sessiond.core.proc import (
    JackAnswers,
    PortsAppear,
    ProcPlan,
    Program,
    Settled,
    SocketAnswers,
    Stage,
    StationAnswers,
)
from sessiond.core.procstates import Starting
from sessiond.units import PortName, Seconds

# A report and JACK's count are not read in the same moment, and a period that was
# missed is an xrun, no end.
PERIODS_BEHIND: Final = 8
# JACK counts at least every 43 ms (2048 frames at 48 kHz).
JACK_STANDS_AFTER: Final = Seconds(0.5)

# JACK appends this to the name of a client whose own name is taken.
_NUMBERED: Final = re.compile(r"(?P<asked>.+)-[0-9]{2}")


def is_ready(state: Starting, observed: Observed, now: Seconds) -> bool:
    """Tell whether what a process is for can be seen."""
    plan = state.plan
    match plan.ready:
        case PortsAppear(ports=ports):
            return observed.graph is not None and ports <= observed.graph.ports
        case JackAnswers():
            return observed.graph is not None
        case SocketAnswers():
            return _answers(plan, observed)
        case StationAnswers():
            return observed.mounts is not None
        case Settled(seconds=seconds):
            return now - state.since >= seconds
        case _:
            assert_never(plan.ready)


def _answers(plan: ProcPlan, observed: Observed) -> bool:
    """Tell whether a process of ours has answered on its socket."""
    if plan.stage is Stage.MIXDOWN:
        return observed.mix is not None
    if plan.program is Program.EAR:
        return observed.sounds is not None
    return plan.name in observed.sources


def is_idle(plan: ProcPlan, observed: Observed) -> bool:
    """Tell whether a process that was ready does not do what it is for."""
    graph = observed.graph
    match plan.program:
        case Program.MIXDOWN:
            return graph is not None and _mixes_nothing(graph, observed)
        case Program.SOURCE:
            return plan.name in observed.deaf or _encoder_renamed(plan, observed)
        case Program.EAR:
            return observed.sounds is None
        case Program.JACKTRIP:
            return link_peer(plan.name) in observed.hung or _lost_ports(plan, graph)
        case Program.JACKD:
            return graph is None or observed.jack_still > JACK_STANDS_AFTER
        case Program.ICECAST | Program.LIQUIDSOAP:
            # One that takes no more connections may still feed a thousand listeners.
            return False
        case _:
            assert_never(plan.program)


def _mixes_nothing(graph: JackGraph, observed: Observed) -> bool:
    behind = observed.mix_behind > PERIODS_BEHIND * graph.period_frames
    return observed.mix is None or behind


def _lost_ports(plan: ProcPlan, graph: JackGraph | None) -> bool:
    """Tell whether a client's ports have gone from a server that is there.

    JackTrip may outlive its server, or be dropped by it, and never join it again.
    """
    if graph is None or not isinstance(plan.ready, PortsAppear):
        return False
    return not plan.ready.ports <= graph.ports


def _encoder_renamed(plan: ProcPlan, observed: Observed) -> bool:
    order = observed.ordered.get(plan.name)
    return order is not None and _renamed({order.jack_client}, observed.graph)


def is_misnamed(plan: ProcPlan, observed: Observed) -> bool:
    """Tell whether a client got another name than it asked for, which now is free.

    That is what a quick rejoin meets: the ports of its predecessor, who is on the way
    out. While somebody holds the name, another start would not get it either.
    """
    if not isinstance(plan.ready, PortsAppear):
        return False
    return _renamed({client_of(port) for port in plan.ready.ports}, observed.graph)


def _renamed(asked: set[str], graph: JackGraph | None) -> bool:
    clients = {client_of(port) for port in graph.ports} if graph else set()
    return not asked & clients and any(asked_for(name) in asked for name in clients)


def client_of(port: PortName) -> str:
    """Return the JACK client that a port belongs to."""
    return port.partition(":")[0]


def asked_for(client: str) -> str | None:
    """Return the name that a renamed client asked for; None for all others."""
    found = _NUMBERED.fullmatch(client)
    return found["asked"] if found else None
