"""A process that we own: what is planned of it and what is seen of it.

Its lifecycle (the state machine between the two) is in `lifecycle`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from types import MappingProxyType

from sessiond.units import PortName, ProcName, Seconds


class Program(StrEnum):
    """The closed table of programs that an agent may start."""

    JACKD = "jackd"
    JACKTRIP = "jacktrip"
    MIXDOWN = "mixdown"
    SOURCE = "source"
    EAR = "ear"
    ICECAST = "icecast2"
    LIQUIDSOAP = "liquidsoap"


class Stage(IntEnum):
    """Start order; procs stop in the reverse order."""

    JACK = 0
    STATION = 1
    LINKS = 2
    MIXDOWN = 3
    SOURCES = 4


@dataclass(frozen=True, slots=True)
class PortsAppear:
    """Ready once all of these ports are in the JACK graph."""

    ports: frozenset[PortName]


@dataclass(frozen=True, slots=True)
class JackAnswers:
    """Ready once the JACK server can be joined."""


@dataclass(frozen=True, slots=True)
class SocketAnswers:
    """Ready once the proc's steering socket answers a report."""


@dataclass(frozen=True, slots=True)
class StationAnswers:
    """Ready once Icecast answers on its port."""


@dataclass(frozen=True, slots=True)
class Settled:
    """Ready once it has lived this long."""

    seconds: Seconds


Ready = PortsAppear | JackAnswers | SocketAnswers | StationAnswers | Settled


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcPlan:
    """A process that should run, as a value; another value means another process.

    Attributes:
        argv: The whole argument list, program first.
        env: What its environment has beyond the agent's.
        needs: Names of procs that must be running first.
        generation: Raised to have it started anew with the same arguments.
        user: Whom it runs as, for a program that root must not; empty: as its agent.
    """

    name: ProcName
    program: Program
    stage: Stage
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    needs: frozenset[ProcName] = frozenset()
    ready: Ready = Settled(Seconds(0.2))
    generation: int = 0
    user: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcIdentity:
    """Proof that a pid is still the process that we started.

    Attributes:
        started: Start time in clock ticks since boot (proc(5), field 22).
        boot_id: The kernel's random id of this boot.
        argv_hash: SHA-256 of the argument list, hexadecimal.
    """

    pid: int
    started: int
    boot_id: str
    argv_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcSeen:
    """A started process at one moment.

    Attributes:
        exit_code: None while it lives; negative for a signal, as in Python.
        tail: The end of its log, for conditions; never holds a secret.
    """

    identity: ProcIdentity
    exit_code: int | None = None
    tail: str = ""
