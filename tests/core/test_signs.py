from dataclasses import replace
from signal import SIGKILL, SIGTERM
from typing import Final

import pytest

from sessiond.core.changes import changes
from sessiond.core.configfile import AudioConfig
from sessiond.core.jackgraph import JackGraph
from sessiond.core.lifecycle import IDLE_LIMIT
from sessiond.core.mixmatrix import MixOrder
from sessiond.core.observed import Observed
from sessiond.core.plan import HostPlan, plan_host
from sessiond.core.proc import (
    JackAnswers,
    PortsAppear,
    ProcPlan,
    Program,
    Ready,
    Settled,
    SocketAnswers,
    Stage,
    StationAnswers,
)
from sessiond.core.procsight import Signal
from sessiond.core.procstates import Running, Starting
from sessiond.core.signs import (
    JACK_STANDS_AFTER,
    PERIODS_BEHIND,
    asked_for,
    is_idle,
    is_misnamed,
    is_ready,
)
from sessiond.core.sourcing import SourceReport
from sessiond.units import Frames, Hertz, PortName, ProcName, Seconds
from tests.core.examples import BOB, CAROL, NOW, seen, view
from tests.core.machine import SILENT

PORTS: Final = frozenset({PortName("link-bob:send_1"), PortName("link-bob:receive_1")})
PERIOD: Final = Frames(128)


def graph(*ports: str) -> JackGraph:
    return JackGraph(
        rate_hz=Hertz(48000),
        period_frames=PERIOD,
        ports=frozenset(PortName(port) for port in ports),
    )


def proc(program: Program, name: str = "p") -> ProcPlan:
    return ProcPlan(
        name=ProcName(name), program=program, stage=Stage.LINKS, argv=(program.value,)
    )


LINK: Final = replace(proc(Program.JACKTRIP, "link-bob"), ready=PortsAppear(PORTS))
MIXDOWN: Final = replace(proc(Program.MIXDOWN, "mixdown"), ready=SocketAnswers())
SOURCE: Final = replace(proc(Program.SOURCE, "source-mix.ogg"), ready=SocketAnswers())
JACKD: Final = replace(proc(Program.JACKD, "jackd"), ready=JackAnswers())

ALL: Final = Observed(graph=graph(*PORTS), mix=replace(SILENT, order=MixOrder()))
ORDERED: Final = replace(ALL, ordered=plan_host(view()).sources)
LATE: Final = Frames(PERIODS_BEHIND * PERIOD + 1)


def ready(when: Ready, stage: Stage = Stage.LINKS) -> ProcPlan:
    return replace(proc(Program.JACKTRIP), stage=stage, ready=when)


def world(**fields: object) -> Observed:
    return replace(Observed(), **fields)  # type: ignore[arg-type]


AB: Final = PortsAppear(frozenset({PortName("a:1"), PortName("b:1")}))


@pytest.mark.parametrize(
    ("plan", "found", "age", "seen"),
    [
        (ready(AB), world(), 1, False),
        (ready(AB), world(graph=graph("a:1")), 1, False),
        (ready(AB), world(graph=graph("a:1", "b:1")), 1, True),
        (ready(JackAnswers()), world(), 1, False),
        (ready(JackAnswers()), world(graph=graph()), 1, True),
        (ready(SocketAnswers(), Stage.MIXDOWN), world(), 1, False),
        (ready(SocketAnswers(), Stage.MIXDOWN), world(mix=SILENT), 1, True),
        (ready(SocketAnswers(), Stage.SOURCES), world(mix=SILENT), 1, False),
        (
            ready(SocketAnswers(), Stage.SOURCES),
            world(sources={ProcName("p"): SourceReport()}),
            1,
            True,
        ),
        (ready(StationAnswers()), world(), 1, False),
        (ready(StationAnswers()), world(mounts=()), 1, True),
        (ready(Settled(Seconds(0.2))), world(), 0.1, False),
        (ready(Settled(Seconds(0.2))), world(), 0.2, True),
    ],
)
def test_ready_is_what_a_process_is_for_and_can_be_seen(
    plan: ProcPlan, found: Observed, age: float, seen: bool
) -> None:
    state = Starting(plan=plan, since=NOW)
    assert is_ready(state, found, Seconds(NOW + age)) is seen


@pytest.mark.parametrize(
    ("plan", "world", "idle"),
    [
        (LINK, ALL, False),
        (LINK, replace(ALL, graph=None), False),
        (LINK, replace(ALL, graph=graph("link-bob:send_1")), True),
        (LINK, replace(ALL, hung=frozenset({BOB})), True),
        (LINK, replace(ALL, hung=frozenset({CAROL})), False),
        (proc(Program.JACKTRIP, "link-bob"), replace(ALL, graph=graph()), False),
        (MIXDOWN, ALL, False),
        (MIXDOWN, replace(ALL, mix=None), True),
        (MIXDOWN, replace(ALL, mix=None, graph=None), False),
        (MIXDOWN, replace(ALL, mix_behind=LATE), True),
        (MIXDOWN, replace(ALL, mix_behind=Frames(LATE - 1)), False),
        (SOURCE, ALL, False),
        (SOURCE, replace(ALL, deaf=frozenset({SOURCE.name})), True),
        (SOURCE, replace(ORDERED, graph=graph("air-mix.ogg:input_1")), False),
        (SOURCE, replace(ORDERED, graph=graph("air-mix.ogg-01:input_1")), True),
        (SOURCE, replace(ORDERED, graph=graph()), False),
        (SOURCE, replace(ORDERED, graph=None), False),
        (JACKD, ALL, False),
        (JACKD, replace(ALL, graph=None), True),
        (JACKD, replace(ALL, jack_still=JACK_STANDS_AFTER), False),
        (JACKD, replace(ALL, jack_still=Seconds(JACK_STANDS_AFTER + 1)), True),
        (proc(Program.ICECAST), Observed(), False),
    ],
)
def test_idle_is_who_does_not_do_what_it_is_for(
    plan: ProcPlan, world: Observed, idle: bool
) -> None:
    assert is_idle(plan, world) is idle


@pytest.mark.parametrize(
    ("ports", "misnamed"),
    [
        (("link-bob-01:send_1",), True),
        (("link-bob-01:send_1", "link-bob:send_1"), False),
        (("link-bob:send_1",), False),
        (("link-carol-01:send_1", "system:capture_1"), False),
        ((), False),
    ],
)
def test_misnamed_is_who_could_have_its_own_name_now(
    ports: tuple[str, ...], misnamed: bool
) -> None:
    assert is_misnamed(LINK, Observed(graph=graph(*ports))) is misnamed


def test_nobody_is_misnamed_without_ports_or_without_jack() -> None:
    renamed = Observed(graph=graph("mixdown-01:in"))
    assert not is_misnamed(MIXDOWN, renamed)
    assert not is_misnamed(LINK, Observed())


def test_a_name_that_ends_in_a_number_of_its_own_was_asked_for() -> None:
    assert asked_for("link-bob-01") == "link-bob"
    assert asked_for("link-bob") is None
    assert asked_for("link-bob-2") is None


def test_who_lives_and_does_nothing_is_killed_after_a_moment() -> None:
    plan = HostPlan(procs=(ready(AB),))
    found = world(procs={ProcName("p"): seen()}, graph=graph())
    lives = {ProcName("p"): Running(plan=ready(AB), since=NOW)}
    first = changes(plan, found, lives, AudioConfig(), NOW)
    assert first.effects == ()
    assert first.wake_at == pytest.approx(NOW + IDLE_LIMIT)
    second = changes(plan, found, first.lifecycles, AudioConfig(), first.wake_at)
    assert second.effects == (Signal(ProcName("p"), SIGKILL),)


def test_who_starts_under_another_name_is_stopped_once_its_own_is_free() -> None:
    plan = HostPlan(procs=(ready(AB),))
    lives = {ProcName("p"): Starting(plan=ready(AB), since=NOW)}
    found = world(procs={ProcName("p"): seen()}, graph=graph("a-01:1", "b:1"))
    assert changes(plan, found, lives, AudioConfig(), NOW).effects == ()
    found = world(procs={ProcName("p"): seen()}, graph=graph("a-01:1"))
    done = changes(plan, found, lives, AudioConfig(), NOW).effects
    assert done == (Signal(ProcName("p"), SIGTERM),)
