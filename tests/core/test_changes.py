from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessiond.core.changes import (
    RESTING_POLL,
    STARTING_POLL,
    Connect,
    Disconnect,
    OrderMix,
    OrderSource,
    changes,
)
from sessiond.core.configfile import AudioConfig, JackStart
from sessiond.core.jackgraph import JackGraph, Wire
from sessiond.core.observed import Observed
from sessiond.core.plan import HostPlan, plan_host
from sessiond.core.proc import (
    PortsAppear,
    ProcPlan,
    Program,
    Ready,
    Stage,
)
from sessiond.core.procsight import Signal, Spawn
from sessiond.core.procstates import BackingOff, GaveUp, Running, Starting, Stopping
from sessiond.core.sourcing import SeatReport, SourceReport, SourceState
from sessiond.core.spec import SessionSpec, TopologyChoice
from sessiond.core.stamped import Station
from sessiond.units import (
    Decibels,
    Frames,
    Hertz,
    HostName,
    PortName,
    ProcName,
    Seconds,
)
from tests.core.examples import (
    ALICE,
    BOB,
    CAROL,
    NOW,
    TRIO,
    document,
    hosts,
    mount,
    seen,
    session,
    view,
)
from tests.core.machine import SOUND_CARD, Machine, told

OWN_JACK: Final = AudioConfig(start=JackStart.IF_ABSENT, driver="dummy")
HERE: Final = Station(address="alice.local", port=8000, host=ALICE)
NOTHING: Final = HostPlan()
DJS: Final = tuple(mount(f"/dj{n}.ogg", name) for n, name in enumerate(TRIO))


def everything() -> HostPlan:
    """All that a host can run: its own JACK, the station, links, mix-down, sources."""
    return plan_host(view(ALICE, document(session(), station=HERE), audio=OWN_JACK))


def planned(
    spec: SessionSpec, me: HostName = ALICE, *, muted: bool = False
) -> HostPlan:
    return plan_host(view(me, document(spec), muted=muted))


def settled(plan: HostPlan, audio: AudioConfig | None = None) -> Machine:
    """Return a machine on which the plan is done."""
    machine = Machine(audio=audio or AudioConfig(), jack=audio is not OWN_JACK)
    machine.settle(plan)
    return machine


def done_since(machine: Machine, plan: HostPlan) -> list[str]:
    """Return what leads from a settled machine to another plan."""
    before = len(machine.did)
    machine.settle(plan)
    return machine.kinds()[before:]


def pids(machine: Machine) -> dict[str, int]:
    return {name: process.pid for name, process in machine.processes.items()}


# A second turn does nothing

PLANS: Final = {
    "nothing": NOTHING,
    "everything": everything(),
    "a jam": planned(session()),
    "without mounts": planned(session(mounts=())),
    "several DJs": planned(session(mounts=DJS)),
    "a follower": planned(session(), CAROL),
    "a standby": planned(session(), BOB),
    "muted": planned(session(), muted=True),
    "a star's centre": planned(
        session(hosts(6), topology=TopologyChoice.STAR), HostName("h00")
    ),
}


@pytest.mark.parametrize("name", PLANS)
def test_a_second_turn_on_a_settled_world_does_nothing(name: str) -> None:
    plan = PLANS[name]
    machine = settled(plan, OWN_JACK if name == "everything" else None)
    before = machine.lifecycles
    decision = machine.turn(plan)
    assert decision.effects == ()
    assert decision.lifecycles == before
    assert all(isinstance(state, Running) for state in before.values())


@pytest.mark.parametrize("name", PLANS)
def test_a_settled_world_is_as_planned(name: str) -> None:
    plan = PLANS[name]
    machine = settled(plan, OWN_JACK if name == "everything" else None)
    assert machine.alive() == {proc.name for proc in plan.procs}
    on_the_air = {w for w in plan.wires if "air-" not in w.destination}
    assert on_the_air <= machine.wires <= plan.wires
    assert machine.wires == plan.wires or not plan.sources
    assert machine.ordered == plan.sources
    assert plan.mix is None or machine.mix == plan.mix


# Orders


def test_what_needs_jack_starts_once_jack_runs() -> None:
    machine = Machine(audio=OWN_JACK, jack=False)
    first = machine.turn(everything())
    assert [told(e) for e in first.effects] == ["spawn jackd", "spawn icecast"]
    machine.settle(everything())
    assert machine.kinds()[2:6] == [
        "spawn link-bob",
        "spawn link-carol",
        "spawn mixdown",
        "spawn source-mix.ogg",
    ]


def test_what_waits_for_jack_starts_in_the_very_turn_in_which_jack_runs() -> None:
    machine = Machine(audio=OWN_JACK, jack=False)
    plan = everything()
    while "jackd" not in {
        name for name, state in machine.lifecycles.items() if isinstance(state, Running)
    }:
        decision = machine.turn(plan)
        machine.now = decision.wake_at
    assert "spawn link-bob" in [told(e) for e in decision.effects]


def test_an_empty_plan_stops_everything_in_the_reverse_of_the_start_order() -> None:
    machine = settled(everything(), OWN_JACK)
    done = done_since(machine, NOTHING)
    terms = [word for word in done if word.startswith("term")]
    assert terms == [
        "term source-mix.ogg",
        "term mixdown",
        *("term link-bob", "term link-carol"),
        "term icecast",
        "term jackd",
    ]
    assert not machine.processes
    assert machine.lifecycles == {}


def test_no_wire_of_ours_outlives_an_empty_plan() -> None:
    machine = settled(planned(session()))
    machine.settle(NOTHING)
    assert machine.wires == frozenset()


def test_a_stage_stops_only_when_the_later_ones_have() -> None:
    machine = settled(everything(), OWN_JACK)
    first = machine.turn(NOTHING)
    signals = [e for e in first.effects if isinstance(e, Signal)]
    assert signals == [Signal(ProcName("source-mix.ogg"), 15)]


def test_stops_come_before_starts_and_wires_last() -> None:
    machine = settled(planned(session()))
    other = planned(session((ALICE, CAROL), mounts=(mount(), mount("/b.ogg"))))
    machine.end("link-carol")
    kinds = [type(e) for e in machine.turn(other).effects]
    assert kinds.index(Signal) < kinds.index(Disconnect) < kinds.index(Spawn)
    assert kinds.index(Spawn) < kinds.index(OrderMix)


# Only what changed


def test_a_link_that_dies_restarts_alone() -> None:
    plan = planned(session())
    machine = settled(plan)
    before = pids(machine)
    machine.end("link-bob")
    done = done_since(machine, plan)
    after = pids(machine)
    assert done[:2] == ["forget link-bob", "spawn link-bob"]
    assert {n for n in after if after[n] != before[n]} == {"link-bob"}
    assert machine.wires == plan.wires


def test_a_new_mount_starts_its_source_and_nothing_else() -> None:
    machine = settled(planned(session()))
    before = pids(machine)
    done = done_since(machine, planned(session(mounts=(mount(), mount("/b.ogg")))))
    assert {**pids(machine), **before} == pids(machine)
    assert [w for w in done if w.startswith(("spawn", "term", "order"))] == [
        "spawn source-b.ogg",
        "ordermix mix",
        "ordersource source-b.ogg",
    ]


def test_a_dropped_mount_ends_its_source_and_nothing_else() -> None:
    machine = settled(planned(session(mounts=(mount(), mount("/b.ogg")))))
    done = done_since(machine, planned(session()))
    assert [w for w in done if not w.startswith("disconnect")] == [
        "term source-b.ogg",
        "ordermix mix",
        "forget source-b.ogg",
    ]


def test_a_gain_is_an_order_to_the_mix_down_and_nothing_else() -> None:
    machine = settled(planned(session()))
    quieter = replace(mount(), gains_db={BOB: Decibels(-6.0)})
    assert done_since(machine, planned(session(mounts=(quieter,)))) == ["ordermix mix"]


def test_a_new_description_is_an_order_to_the_source_and_nothing_else() -> None:
    machine = settled(planned(session()))
    other = replace(mount(), description="live")
    assert done_since(machine, planned(session(mounts=(other,)))) == [
        "ordersource source-mix.ogg"
    ]


def test_a_new_host_is_a_new_link_and_a_new_strip() -> None:
    machine = settled(planned(session((ALICE, BOB))))
    before = pids(machine)
    done = done_since(machine, planned(session()))
    assert {**pids(machine), **before} == pids(machine)
    assert "spawn link-carol" in done
    assert not any(word.startswith(("term", "disconnect")) for word in done)


def test_muting_takes_the_inputs_wires_and_nothing_else() -> None:
    machine = settled(planned(session()))
    done = done_since(machine, planned(session(), muted=True))
    assert len(done) == 6
    assert all(word.startswith("disconnect system:capture_") for word in done)


def test_a_new_generation_restarts_that_link_alone() -> None:
    plan = planned(session())
    machine = settled(plan)
    anew = replace(
        plan,
        procs=tuple(
            replace(p, generation=1) if p.name == "link-bob" else p for p in plan.procs
        ),
    )
    done = done_since(machine, anew)
    assert [w for w in done if not w.startswith("connect")] == [
        "term link-bob",
        "forget link-bob",
        "spawn link-bob",
    ]


def test_somebody_elses_wires_stay() -> None:
    machine = Machine(foreign_ports=frozenset({PortName("ardour:in_1")}))
    theirs = Wire(PortName("system:capture_1"), PortName("ardour:in_1"))
    monitor = Wire(PortName("system:capture_1"), PortName("system:playback_1"))
    machine.wires = frozenset({theirs, monitor})
    machine.settle(planned(session()))
    machine.settle(NOTHING)
    assert machine.wires == {theirs, monitor}


# Trouble


def test_a_jack_that_goes_and_comes_back_is_wired_again() -> None:
    plan = planned(session())
    machine = settled(plan)
    machine.jack = False
    assert not any(
        isinstance(e, Connect | Disconnect) for e in machine.turn(plan).effects
    )
    machine.wires = frozenset()
    machine.jack = True
    machine.settle(plan)
    assert machine.wires == plan.wires


def test_a_program_that_is_missing_is_given_up_and_the_rest_goes_on() -> None:
    machine = Machine(broken=frozenset({Program.MIXDOWN}))
    decision = machine.settle(planned(session()))
    assert isinstance(decision.lifecycles[ProcName("mixdown")], GaveUp)
    assert machine.alive() == {"link-bob", "link-carol", "source-mix.ogg"}


def test_a_program_that_is_missing_is_found_once_it_is_there() -> None:
    machine = Machine(broken=frozenset({Program.MIXDOWN}))
    machine.settle(planned(session()))
    machine.broken = frozenset()
    machine.now += 31
    machine.settle(planned(session()))
    assert "mixdown" in machine.alive()


def test_who_waits_for_a_need_wakes_nobody() -> None:
    machine = Machine(audio=OWN_JACK, jack=False, broken=frozenset({Program.JACKD}))
    machine.settle(everything())
    machine.broken = frozenset()
    machine.now += 31
    machine.settle(everything())
    machine.end("jackd")
    machine.broken = frozenset({Program.JACKD})
    for name in ("link-bob", "link-carol"):
        machine.end(name)
    turns = machine.turns
    machine.settle(everything())
    assert machine.turns - turns < 40
    machine.now += 10
    decision = machine.turn(everything())
    assert isinstance(decision.lifecycles[ProcName("link-bob")], BackingOff)
    assert decision.wake_at == pytest.approx(machine.now + RESTING_POLL)


def test_a_process_that_ignores_the_end_is_killed() -> None:
    machine = settled(planned(session()))
    machine.processes[ProcName("mixdown")].deaf = True
    done = done_since(machine, NOTHING)
    assert "kill mixdown" in done
    assert not machine.processes


# Parts


def observed(**fields: object) -> Observed:
    return replace(Observed(), **fields)  # type: ignore[arg-type]


def proc(ready: Ready, stage: Stage = Stage.LINKS, name: str = "p") -> ProcPlan:
    return ProcPlan(
        name=ProcName(name),
        program=Program.JACKTRIP,
        stage=stage,
        argv=("p",),
        ready=ready,
    )


def graph(*ports: str) -> JackGraph:
    return JackGraph(
        rate_hz=Hertz(48000),
        period_frames=Frames(128),
        ports=SOUND_CARD | {PortName(port) for port in ports},
    )


REPORT: Final = SourceReport()
AB: Final = PortsAppear(frozenset({PortName("a:1"), PortName("b:1")}))


def test_a_source_that_does_not_answer_yet_gets_no_order() -> None:
    plan = planned(session())
    nobody = changes(plan, observed(graph=graph()), {}, AudioConfig(), NOW)
    assert not any(isinstance(e, OrderSource) for e in nobody.effects)


@pytest.mark.parametrize(
    ("state", "wake_in"),
    [
        (Running(plan=proc(AB), since=NOW), RESTING_POLL),
        (Starting(plan=proc(AB), since=NOW), STARTING_POLL),
        (Stopping(plan=proc(AB), since=NOW), STARTING_POLL),
        (
            BackingOff(plan=proc(AB), until=Seconds(NOW + 0.25), failures=1),
            0.25,
        ),
        (
            BackingOff(plan=proc(AB), until=Seconds(NOW + 5), failures=1),
            RESTING_POLL,
        ),
    ],
)
def test_the_next_turn_is_due_as_soon_as_a_state_wants_it(
    state: Running | Starting | Stopping | BackingOff, wake_in: float
) -> None:
    plan = HostPlan(procs=(proc(AB),))
    alive = {} if isinstance(state, BackingOff) else {ProcName("p"): seen()}
    decision = changes(
        plan, observed(procs=alive), {ProcName("p"): state}, AudioConfig(), NOW
    )
    assert decision.wake_at == pytest.approx(NOW + wake_in)


@pytest.mark.parametrize(
    ("primary", "hidden", "encodes", "wake_in"),
    [
        (SourceState.WAITING, SourceState.WAITING, False, STARTING_POLL),
        (SourceState.CONNECTING, SourceState.WAITING, True, STARTING_POLL),
        (SourceState.LIVE, SourceState.WAITING, True, RESTING_POLL),
        (SourceState.UNREACHABLE, SourceState.WAITING, True, RESTING_POLL),
        (SourceState.DENIED, SourceState.WAITING, True, RESTING_POLL),
        (SourceState.WAITING, SourceState.CONNECTING, True, STARTING_POLL),
        (SourceState.WAITING, SourceState.LIVE, True, RESTING_POLL),
        (SourceState.WAITING, SourceState.WAITING, True, RESTING_POLL),
    ],
)
def test_turns_are_close_while_a_source_is_on_its_way_to_a_seat(
    primary: SourceState, hidden: SourceState, encodes: bool, wake_in: float
) -> None:
    plan = replace(NOTHING, sources=planned(session()).sources)
    (name,) = plan.sources
    report = SourceReport(
        primary=SeatReport(state=primary),
        hidden=SeatReport(state=hidden),
        encoded_bytes=4096 * encodes,
    )
    for sources, pause in (({name: report}, wake_in), ({}, RESTING_POLL)):
        seen = observed(sources=sources)
        decision = changes(plan, seen, {}, AudioConfig(), NOW)
        assert decision.wake_at == pytest.approx(NOW + pause)


# Whatever happens

CHOICES: Final = tuple(PLANS[name] for name in sorted(PLANS) if name != "everything")
STORY: Final = st.lists(
    st.tuples(
        st.sampled_from(CHOICES),
        st.integers(0, 6),
        st.sampled_from(["", "", "exit", "no jack", "jack"]),
    ),
    max_size=5,
)


@given(STORY, st.sampled_from(CHOICES))
def test_whatever_happened_the_world_becomes_as_planned_and_stays_so(
    story: list[tuple[HostPlan, int, str]], last: HostPlan
) -> None:
    machine = Machine()
    for plan, turns, event in story:
        machine.jack = {"no jack": False, "jack": True}.get(event, machine.jack)
        for name in sorted(machine.alive()) if event == "exit" else ():
            machine.end(name)
        for _ in range(turns):
            machine.now = machine.turn(plan).wake_at
    machine.jack = True
    machine.settle(last, within=120.0)
    assert machine.alive() == {p.name for p in last.procs}
    assert machine.turn(last).effects == ()
