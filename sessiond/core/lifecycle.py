"""The life of one process that we own, as a table of states.

    (none) ──spawn──▶ Starting ──ready──▶ Running
      ▲                  │ exit, late        │ exit        not wanted, another plan,
      │                  ▼                   ▼              misnamed, idle too long
      │              BackingOff ◀────────────┴─ late, idle ───── Stopping
      │                  │ budget spent                             │
      ├── not wanted ────┴──▶ GaveUp ── RETRY_AFTER, another plan ──▶ spawn
      └──────────────────────────────────── exit ───────────────────┘

RUNNING is earned, and lost again by whoever lives without doing what it is for.
Failures are forgotten only after it has run for HEALTHY_AFTER.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from signal import SIGKILL, SIGTERM
from typing import Final, assert_never

from sessiond.core.proc import ProcPlan, ProcSeen, Program
from sessiond.core.procsight import (
    Forget,
    ProcEffect,
    Sight,
    Signal,
    Spawn,
    SpawnFailed,
)
from sessiond.core.procstates import (
    BackingOff,
    GaveUp,
    Lifecycle,
    Running,
    Starting,
    Stopping,
)
from sessiond.units import ProcName, Seconds

# A cold Python with NumPy on a busy laptop takes 2 s; whoever is not ready after this
# has hung.
START_LIMIT: Final = Seconds(10.0)
# FFmpeg and the source end within 2 s of SIGTERM; jackd with clients within 1 s.
TERM_LIMIT: Final = Seconds(3.0)
HEALTHY_AFTER: Final = Seconds(10.0)
FIRST_BACKOFF: Final = Seconds(0.25)
# A source's listeners wait for it, and it leaves nothing behind that must go first.
SOURCE_BACKOFF: Final = Seconds(0.02)
LAST_BACKOFF: Final = Seconds(5.0)
# Eight starts, with 0.25 + 0.5 + 1 + 2 + 4 + 5 + 5 s between them: twenty seconds of
# trying, then a person should know.
BUDGET: Final = 7
# The cause may be gone (a foreign program left the port, a package was installed).
RETRY_AFTER: Final = Seconds(30.0)
# How long a process may live without doing what it is for. Each look at our own waits
# half a second for an answer: two that never came are no busy machine.
IDLE_LIMIT: Final = Seconds(0.4)
# JACK restarts a stumbling sound card within two seconds.
JACK_IDLE_LIMIT: Final = Seconds(5.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A process's next state (None: nothing left of it), and what to do."""

    state: Lifecycle | None
    effects: tuple[ProcEffect, ...] = ()


def advance(
    state: Lifecycle | None, wanted: ProcPlan | None, sight: Sight, now: Seconds
) -> Step:
    """Return the next state of one process and the effects of getting there.

    Args:
        state: Where it is; None when we have nothing of it.
        wanted: What the plan says; None when it should not run.
        sight: What is seen of it.
        now: Monotonic.
    """
    match state:
        case None:
            return _begin(wanted, sight, now, failures=0)
        case Starting() | Running():
            return _live(state, wanted, sight, now)
        case Stopping():
            return _stopping(state, wanted, sight, now)
        case BackingOff() | GaveUp():
            return _resting(state, wanted, sight, now)
        case _:
            assert_never(state)


def deadline(state: Lifecycle) -> Seconds | None:
    """Return when this state wants a turn even if nothing happens."""
    match state:
        case Starting(since=since):
            return Seconds(since + START_LIMIT)
        case Stopping(since=since, killed=killed):
            return None if killed else Seconds(since + TERM_LIMIT)
        case BackingOff(until=until) | GaveUp(until=until):
            return until
        case Running(plan=plan, idle_since=idle_since):
            return None if idle_since is None else _idle_until(plan, idle_since)
        case _:
            assert_never(state)


def forgiven(lifecycles: Mapping[ProcName, Lifecycle]) -> dict[ProcName, Lifecycle]:
    """Return these without what rests after failures: it is begun anew, unblamed.

    For the moments at which the cause may have gone: somebody changed the session, or
    JACK is back.
    """
    return {
        name: state
        for name, state in lifecycles.items()
        if not isinstance(state, BackingOff | GaveUp)
    }


def _begin(
    wanted: ProcPlan | None, sight: Sight, now: Seconds, *, failures: int
) -> Step:
    if wanted is None:
        return Step(state=None)
    if not sight.may_start:
        return Step(state=None)
    return Step(
        state=Starting(plan=wanted, since=now, failures=failures),
        effects=(Spawn(wanted),),
    )


def _live(
    state: Starting | Running, wanted: ProcPlan | None, sight: Sight, now: Seconds
) -> Step:
    if sight.failed is not None:
        return Step(state=_after_failure(state, sight.failed, now))
    if sight.seen is None or sight.seen.exit_code is not None:
        return _ended(state, sight.seen, now)
    if wanted != state.plan:
        return _stop(state, now) if sight.may_stop else Step(state=state)
    if isinstance(state, Starting):
        return _starting(state, sight, now)
    return _running(state, sight, now)


def _running(state: Running, sight: Sight, now: Seconds) -> Step:
    if sight.idle:
        since = now if state.idle_since is None else state.idle_since
        if now < _idle_until(state.plan, since):
            return Step(state=replace(state, idle_since=since))
        return _kill_idle(state, now)
    healthy = now - state.since >= HEALTHY_AFTER
    failures = 0 if healthy else state.failures
    return Step(state=replace(state, failures=failures, idle_since=None))


def _idle_until(plan: ProcPlan, since: Seconds) -> Seconds:
    limit = JACK_IDLE_LIMIT if plan.program is Program.JACKD else IDLE_LIMIT
    return Seconds(since + limit)


def _kill_idle(state: Running, now: Seconds) -> Step:
    """End what hangs at once: whoever hears nothing hears no SIGTERM either."""
    stopping = Stopping(
        plan=state.plan,
        since=now,
        killed=True,
        complaint="it lived, but did nothing",
        failures=state.failures,
    )
    return Step(state=stopping, effects=(Signal(state.plan.name, SIGKILL),))


def _starting(state: Starting, sight: Sight, now: Seconds) -> Step:
    if sight.ready:
        running = Running(plan=state.plan, since=now, failures=state.failures)
        return Step(state=running)
    if sight.misnamed:
        return _stop(state, now, complaint="JACK gave it another name")
    if now - state.since >= START_LIMIT:
        return _stop(state, now, complaint="it never became ready")
    return Step(state=state)


def _stop(state: Starting | Running, now: Seconds, *, complaint: str = "") -> Step:
    stopping = Stopping(
        plan=state.plan, since=now, complaint=complaint, failures=state.failures
    )
    return Step(state=stopping, effects=(Signal(state.plan.name, SIGTERM),))


def _stopping(
    state: Stopping, wanted: ProcPlan | None, sight: Sight, now: Seconds
) -> Step:
    if sight.seen is None or sight.seen.exit_code is not None:
        effects = (Forget(state.plan.name),) if sight.seen else ()
        if state.complaint:
            failure = SpawnFailed(complaint=state.complaint, permanent=False)
            return Step(state=_after_failure(state, failure, now), effects=effects)
        anew = _begin(wanted, sight, now, failures=0)
        return replace(anew, effects=effects + anew.effects)
    if not state.killed and now - state.since >= TERM_LIMIT:
        return Step(
            state=replace(state, killed=True, since=now),
            effects=(Signal(state.plan.name, SIGKILL),),
        )
    return Step(state=state)


def _resting(
    state: BackingOff | GaveUp, wanted: ProcPlan | None, sight: Sight, now: Seconds
) -> Step:
    if wanted is None:
        return Step(state=None)
    if wanted != state.plan:
        return _begin(wanted, sight, now, failures=0)
    if now < state.until or not sight.may_start:
        return Step(state=state)
    return _begin(wanted, sight, now, failures=state.failures)


def _ended(state: Starting | Running, seen: ProcSeen | None, now: Seconds) -> Step:
    effects = (Forget(state.plan.name),) if seen else ()
    complaint = _complaint(seen)
    if _costs_nothing(state.plan, seen):
        until = Seconds(now + FIRST_BACKOFF)
        resting = BackingOff(
            plan=state.plan,
            until=until,
            failures=state.failures,
            complaint=complaint,
        )
        return Step(state=resting, effects=effects)
    failure = SpawnFailed(complaint=complaint, permanent=False)
    return Step(state=_after_failure(state, failure, now), effects=effects)


def _after_failure(
    state: Starting | Running | Stopping, failure: SpawnFailed, now: Seconds
) -> Lifecycle:
    failures = state.failures + 1
    if failure.permanent or failures > BUDGET:
        return GaveUp(
            plan=state.plan,
            until=Seconds(now + RETRY_AFTER),
            # Kept: one try at the end of each rest, not a whole budget of them.
            failures=failures,
            complaint=failure.complaint,
            permanent=failure.permanent,
        )
    return BackingOff(
        plan=state.plan,
        until=Seconds(now + _pause(state.plan.program, failures)),
        failures=failures,
        complaint=failure.complaint,
    )


def _pause(program: Program, failures: int) -> Seconds:
    """Return how long to wait before the next start."""
    if failures == 1 and program is Program.SOURCE:
        return SOURCE_BACKOFF
    return Seconds(min(FIRST_BACKOFF * 2 ** (failures - 1), LAST_BACKOFF))


def _costs_nothing(plan: ProcPlan, seen: ProcSeen | None) -> bool:
    """Tell whether a link ended because its other side did."""
    return (
        plan.program is Program.JACKTRIP
        and seen is not None
        and "Peer Stopped" in seen.tail
    )


def _complaint(seen: ProcSeen | None) -> str:
    if seen is None:
        return "it vanished"
    lines = [line.strip() for line in seen.tail.splitlines() if line.strip()]
    last = f": {lines[-1]}" if lines else ""
    code = seen.exit_code or 0
    ending = f"signal {-code}" if code < 0 else f"exit code {code}"
    return f"it ended with {ending}{last}"
