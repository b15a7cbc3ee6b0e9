"""Fakes of the agent's doors; each passes the contract suite of the real adapter.

Tests steer them by what the world would do: a process ends, a port appears, a server
goes away, a disk fills up. Nothing here records calls.
"""

import asyncio
import hashlib
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from agent.doors import Bell, Clock
from sessiond.core.clockcheck import NtpSample
from sessiond.core.jackgraph import JackGraph, Wire
from sessiond.core.proc import ProcIdentity, ProcPlan, ProcSeen
from sessiond.core.status import HostSighting
from sessiond.errors import Broken, Unavailable
from sessiond.units import Frames, Hertz, PortName, ProcName, Seconds
from tests.support.fakeproc import Behaviour

BOOT_ID: Final = "0c1d2e3f-0000-4000-8000-000000000001"
LOG_LIMIT: Final = 1024 * 1024
TAIL_LENGTH: Final = 4096
READ_LENGTH: Final = 64 * 1024


def silent() -> None:
    """A bell that nobody hears."""


class FakeClock:
    """A clock that moves only when it is told to; monotonic or wall as you like."""

    def __init__(self, now: float = 1000.0) -> None:
        self._now = now

    def now(self) -> Seconds:
        return Seconds(self._now)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds


def _lives_for_ever(_: ProcPlan) -> Behaviour:
    return Behaviour()


def as_fakeproc(plan: ProcPlan) -> Behaviour:
    """Behave as `tests.support.fakeproc` would with these arguments."""
    return Behaviour.of(plan.argv[2:])


@dataclass(slots=True)
class FakeProcess:
    """A process of the fake machine; it lives on when an agent lets go of it."""

    identity: ProcIdentity
    behaviour: Behaviour
    argv: tuple[str, ...]
    exit_code: int | None = None
    log: str = ""
    cut: int = 0
    adopted: bool = False
    signals: list[int] = field(default_factory=list)


class FakeMachine:
    """What outlives an agent: the processes and the programs installed."""

    def __init__(self, missing: frozenset[str] = frozenset()) -> None:
        self.missing = missing
        self.processes: dict[int, FakeProcess] = {}
        self._next_pid = 100

    def start(self, plan: ProcPlan, behaviour: Behaviour) -> FakeProcess:
        self._next_pid += 1
        digest = hashlib.sha256("\0".join(plan.argv).encode()).hexdigest()
        identity = ProcIdentity(
            pid=self._next_pid,
            started=self._next_pid * 10,
            boot_id=BOOT_ID,
            argv_hash=digest,
        )
        process = FakeProcess(
            identity=identity, behaviour=behaviour, argv=plan.argv, log=""
        )
        self.processes[identity.pid] = process
        return process


class FakeProcs:
    """Processes that live until they are signalled or told to end.

    Args:
        bell: Rung when one has ended.
        machine: Give one to two agents in turn to try adoption.
        behaviour: What a process started with this plan does.
    """

    def __init__(
        self,
        bell: Bell = silent,
        machine: FakeMachine | None = None,
        behaviour: Callable[[ProcPlan], Behaviour] = _lives_for_ever,
    ) -> None:
        self.machine = machine or FakeMachine()
        self._bell = bell
        self._behaviour = behaviour
        self._owned: dict[ProcName, FakeProcess] = {}
        self._timers: dict[ProcName, asyncio.TimerHandle] = {}
        self._starts: dict[ProcName, int] = {}

    async def spawn(self, plan: ProcPlan) -> ProcIdentity:
        self._drop(plan.name)
        program = plan.argv[0]
        if program.rpartition("/")[2] in self.machine.missing:
            raise Broken(f"the program {program} is missing", "sudo apt install it")
        behaviour = self._behaviour(plan)
        process = self.machine.start(plan, behaviour)
        process.cut = self._starts.get(plan.name, 0)
        self._owned[plan.name] = process
        for line in behaviour.prints:
            self.write(plan.name, line + "\n")
        self.write(plan.name, ("x" * 63 + "\n") * (behaviour.flood // 64))
        self._end_later(plan.name, behaviour)
        return process.identity

    def adopt(self, name: ProcName, identity: ProcIdentity) -> bool:
        process = self.machine.processes.get(identity.pid)
        if process is None or process.identity != identity:
            return False
        if process.exit_code is not None:
            return False
        self._drop(name)
        self._owned[name] = process
        return True

    def signal(self, name: ProcName, number: int) -> None:
        process = self._owned.get(name)
        if process is None or process.exit_code is not None:
            return
        process.signals.append(number)
        deaf = process.behaviour.ignore_term and number == signal.SIGTERM
        if number in {signal.SIGSTOP, signal.SIGCONT, 0} or deaf:
            return
        asyncio.get_running_loop().call_soon(self.end, name, -number)

    def seen(self) -> Mapping[ProcName, ProcSeen]:
        return {
            name: ProcSeen(
                identity=process.identity,
                exit_code=process.exit_code,
                tail=process.log[-TAIL_LENGTH:],
            )
            for name, process in self._owned.items()
        }

    def read_log(self, name: ProcName, offset: int) -> tuple[str, int]:
        process = self._owned.get(name)
        if process is None:
            return "", offset
        position = offset - process.cut
        if not 0 <= position <= len(process.log):
            position = 0
        found = process.log[position : position + READ_LENGTH]
        return found, process.cut + position + len(found)

    def forget(self, name: ProcName) -> None:
        self._drop(name)

    def close(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._owned.clear()

    def end(self, name: ProcName, exit_code: int) -> None:
        """Let a process end by itself."""
        process = self._owned.get(name)
        if process is not None and process.exit_code is None:
            process.exit_code = exit_code
            self._bell()

    def write(self, name: ProcName, text: str) -> None:
        """Let a process write to its log (ASCII)."""
        process = self._owned[name]
        process.log += text
        if len(process.log) > LOG_LIMIT:
            process.cut += len(process.log)
            process.log = ""

    def _end_later(self, name: ProcName, behaviour: Behaviour) -> None:
        loop = asyncio.get_running_loop()
        self._timers[name] = loop.call_later(
            behaviour.run_for, self.end, name, behaviour.exit_code
        )

    def _drop(self, name: ProcName) -> None:
        process = self._owned.get(name)
        if process is None:
            return
        if process.exit_code is None:
            raise ValueError(f"{name} has not ended")
        self._starts[name] = process.cut + len(process.log)
        del self._owned[name]
        if name in self._timers:
            self._timers.pop(name).cancel()


class FakeJackServer:
    """A JACK server; it survives agents, and agents survive it."""

    def __init__(self, rate_hz: int = 48000, period_frames: int = 256) -> None:
        self.rate_hz = Hertz(rate_hz)
        self.period_frames = Frames(period_frames)
        self.frame = 0
        self.alive = False
        self.wires: set[Wire] = set()
        self._ports: dict[PortName, bool] = {}
        self._bells: list[Bell] = []

    def start(self) -> None:
        """Let the server come, with the ports of a stereo sound card."""
        self.alive = True
        for number in (1, 2):
            self._ports[PortName(f"system:capture_{number}")] = True
            self._ports[PortName(f"system:playback_{number}")] = False
        self.changed()

    def kill(self) -> None:
        """Let the server go, and all ports with it."""
        self.alive = False
        self._ports.clear()
        self.wires.clear()
        self.changed()

    def add_port(self, port: str, *, is_output: bool) -> None:
        """Let a client register an audio port; an output sends."""
        self._ports[PortName(port)] = is_output
        self.changed()

    def remove_port(self, port: str) -> None:
        """Let a port go, and its wires."""
        self._ports.pop(PortName(port), None)
        self.wires = {w for w in self.wires if port not in {w.source, w.destination}}
        self.changed()

    def set_period(self, period_frames: int) -> None:
        """Let somebody change the period of the running server."""
        self.period_frames = Frames(period_frames)
        self.changed()

    def fits(self, wire: Wire) -> bool:
        """Whether this is an output and an input that are there."""
        source = self._ports.get(wire.source)
        return source is True and self._ports.get(wire.destination) is False

    def listen(self, bell: Bell) -> None:
        """Have a bell rung at each change."""
        self._bells.append(bell)

    def changed(self) -> None:
        """Ring."""
        for bell in self._bells:
            bell()

    def graph(self) -> JackGraph:
        """Return what a client sees."""
        return JackGraph(
            rate_hz=self.rate_hz,
            period_frames=self.period_frames,
            ports=frozenset(self._ports),
            wires=frozenset(self.wires),
            frame=self.frame,
        )


class FakeJack:
    """An agent's client of a `FakeJackServer`."""

    def __init__(self, server: FakeJackServer, bell: Bell = silent) -> None:
        self.server = server
        server.listen(bell)

    async def look(self) -> JackGraph | None:
        return self.server.graph() if self.server.alive else None

    async def connect(self, wire: Wire) -> None:
        self._check()
        if not self.server.fits(wire):
            raise Unavailable(f"{wire.source} can't be wired to {wire.destination}")
        if wire not in self.server.wires:
            self.server.wires.add(wire)
            self.server.changed()

    async def disconnect(self, wire: Wire) -> None:
        self._check()
        if wire in self.server.wires:
            self.server.wires.remove(wire)
            self.server.changed()

    async def close(self) -> None:
        pass

    def _check(self) -> None:
        if not self.server.alive:
            raise Unavailable("the JACK server can't be reached")


class FakeStore:
    """A state folder in memory; its sub-folders are real, under `place`.

    Attributes:
        full: So full that the reserve is spent, too.
        nearly_full: Only the reserve is left.
        no_room_for: Documents that are too large for what is left.
        read_only: Nothing can be written or removed.
    """

    def __init__(self, place: Path) -> None:
        self.full = False
        self.nearly_full = False
        self.no_room_for: frozenset[str] = frozenset()
        self.read_only = False
        self._place = place
        self._documents: dict[str, bytes] = {}

    def load(self, name: str) -> bytes | None:
        return self._documents.get(name)

    def save(self, name: str, content: bytes, *, spare: bool = False) -> None:
        spent = self.full or (self.nearly_full and not spare)
        if spent or self.read_only or name in self.no_room_for:
            raise Unavailable("the state can't be stored: the disk is full")
        self._documents[name] = content

    def save_secret(self, name: str, content: bytes) -> None:
        self.save(name, content)

    def has_room(self) -> bool:
        return not (self.full or self.nearly_full)

    def erase(self, name: str) -> None:
        if self.read_only:
            raise Unavailable(f"{name} can't be removed: Read-only file system")
        self._documents.pop(name, None)

    def folder(self, name: str) -> Path:
        path = self._place / name
        path.mkdir(mode=0o700, exist_ok=True)
        return path


class FakeNtp:
    """Time servers that answer what the test says; all others are silent."""

    def __init__(self, clock: Clock) -> None:
        self.answers: dict[str, tuple[float, float]] = {}
        self._clock = clock

    async def ask(self, server: str, within: Seconds) -> NtpSample:
        if within <= 0 or server not in self.answers:
            raise Unavailable(f"the time server {server} did not answer")
        offset, bound = self.answers[server]
        return NtpSample(
            server=server,
            taken=self._clock.now(),
            offset=Seconds(offset),
            bound=Seconds(bound),
        )


class FakeNetwork:
    """A network with multicast, or one on which it is blocked."""

    def __init__(self) -> None:
        self.blocked = False
        self._present: dict[str, HostSighting] = {}
        self._bells: list[Bell] = []

    def announce(self, sighting: HostSighting) -> None:
        """Let an agent be seen."""
        self._present[sighting.id] = sighting
        self._ring()

    def withdraw(self, sighting: HostSighting) -> None:
        """Let an agent say that it goes."""
        if self._present.pop(sighting.id, None) is not None:
            self._ring()

    def listen(self, bell: Bell) -> None:
        """Have a bell rung at each change."""
        self._bells.append(bell)

    def ignore(self, bell: Bell) -> None:
        """Have a bell rung no more."""
        self._bells.remove(bell)

    def seen(self) -> Sequence[HostSighting]:
        """Return everyone, by name."""
        return sorted(self._present.values(), key=lambda s: (s.name, s.id))

    def _ring(self) -> None:
        for bell in self._bells:
            bell()


class FakeDiscovery:
    """An agent's view of a `FakeNetwork`."""

    def __init__(
        self, network: FakeNetwork, identity: HostSighting, bell: Bell = silent
    ) -> None:
        self._network = network
        self._identity = identity
        self._bell = bell
        self._open = False

    async def open(self) -> None:
        if self._network.blocked:
            raise Unavailable("agents can't be looked for: no multicast")
        self._open = True
        self._network.listen(self._bell)
        self._network.announce(self._identity)

    def sightings(self) -> Sequence[HostSighting]:
        return self._network.seen() if self._open else ()

    async def close(self) -> None:
        if self._open:
            self._network.withdraw(self._identity)
            self._network.ignore(self._bell)
            self._open = False
