"""The states that a process of ours lives through; `lifecycle` is their table."""

from dataclasses import dataclass
from typing import assert_never

from sessiond.core.proc import ProcPlan
from sessiond.core.status import ProcState
from sessiond.units import Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Starting:
    """Spawned, not yet ready."""

    plan: ProcPlan
    since: Seconds
    failures: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """Ready, and what it is for can be seen.

    Attributes:
        idle_since: Since when it lives without doing what it is for; None while it
            does.
    """

    plan: ProcPlan
    since: Seconds
    failures: int = 0
    idle_since: Seconds | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopping:
    """Asked to end; killed when it does not.

    Attributes:
        complaint: What it failed to do, when it is stopped for a failure; else empty.
    """

    plan: ProcPlan
    since: Seconds
    killed: bool = False
    complaint: str = ""
    failures: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BackingOff:
    """Ended by itself; it is started again at `until`."""

    plan: ProcPlan
    until: Seconds
    failures: int
    complaint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GaveUp:
    """Failed as often as its budget allows, or can't be started at all."""

    plan: ProcPlan
    until: Seconds
    failures: int
    complaint: str
    permanent: bool = False


Lifecycle = Starting | Running | Stopping | BackingOff | GaveUp


def named(state: Lifecycle) -> ProcState:
    """Return the state's name for status."""
    match state:
        case Starting():
            return ProcState.STARTING
        case Running():
            return ProcState.RUNNING
        case Stopping():
            return ProcState.STOPPING
        case BackingOff():
            return ProcState.BACKING_OFF
        case GaveUp():
            return ProcState.GAVE_UP
        case _:
            assert_never(state)
