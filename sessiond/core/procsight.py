"""What a turn sees of a process, and what it may do to it: the ends of `lifecycle`."""

from dataclasses import dataclass

from sessiond.core.proc import ProcPlan, ProcSeen
from sessiond.units import ProcName


@dataclass(frozen=True, slots=True, kw_only=True)
class SpawnFailed:
    """The system would not start it; permanent when a person is needed."""

    complaint: str
    permanent: bool


@dataclass(frozen=True, slots=True)
class Spawn:
    """Start this process."""

    plan: ProcPlan


@dataclass(frozen=True, slots=True)
class Signal:
    """Send this signal to the process of that name."""

    name: ProcName
    number: int


@dataclass(frozen=True, slots=True)
class Forget:
    """An ended process has been dealt with."""

    name: ProcName


ProcEffect = Spawn | Signal | Forget


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What one turn sees of one process.

    Attributes:
        seen: None when there is no such process.
        ready: What it is for can be seen.
        failed: Why the last spawn came to nothing.
        may_start: Everything that it needs is running.
        may_stop: Nothing that rests on it has still to stop.
        idle: It does not do now what it is for.
        misnamed: JACK gave it another name than it asked for, and that one is free.
    """

    seen: ProcSeen | None = None
    ready: bool = False
    failed: SpawnFailed | None = None
    may_start: bool = True
    may_stop: bool = True
    idle: bool = False
    misnamed: bool = False
