from dataclasses import replace
from signal import SIGKILL
from types import MappingProxyType
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessiond.core.lifecycle import (
    BUDGET,
    FIRST_BACKOFF,
    HEALTHY_AFTER,
    IDLE_LIMIT,
    RETRY_AFTER,
    SOURCE_BACKOFF,
    START_LIMIT,
    TERM_LIMIT,
    Step,
    advance,
    deadline,
    forgiven,
)
from sessiond.core.proc import ProcPlan, Program, Stage
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
    named,
)
from sessiond.core.status import ProcState
from sessiond.units import ProcName, Seconds
from tests.core.examples import seen

NAME: Final = ProcName("link-bob")
PLAN: Final = ProcPlan(
    name=NAME, program=Program.JACKTRIP, stage=Stage.LINKS, argv=("jacktrip",)
)
OTHER: Final = replace(PLAN, generation=1)
T0: Final = Seconds(1000.0)
EARLY: Final = Seconds(T0 + 1)
LATE: Final = Seconds(T0 + 100)

ALIVE: Final = seen()
EXITED: Final = seen(exit_code=1)
BUSY: Final = SpawnFailed(complaint="no room", permanent=False)
MISSING: Final = SpawnFailed(complaint="no jacktrip here", permanent=True)

STATES: Final[MappingProxyType[str, Lifecycle | None]] = MappingProxyType(
    {
        "none": None,
        "Starting": Starting(plan=PLAN, since=T0),
        "Running": Running(plan=PLAN, since=T0),
        "Idle": Running(plan=PLAN, since=T0, idle_since=T0),
        "Stopping": Stopping(plan=PLAN, since=T0),
        "Killed": Stopping(plan=PLAN, since=T0, killed=True),
        "BackingOff": BackingOff(plan=PLAN, until=Seconds(T0 + 5), failures=1),
        "GaveUp": GaveUp(
            plan=PLAN, until=Seconds(T0 + 30), failures=BUDGET, complaint="no"
        ),
    }
)

Stimulus = tuple[ProcPlan | None, Sight, Seconds]
STIMULI: Final[MappingProxyType[str, Stimulus]] = MappingProxyType(
    {
        "alive": (PLAN, Sight(seen=ALIVE), EARLY),
        "ready": (PLAN, Sight(seen=ALIVE, ready=True), EARLY),
        "idle": (PLAN, Sight(seen=ALIVE, idle=True), EARLY),
        "misnamed": (PLAN, Sight(seen=ALIVE, misnamed=True), EARLY),
        "exited": (PLAN, Sight(seen=EXITED), EARLY),
        "vanished": (PLAN, Sight(), EARLY),
        "spawn-failed": (PLAN, Sight(failed=BUSY), EARLY),
        "cant-start": (PLAN, Sight(failed=MISSING), EARLY),
        "unwanted": (None, Sight(seen=ALIVE), EARLY),
        "unwanted-held": (None, Sight(seen=ALIVE, may_stop=False), EARLY),
        "unwanted-exited": (None, Sight(seen=EXITED), EARLY),
        "other": (OTHER, Sight(seen=ALIVE), EARLY),
        "other-held": (OTHER, Sight(seen=ALIVE, may_stop=False), EARLY),
        "other-exited": (OTHER, Sight(seen=EXITED), EARLY),
        "needs-missing": (PLAN, Sight(seen=ALIVE, may_start=False), EARLY),
        "needs-exited": (PLAN, Sight(seen=EXITED, may_start=False), EARLY),
        "late": (PLAN, Sight(seen=ALIVE), LATE),
        "late-needs": (PLAN, Sight(seen=ALIVE, may_start=False), LATE),
    }
)

# For each stimulus, what becomes of each state, and after the bar what is done.
TABLE: Final = """
                none           Starting          Running           Idle              Stopping              Killed                BackingOff     GaveUp
alive           Starting|spawn Starting          Running           Running           Stopping              Stopping              BackingOff     GaveUp
ready           Starting|spawn Running           Running           Running           Stopping              Stopping              BackingOff     GaveUp
idle            Starting|spawn Starting          Running           Stopping|kill     Stopping              Stopping              BackingOff     GaveUp
misnamed        Starting|spawn Stopping|term     Running           Running           Stopping              Stopping              BackingOff     GaveUp
exited          Starting|spawn BackingOff|forget BackingOff|forget BackingOff|forget Starting|forget|spawn Starting|forget|spawn BackingOff     GaveUp
vanished        Starting|spawn BackingOff        BackingOff        BackingOff        Starting|spawn        Starting|spawn        BackingOff     GaveUp
spawn-failed    Starting|spawn BackingOff        BackingOff        BackingOff        Starting|spawn        Starting|spawn        BackingOff     GaveUp
cant-start      Starting|spawn GaveUp            GaveUp            GaveUp            Starting|spawn        Starting|spawn        BackingOff     GaveUp
unwanted        none           Stopping|term     Stopping|term     Stopping|term     Stopping              Stopping              none           none
unwanted-held   none           Starting          Running           Running           Stopping              Stopping              none           none
unwanted-exited none           BackingOff|forget BackingOff|forget BackingOff|forget none|forget           none|forget           none           none
other           Starting|spawn Stopping|term     Stopping|term     Stopping|term     Stopping              Stopping              Starting|spawn Starting|spawn
other-held      Starting|spawn Starting          Running           Running           Stopping              Stopping              Starting|spawn Starting|spawn
other-exited    Starting|spawn BackingOff|forget BackingOff|forget BackingOff|forget Starting|forget|spawn Starting|forget|spawn Starting|spawn Starting|spawn
needs-missing   none           Starting          Running           Running           Stopping              Stopping              BackingOff     GaveUp
needs-exited    none           BackingOff|forget BackingOff|forget BackingOff|forget none|forget           none|forget           BackingOff     GaveUp
late            Starting|spawn Stopping|term     Running           Running           Stopping|kill         Stopping              Starting|spawn Starting|spawn
late-needs      none           Stopping|term     Running           Running           Stopping|kill         Stopping              BackingOff     GaveUp
"""  # noqa: E501  a table is read across


def cells() -> list[tuple[str, str, str]]:
    head, *rows = (line.split() for line in TABLE.strip().splitlines())
    return [
        (stimulus, state, cell)
        for stimulus, *row in rows
        for state, cell in zip(head, row, strict=True)
    ]


def told(effect: ProcEffect) -> str:
    match effect:
        case Spawn():
            return "spawn"
        case Signal(number=number):
            return "kill" if number == SIGKILL else "term"
        case Forget():
            return "forget"


def as_cell(step: Step) -> str:
    state = "none" if step.state is None else type(step.state).__name__
    return "|".join([state, *map(told, step.effects)])


def test_the_table_is_complete() -> None:
    assert {(stimulus, state) for stimulus, state, _ in cells()} == {
        (stimulus, state) for stimulus in STIMULI for state in STATES
    }


@pytest.mark.parametrize(("stimulus", "state", "cell"), cells())
def test_every_state_answers_every_stimulus(
    stimulus: str, state: str, cell: str
) -> None:
    wanted, sight, now = STIMULI[stimulus]
    step = advance(STATES[state], wanted, sight, now)
    assert as_cell(step) == cell
    assert [e for e in step.effects if isinstance(e, Spawn) and e.plan != wanted] == []


def live(
    state: Lifecycle | None, now: float, sight: Sight, wanted: ProcPlan | None = PLAN
) -> Lifecycle | None:
    return advance(state, wanted, sight, Seconds(now)).state


def test_pauses_grow_until_the_budget_is_spent_and_then_it_is_tried_once_a_rest() -> (
    None
):
    now, pauses = float(T0), []
    state = live(None, now, Sight())
    for _ in range(BUDGET):
        state = live(state, now, Sight(seen=EXITED))
        assert isinstance(state, BackingOff)
        pauses.append(state.until - now)
        now = state.until
        state = live(state, now, Sight())
        assert isinstance(state, Starting)
    assert pauses == [0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0]
    for starts in (BUDGET + 1, BUDGET + 2):
        state = live(state, now, Sight(seen=EXITED))
        assert isinstance(state, GaveUp)
        assert state.failures == starts
        assert state.until - now == RETRY_AFTER
        assert live(state, state.until - 0.01, Sight()) == state
        now = state.until
        state = live(state, now, Sight())
        assert isinstance(state, Starting)


def test_failures_are_forgotten_only_after_a_while_of_health() -> None:
    state: Lifecycle | None = Starting(plan=PLAN, since=T0, failures=5)
    state = live(state, T0 + 1, Sight(seen=ALIVE, ready=True))
    assert state == Running(plan=PLAN, since=Seconds(T0 + 1), failures=5)
    assert live(state, T0 + 1 + HEALTHY_AFTER - 0.1, Sight(seen=ALIVE)) == state
    healthy = live(state, T0 + 1 + HEALTHY_AFTER, Sight(seen=ALIVE))
    assert healthy == Running(plan=PLAN, since=Seconds(T0 + 1))


def test_another_plan_is_started_without_the_old_ones_failures() -> None:
    state = STATES["GaveUp"]
    assert live(state, T0, Sight(), OTHER) == Starting(plan=OTHER, since=T0)


def test_what_ended_because_its_peer_stopped_costs_nothing() -> None:
    stopped = seen(exit_code=0, tail="Peer Stopped\nSTOPPED!\n")
    state: Lifecycle | None = Running(plan=PLAN, since=T0, failures=3)
    state = live(state, EARLY, Sight(seen=stopped))
    assert isinstance(state, BackingOff)
    assert (state.failures, state.until) == (3, EARLY + FIRST_BACKOFF)


def test_only_a_link_has_a_peer_that_stops() -> None:
    mixdown = replace(PLAN, program=Program.MIXDOWN)
    state = live(
        Running(plan=mixdown, since=T0),
        EARLY,
        Sight(seen=seen(exit_code=0, tail="Peer Stopped")),
        mixdown,
    )
    assert isinstance(state, BackingOff)
    assert state.failures == 1


@pytest.mark.parametrize(
    ("exit_code", "tail", "complaint"),
    [
        (255, "", "it ended with exit code 255"),
        (0, "\n \n", "it ended with exit code 0"),
        (-9, "", "it ended with signal 9"),
        (1, "a\nno JACK server\n\n", "it ended with exit code 1: no JACK server"),
    ],
)
def test_a_failure_is_told_with_its_ending_and_the_last_words(
    exit_code: int, tail: str, complaint: str
) -> None:
    state = live(STATES["Running"], EARLY, Sight(seen=seen(1, exit_code, tail)))
    assert isinstance(state, BackingOff)
    assert state.complaint == complaint


def test_a_process_that_vanished_is_told_so() -> None:
    state = live(STATES["Running"], EARLY, Sight())
    assert isinstance(state, BackingOff)
    assert state.complaint == "it vanished"


def test_who_never_gets_ready_is_stopped_and_that_is_a_failure() -> None:
    state = live(STATES["Starting"], T0 + START_LIMIT, Sight(seen=ALIVE))
    assert isinstance(state, Stopping)
    state = live(state, T0 + START_LIMIT + 1, Sight(seen=EXITED))
    assert isinstance(state, BackingOff)
    assert (state.failures, state.complaint) == (1, "it never became ready")


def test_who_was_late_and_is_wanted_no_more_is_let_go() -> None:
    late = Stopping(plan=PLAN, since=T0, complaint="it never became ready")
    state = live(late, EARLY, Sight(seen=EXITED), None)
    assert live(state, EARLY, Sight(), None) is None


def test_a_program_that_cant_be_started_is_tried_again_after_the_rest() -> None:
    state = live(STATES["Starting"], EARLY, Sight(failed=MISSING))
    assert state == GaveUp(
        plan=PLAN,
        until=Seconds(EARLY + RETRY_AFTER),
        failures=1,
        complaint="no jacktrip here",
        permanent=True,
    )


def test_who_only_seems_to_live_for_a_moment_is_left_alone() -> None:
    state = live(STATES["Running"], EARLY, Sight(seen=ALIVE, idle=True))
    assert state == Running(plan=PLAN, since=T0, idle_since=EARLY)
    assert live(state, EARLY, Sight(seen=ALIVE)) == STATES["Running"]


def test_who_lives_but_does_nothing_is_killed_and_that_is_a_failure() -> None:
    state = live(STATES["Idle"], EARLY, Sight(seen=ALIVE, idle=True))
    assert isinstance(state, Stopping)
    state = live(state, EARLY, Sight(seen=EXITED))
    assert isinstance(state, BackingOff)
    assert (state.failures, state.complaint) == (1, "it lived, but did nothing")


def test_who_got_another_name_from_jack_tries_again_and_that_is_a_failure() -> None:
    state = live(STATES["Starting"], EARLY, Sight(seen=ALIVE, misnamed=True))
    state = live(state, EARLY, Sight(seen=EXITED))
    assert isinstance(state, BackingOff)
    assert (state.failures, state.complaint) == (1, "JACK gave it another name")


def test_what_rests_after_failures_is_forgiven_and_nothing_else() -> None:
    states = {ProcName(name): s for name, s in STATES.items() if s is not None}
    resting = {"BackingOff", "GaveUp"}
    assert forgiven(states) == {n: s for n, s in states.items() if n not in resting}


def test_who_ignores_a_term_is_killed_once() -> None:
    stopping = STATES["Stopping"]
    at = Seconds(T0 + TERM_LIMIT)
    step = advance(stopping, None, Sight(seen=ALIVE), at)
    assert step.effects == (Signal(NAME, SIGKILL),)
    assert advance(step.state, None, Sight(seen=ALIVE), LATE).effects == ()


@pytest.mark.parametrize(
    ("state", "when"),
    [
        ("Starting", T0 + START_LIMIT),
        ("Running", None),
        ("Idle", T0 + IDLE_LIMIT),
        ("Stopping", T0 + TERM_LIMIT),
        ("Killed", None),
        ("BackingOff", T0 + 5),
        ("GaveUp", T0 + 30),
    ],
)
def test_every_state_names_its_own_deadline(state: str, when: float | None) -> None:
    lifecycle = STATES[state]
    assert lifecycle is not None
    assert deadline(lifecycle) == when


def test_every_state_has_a_name_for_status() -> None:
    names = [named(state) for state in STATES.values() if state is not None]
    assert names == [
        ProcState.STARTING,
        ProcState.RUNNING,
        ProcState.RUNNING,
        ProcState.STOPPING,
        ProcState.STOPPING,
        ProcState.BACKING_OFF,
        ProcState.GAVE_UP,
    ]


class OneProcess:
    """A process table of one: starting it twice or forgetting it alive is a fault."""

    def __init__(self) -> None:
        self.alive = False
        self.exit_code: int | None = None

    def sight(self, *, ready: bool, free: bool) -> Sight:
        there = self.alive or self.exit_code is not None
        return Sight(
            seen=seen(exit_code=self.exit_code) if there else None,
            ready=ready and self.alive,
            may_start=free,
            may_stop=free,
        )

    def perform(self, effect: ProcEffect) -> None:
        match effect:
            case Spawn():
                assert not self.alive
                self.alive, self.exit_code = True, None
            case Signal(number=number):
                assert self.alive
                if number == SIGKILL:
                    self.end(-SIGKILL)
            case Forget():
                assert not self.alive
                self.exit_code = None

    def end(self, code: int) -> None:
        if self.alive:
            self.alive, self.exit_code = False, code


TURNS = st.lists(
    st.tuples(
        st.sampled_from([PLAN, PLAN, OTHER, None]),
        st.sampled_from(["", "", "ready", "ends", "busy"]),
        st.sampled_from([0.1, 0.1, 3.0, 31.0]),
    ),
    max_size=30,
)


@given(TURNS)
def test_whatever_happens_one_process_lives_at_most_and_none_in_the_end(
    turns: list[tuple[ProcPlan | None, str, float]],
) -> None:
    world, state, now = OneProcess(), STATES["none"], float(T0)
    # Unwanted, and killed when deaf, it is gone after these.
    end = [(None, "", 3.0)] * 6
    for wanted, event, pause in [*turns, *end]:
        if event == "ends":
            world.end(1)
        sight = world.sight(ready=event == "ready", free=event != "busy")
        step = advance(state, wanted, sight, Seconds(now))
        for effect in step.effects:
            world.perform(effect)
        state, now = step.state, now + pause
    assert state is None
    assert not world.alive
    assert world.exit_code is None


def test_a_source_is_started_again_at_once_but_only_the_first_time() -> None:
    plan = replace(PLAN, program=Program.SOURCE)
    for failures, pause in ((0, SOURCE_BACKOFF), (1, 2 * FIRST_BACKOFF)):
        running = Running(plan=plan, since=T0, failures=failures)
        state = advance(running, plan, Sight(seen=EXITED), EARLY).state
        assert isinstance(state, BackingOff)
        assert state.until == EARLY + pause
