"""A small simulated host: what is spawned starts, ports appear, wires are made.

`Machine.turn` does what a turn does, without a door: observe, plan, changes, perform.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from signal import SIGKILL
from typing import Final, assert_never

from sessiond.core.changes import (
    Connect,
    Decision,
    Disconnect,
    Effect,
    OrderMix,
    OrderSource,
    changes,
)
from sessiond.core.configfile import AudioConfig
from sessiond.core.jackgraph import JackGraph, Wire
from sessiond.core.mixmatrix import MixOrder, MixReport, port_names
from sessiond.core.observed import Observed
from sessiond.core.plan import HostPlan
from sessiond.core.proc import PortsAppear, ProcPlan, Program
from sessiond.core.procsight import Forget, Signal, Spawn, SpawnFailed
from sessiond.core.procstates import Lifecycle
from sessiond.core.sourcing import SeatReport, SourceOrder, SourceReport, SourceState
from sessiond.units import Frames, Hertz, PortName, ProcName, Seconds
from tests.core.examples import seen

SOUND_CARD: Final = frozenset(
    PortName(f"system:{name}_{side}")
    for name in ("capture", "playback")
    for side in (1, 2)
)
# How long each program takes until what it is for can be seen.
START_TAKES: Final = 0.2
STOP_TAKES: Final = 0.1


@dataclass
class Process:
    plan: ProcPlan
    pid: int
    started: float
    ends: float | None = None
    exit_code: int = 0
    deaf: bool = False


@dataclass
class Machine:
    """A host's programs, JACK graph and children, in virtual time.

    Attributes:
        jack: A JACK server that is not ours runs.
        broken: Programs that can't be started.
    """

    audio: AudioConfig = field(default_factory=AudioConfig)
    now: float = 1000.0
    jack: bool = True
    broken: frozenset[Program] = frozenset()
    processes: dict[ProcName, Process] = field(default_factory=dict)
    wires: frozenset[Wire] = frozenset()
    foreign_ports: frozenset[PortName] = frozenset()
    mix: MixOrder = field(default_factory=MixOrder)
    ordered: dict[ProcName, SourceOrder] = field(default_factory=dict)
    failed: dict[ProcName, SpawnFailed] = field(default_factory=dict)
    lifecycles: Mapping[ProcName, Lifecycle] = field(default_factory=dict)
    did: list[Effect] = field(default_factory=list)
    turns: int = 0
    _pid: int = 100

    def settle(self, plan: HostPlan, *, within: float = 60.0) -> Decision:
        """Take turns until one has no effect and waits for nothing near."""
        limit = self.now + within
        while self.now < limit:
            decision = self.turn(plan)
            if not decision.effects and decision.wake_at - self.now > 0.99:
                return decision
            self.now = max(self.now, decision.wake_at)
        raise AssertionError(f"not settled; the last effects were {self.did[-5:]}")

    def turn(self, plan: HostPlan) -> Decision:
        """Take one turn now."""
        self.turns += 1
        decision = changes(
            plan, self.observe(), self.lifecycles, self.audio, Seconds(self.now)
        )
        self.lifecycles = decision.lifecycles
        for effect in decision.effects:
            self.did.append(effect)
            self.perform(effect)
        return decision

    def observe(self) -> Observed:
        failed, self.failed = self.failed, {}
        answering = {n: p for n, p in self.processes.items() if self._answers(p)}
        return Observed(
            procs={
                name: seen(p.pid, None if self._lives(p) else p.exit_code)
                for name, p in self.processes.items()
            },
            graph=self._graph(),
            failed=failed,
            mix=self._mix_report() if "mixdown" in answering else None,
            sources={
                name: SourceReport(
                    primary=SeatReport(
                        path=self.ordered[name].path if name in self.ordered else None,
                        state=SourceState.LIVE,
                        bytes_sent=1000 if name in self.ordered else 0,
                    )
                )
                for name, p in answering.items()
                if p.plan.program is Program.SOURCE
            },
            ordered=dict(self.ordered),
            mounts=() if "icecast" in answering else None,
            sounds=() if "ear" in answering else None,
        )

    def perform(self, effect: Effect) -> None:
        match effect:
            case Spawn(plan=plan):
                self._spawn(plan)
            case Signal(name=name, number=number):
                self._signal(self.processes[name], number)
            case Forget(name=name):
                assert not self._lives(self.processes[name])
                del self.processes[name]
                self.ordered.pop(name, None)
            case Connect(wire=wire):
                ports = self._ports()
                assert wire.source in ports
                assert wire.destination in ports
                assert wire not in self.wires
                self.wires |= {wire}
            case Disconnect(wire=wire):
                assert wire in self.wires
                self.wires -= {wire}
            case OrderMix(order=order):
                self.mix = order
            case OrderSource(name=name, order=order):
                self.ordered[name] = order
            case _:
                assert_never(effect)

    def end(self, name: str, exit_code: int = 1) -> None:
        """Let a process end by itself."""
        process = self.processes[ProcName(name)]
        process.ends, process.exit_code = self.now, exit_code

    def alive(self) -> set[str]:
        return {name for name, p in self.processes.items() if self._lives(p)}

    def kinds(self) -> list[str]:
        """Return every effect so far as its kind and what it is about."""
        return [told(effect) for effect in self.did]

    def _spawn(self, plan: ProcPlan) -> None:
        old = self.processes.get(plan.name)
        assert old is None or not self._lives(old), f"{plan.name} lives"
        if plan.program in self.broken:
            self.failed[plan.name] = SpawnFailed(complaint="missing", permanent=True)
            return
        self._pid += 1
        self.processes[plan.name] = Process(plan, self._pid, self.now)
        if plan.program is Program.MIXDOWN:
            self.mix = MixOrder()

    def _signal(self, process: Process, number: int) -> None:
        if number == SIGKILL or not process.deaf:
            process.ends = self.now + STOP_TAKES
            process.exit_code = -number

    def _lives(self, process: Process) -> bool:
        return process.ends is None or self.now < process.ends

    def _answers(self, process: Process) -> bool:
        ready = self.now >= process.started + START_TAKES
        return ready and self._lives(process)

    def _graph(self) -> JackGraph | None:
        own = self.processes.get(ProcName("jackd"))
        if not self.jack and not (own and self._answers(own)):
            return None
        ports = self._ports()
        self.wires = frozenset(
            w for w in self.wires if w.source in ports and w.destination in ports
        )
        return JackGraph(
            rate_hz=Hertz(48000),
            period_frames=Frames(128),
            ports=ports,
            wires=self.wires,
        )

    def _ports(self) -> frozenset[PortName]:
        found = SOUND_CARD | self.foreign_ports
        for process in self.processes.values():
            if self._answers(process):
                found |= PORTS[process.plan.program](self, process)
        return found

    def link_ports(self, process: Process) -> frozenset[PortName]:
        ready = process.plan.ready
        return ready.ports if isinstance(ready, PortsAppear) else frozenset()

    def mix_ports(self, _: Process) -> frozenset[PortName]:
        both = (*self.mix.strips, *self.mix.buses)
        return frozenset(PortName(f"mixdown:{p}") for n in both for p in port_names(n))

    def air_ports(self, process: Process) -> frozenset[PortName]:
        order = self.ordered.get(process.plan.name)
        if order is None:
            return frozenset()
        return frozenset(PortName(f"{order.jack_client}:input_{n}") for n in (1, 2))

    def no_ports(self, _: Process) -> frozenset[PortName]:
        return frozenset()

    def _mix_report(self) -> MixReport:
        return replace(SILENT, order=self.mix)


SILENT: Final = MixReport(
    order=MixOrder(),
    settled=True,
    strips=(),
    buses=(),
    rate_hz=Hertz(48000),
    period_frames=Frames(128),
    callbacks=0,
    xruns=0,
    callback_p50_us=0,
    callback_p99_us=0,
    callback_max_us=0,
)

PORTS: Final[Mapping[Program, Callable[[Machine, Process], frozenset[PortName]]]] = {
    Program.JACKD: Machine.no_ports,
    Program.ICECAST: Machine.no_ports,
    Program.JACKTRIP: Machine.link_ports,
    Program.MIXDOWN: Machine.mix_ports,
    Program.SOURCE: Machine.air_ports,
    Program.EAR: Machine.no_ports,
}


def told(effect: Effect) -> str:
    """Return an effect as its kind and what it is about."""
    match effect:
        case Spawn(plan=plan):
            about: str = plan.name
        case Forget(name=name) | OrderSource(name=name):
            about = name
        case Signal(name=name, number=number):
            return f"{'kill' if number == SIGKILL else 'term'} {name}"
        case Connect(wire=wire) | Disconnect(wire=wire):
            about = f"{wire.source} {wire.destination}"
        case OrderMix():
            about = "mix"
        case _:
            assert_never(effect)
    return f"{type(effect).__name__.lower()} {about}"
