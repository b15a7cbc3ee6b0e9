"""From what should be and what is to what to do next: effects as data.

`changes` is the whole decision of a turn. On a settled world it returns no effect and
the same lifecycles: that test proves the design.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from sessiond.core.configfile import AudioConfig
from sessiond.core.jackgraph import Wire
from sessiond.core.lifecycle import advance, deadline
from sessiond.core.mixmatrix import MixOrder
from sessiond.core.observed import Observed
from sessiond.core.plan import HostPlan
from sessiond.core.proc import ProcPlan, Stage
from sessiond.core.procsight import ProcEffect, Sight, Spawn
from sessiond.core.procstates import Lifecycle, Running, Starting, Stopping
from sessiond.core.signs import is_idle, is_misnamed, is_ready
from sessiond.core.sourcing import SourceOrder, SourceReport, SourceState
from sessiond.core.wires import ours
from sessiond.units import ProcName, Seconds

# While a process starts, its socket and its first packets ring no bell: look often.
STARTING_POLL: Final = Seconds(0.05)
# At rest: JackTrip prints its statistics once a second.
RESTING_POLL: Final = Seconds(1.0)


@dataclass(frozen=True, slots=True)
class Connect:
    """Make this wire."""

    wire: Wire


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Take this wire of ours away."""

    wire: Wire


@dataclass(frozen=True, slots=True)
class OrderMix:
    """Tell the mix-down what to mix."""

    order: MixOrder


@dataclass(frozen=True, slots=True)
class OrderSource:
    """Tell a source process what to feed."""

    name: ProcName
    order: SourceOrder


Effect = ProcEffect | Connect | Disconnect | OrderMix | OrderSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a turn decided.

    Attributes:
        effects: In the order in which they are to be performed.
        wake_at: When the next turn is due even if no bell rings.
    """

    effects: tuple[Effect, ...]
    lifecycles: Mapping[ProcName, Lifecycle]
    wake_at: Seconds


def changes(
    plan: HostPlan,
    observed: Observed,
    lifecycles: Mapping[ProcName, Lifecycle],
    audio: AudioConfig,
    now: Seconds,
) -> Decision:
    """Return the effects that lead from what is to what should be.

    Args:
        plan: What should be.
        observed: What is.
        lifecycles: Where each process was after the last turn.
        audio: The owner's ports: which wires may be ours.
        now: Monotonic.
    """
    wanted = {p.name: p for p in plan.procs}
    after = dict(lifecycles)
    steps: list[ProcEffect] = []
    # Each sees what the turn decided of those before it: what waits for an end or for
    # a start need not wait for another turn.
    for name in (*_leaving(wanted, lifecycles), *wanted):
        sight = _sight(name, wanted, observed, after, now)
        step = advance(after.get(name), wanted.get(name), sight, now)
        steps += step.effects
        if step.state is None:
            after.pop(name, None)
        else:
            after[name] = step.state
    effects: list[Effect] = [
        *(e for e in steps if not isinstance(e, Spawn)),
        *_unwire(plan, observed, audio),
        *(e for e in steps if isinstance(e, Spawn)),
        *_orders(plan, observed),
        *_wire(plan, observed),
    ]
    return Decision(
        effects=tuple(effects),
        lifecycles=MappingProxyType(after),
        wake_at=_wake_at(after.values(), observed, plan, now),
    )


def _leaving(
    wanted: Mapping[ProcName, ProcPlan], lifecycles: Mapping[ProcName, Lifecycle]
) -> list[ProcName]:
    """Return the processes that are wanted no more, in stop order."""
    names = [name for name in lifecycles if name not in wanted]
    return sorted(names, key=lambda name: (-lifecycles[name].plan.stage, name))


def _sight(
    name: ProcName,
    wanted: Mapping[ProcName, ProcPlan],
    observed: Observed,
    lifecycles: Mapping[ProcName, Lifecycle],
    now: Seconds,
) -> Sight:
    plan = wanted.get(name)
    state = lifecycles.get(name)
    return Sight(
        seen=observed.procs.get(name),
        ready=isinstance(state, Starting) and is_ready(state, observed, now),
        failed=observed.failed.get(name),
        idle=isinstance(state, Running) and is_idle(state.plan, observed),
        misnamed=isinstance(state, Starting) and is_misnamed(state.plan, observed),
        may_start=plan is not None and _needs_met(plan, lifecycles, observed),
        may_stop=state is None or _nothing_rests_on(state, wanted, lifecycles),
    )


def _needs_met(
    plan: ProcPlan, lifecycles: Mapping[ProcName, Lifecycle], observed: Observed
) -> bool:
    """Tell whether what a process rests on is there: other procs, and JACK."""
    if plan.stage >= Stage.LINKS and observed.graph is None:
        return False
    return all(isinstance(lifecycles.get(need), Running) for need in plan.needs)


def _nothing_rests_on(
    state: Lifecycle,
    wanted: Mapping[ProcName, ProcPlan],
    lifecycles: Mapping[ProcName, Lifecycle],
) -> bool:
    """Tell whether every later stage that has to stop has stopped."""
    return not any(
        other.plan.stage > state.plan.stage and wanted.get(name) != other.plan
        for name, other in lifecycles.items()
        if isinstance(other, Starting | Running | Stopping)
    )


def _orders(plan: HostPlan, observed: Observed) -> Iterable[Effect]:
    if plan.mix and observed.mix and observed.mix.order != plan.mix:
        yield OrderMix(plan.mix)
    for name, order in plan.sources.items():
        if name in observed.sources and observed.ordered.get(name) != order:
            yield OrderSource(name, order)


def _wire(plan: HostPlan, observed: Observed) -> Iterable[Connect]:
    graph = observed.graph
    if graph is None:
        return ()
    return (
        Connect(wire)
        for wire in sorted(plan.wires - graph.wires - graph.refused)
        if wire.source in graph.ports and wire.destination in graph.ports
    )


def _unwire(
    plan: HostPlan, observed: Observed, audio: AudioConfig
) -> Iterable[Disconnect]:
    graph = observed.graph
    if graph is None:
        return ()
    mine = frozenset(wire for wire in graph.wires if ours(wire, audio))
    return (Disconnect(wire) for wire in sorted(mine - plan.wires))


def _wake_at(
    states: Iterable[Lifecycle], observed: Observed, plan: HostPlan, now: Seconds
) -> Seconds:
    states = tuple(states)
    moving = any(isinstance(s, Starting | Stopping) for s in states)
    poll = STARTING_POLL if moving or _is_settling(plan, observed) else RESTING_POLL
    # A deadline that is past has had its turn: what is due waits for something else.
    due = [when for s in states if (when := deadline(s)) is not None and when > now]
    return Seconds(min([now + poll, *due]))


def _is_settling(plan: HostPlan, observed: Observed) -> bool:
    """Tell whether a source is on its way to a seat, not kept from it.

    What waits and encodes may wait for ever: for a right, or for being needed.
    """
    reports = (observed.sources[n] for n in plan.sources if n in observed.sources)
    return any(_is_coming(report) for report in reports)


def _is_coming(report: SourceReport) -> bool:
    states = {report.primary.state, report.hidden.state}
    starting = states == {SourceState.WAITING} and not report.encoded_bytes
    return starting or SourceState.CONNECTING in states
