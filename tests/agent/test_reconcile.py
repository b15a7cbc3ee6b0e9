"""Turns on one host with fakes: what is performed, what fails, what is remembered."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from agent.doctor import look_over
from agent.records import adopt
from sessiond.core.conditions import Reason
from sessiond.core.configfile import AudioConfig
from sessiond.core.jackgraph import JackGraph, Wire
from sessiond.core.proc import ProcPlan, Program, Stage
from sessiond.core.procstates import BackingOff, GaveUp, Running, Starting
from sessiond.core.stamped import Station
from sessiond.core.stationfile import StationConfig
from sessiond.core.status import LinkState, Verdict
from sessiond.errors import Broken, Unavailable
from sessiond.units import PortName, ProcName, Seconds
from tests.agent.desk import DUO, LINK, Desk, desk_in
from tests.core.examples import ALICE, BOB, document, session
from tests.support.fakes import (
    FakeClock,
    FakeJack,
    FakeProcs,
    FakeStore,
)

HERE = Station(address="127.0.0.1", port=8000, host=ALICE)
EMBEDDED = document(session((ALICE,), icecast=None), station=HERE)


class DeafJack(FakeJack):
    """A server that hangs on whatever it is told."""

    async def connect(self, wire: Wire) -> None:
        await asyncio.Event().wait()


class NoJack(FakeJack):
    """A computer without libjack."""

    async def look(self) -> JackGraph | None:
        raise Broken("There is no libjack here.")


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened


@pytest.fixture
async def desk(tmp_path: Path, stack: AsyncExitStack) -> Desk:
    made = desk_in(tmp_path)
    stack.callback(made.procs.close)
    return made


async def test_a_host_without_a_session_does_nothing(desk: Desk) -> None:
    await desk.turns(2)
    assert desk.host.settled
    assert desk.procs.seen() == {}
    assert desk.published == 2


async def test_a_session_starts_its_link_and_wires_it_once_its_ports_are_there(
    desk: Desk,
) -> None:
    desk.join(DUO)
    await desk.turns()
    assert isinstance(desk.host.lifecycles[LINK], Starting)
    assert desk.server.wires == set()
    await desk.linked()
    assert isinstance(desk.host.lifecycles[LINK], Running)
    assert desk.server.wires == desk.host.plan.wires


async def test_a_second_turn_does_nothing(desk: Desk) -> None:
    await desk.linked()
    assert desk.host.settled
    before = dict(desk.host.lifecycles)
    await desk.turns(3)
    assert desk.host.settled
    assert desk.host.lifecycles == before
    assert len(desk.procs.machine.processes) == 1


async def test_the_next_turn_is_soon_while_something_starts_and_later_at_rest(
    desk: Desk,
) -> None:
    desk.join(DUO)
    assert await desk.turns() == pytest.approx(0.05)
    await desk.linked()
    assert await desk.turns() == pytest.approx(1.0)


async def test_what_starts_is_written_down_and_adopted_by_the_next_agent(
    desk: Desk,
) -> None:
    await desk.linked()
    next_one = FakeProcs(machine=desk.procs.machine)
    assert adopt(desk.host.store, next_one).keys() == {LINK}
    next_one.close()


async def test_a_session_that_ends_leaves_neither_wire_nor_process_nor_record(
    desk: Desk,
) -> None:
    await desk.linked()
    desk.join(None)
    await desk.turns(3)
    assert desk.host.lifecycles == {}
    assert desk.server.wires == set()
    assert desk.procs.seen() == {}
    assert adopt(desk.host.store, FakeProcs()) == {}


async def test_a_link_that_dies_is_started_again_and_counted(desk: Desk) -> None:
    await desk.linked()
    desk.procs.end(LINK, 1)
    await desk.turns()
    assert isinstance(desk.host.lifecycles[LINK], BackingOff)
    assert Reason.PROC_BACKING_OFF in desk.reasons()
    await desk.turns(2)
    assert desk.host.restarts == {LINK: 1}
    assert LINK in desk.procs.seen()


async def test_a_program_that_is_missing_is_a_condition_with_its_package(
    tmp_path: Path, stack: AsyncExitStack
) -> None:
    desk = desk_in(tmp_path, missing=frozenset({"jacktrip"}))
    stack.callback(desk.procs.close)
    desk.join(DUO)
    await desk.turns(2)
    assert isinstance(desk.host.lifecycles[LINK], GaveUp)
    (found,) = [c for c in desk.host.conditions if c.reason is Reason.PROGRAM_MISSING]
    assert "jacktrip" in found.message
    assert "jacktrip" in found.hint


async def test_without_jack_nothing_starts_and_it_is_said(
    tmp_path: Path, stack: AsyncExitStack
) -> None:
    desk = desk_in(tmp_path, jack_runs=False)
    stack.callback(desk.procs.close)
    desk.join(DUO)
    await desk.turns(2)
    assert desk.host.lifecycles == {}
    assert Reason.JACK_ABSENT in desk.reasons()
    desk.server.start()
    await desk.turns()
    assert LINK in desk.host.lifecycles


async def test_without_libjack_it_is_as_without_a_server(
    tmp_path: Path, stack: AsyncExitStack
) -> None:
    desk = desk_in(tmp_path, jack=NoJack)
    stack.callback(desk.procs.close)
    await desk.turns()
    assert Reason.JACK_ABSENT in desk.reasons()


async def test_a_jack_that_dies_ends_its_clients_and_gets_them_back(desk: Desk) -> None:
    await desk.linked()
    first = desk.procs.seen()[LINK].identity
    desk.server.kill()
    await desk.turns(3)
    assert Reason.JACK_ABSENT in desk.reasons()
    desk.server.start()
    await desk.turns(4)
    again = desk.procs.seen()[LINK].identity
    assert again != first
    await desk.linked()
    assert desk.server.wires == desk.host.plan.wires


async def test_another_period_restarts_whoever_reads_it_once(desk: Desk) -> None:
    await desk.linked()
    first = desk.procs.seen()[LINK].identity
    desk.server.set_period(256)
    await desk.turns(4)
    assert desk.procs.seen()[LINK].identity != first


async def test_an_input_that_is_absent_for_long_is_named(
    tmp_path: Path, stack: AsyncExitStack
) -> None:
    desk = desk_in(tmp_path, audio=AudioConfig(inputs=(PortName("mic:1"),)))
    stack.callback(desk.procs.close)
    await desk.turns()
    assert desk.reasons() == set()
    assert isinstance(desk.host.clock, FakeClock)
    desk.host.clock.advance(5)
    await desk.turns()
    assert desk.reasons() == {Reason.INPUT_PORT_ABSENT}
    desk.server.add_port("mic:1", is_output=True)
    await desk.turns()
    assert desk.reasons() == set()


async def test_a_port_that_comes_back_is_wired_again(desk: Desk) -> None:
    await desk.linked()
    desk.server.remove_port("system:capture_1")
    await desk.turns()
    assert desk.server.wires < desk.host.plan.wires
    desk.server.add_port("system:capture_1", is_output=True)
    await desk.turns()
    assert desk.server.wires == desk.host.plan.wires


async def test_a_jack_that_hangs_on_a_wire_does_not_hold_the_turn_for_long(
    tmp_path: Path, stack: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.reconcile.EFFECT_LIMIT", Seconds(0.01))
    desk = desk_in(tmp_path, jack=DeafJack)
    stack.callback(desk.procs.close)
    desk.join(DUO)
    async with asyncio.timeout(5):
        await desk.linked()
    assert desk.server.wires == set()
    assert not desk.host.settled


async def test_a_wire_that_fails_is_tried_again(desk: Desk) -> None:
    await desk.linked()
    taken = Wire(PortName("system:capture_1"), PortName("link-bob:send_1"))
    desk.server.wires.discard(taken)
    await desk.turns()
    assert taken in desk.server.wires


async def test_what_the_link_says_is_read_and_forgotten_with_its_process(
    desk: Desk,
) -> None:
    await desk.linked()
    desk.procs.write(LINK, "Received Connection from Peer!\n")
    await desk.turns()
    now = desk.host.clock.now()
    assert desk.host.observed.links[BOB].state(now) is LinkState.UP
    desk.procs.end(LINK, 1)
    await desk.turns(4)
    assert desk.host.observed.links[BOB].moved is None


async def test_a_full_disk_is_a_condition_and_the_turn_goes_on(desk: Desk) -> None:
    assert isinstance(desk.host.store, FakeStore)
    desk.host.store.full = True
    await desk.linked()
    assert Reason.STATE_NOT_STORED in desk.reasons()
    assert desk.server.wires == desk.host.plan.wires


# The embedded station


async def test_the_station_has_its_file_before_it_starts(desk: Desk) -> None:
    desk.join(EMBEDDED)
    await desk.turns()
    icecast = desk.host.plan.proc(ProcName("icecast"))
    assert icecast is not None
    assert icecast.program is Program.ICECAST
    assert "station" in desk.wrote
    assert Reason.STATION_NOT_REDUNDANT in desk.reasons()


async def test_a_file_that_changed_is_read_again_by_a_running_station(
    desk: Desk,
) -> None:
    desk.join(EMBEDDED)
    await desk.turns(2)
    (process,) = (
        p for p in desk.procs.machine.processes.values() if p.argv[0] == "icecast2"
    )
    await desk.turns()
    assert process.signals == []
    desk.config_changes = True
    await desk.turns()
    assert process.signals == [signal.SIGHUP]


async def test_a_station_that_is_not_ours_any_more_leaves_no_file(desk: Desk) -> None:
    desk.join(EMBEDDED)
    await desk.turns(2)
    desk.join(None)
    await desk.turns(4)
    assert desk.wrote[-1] == "removed"


# Doctor


async def test_the_doctor_names_what_is_missing_and_the_cure(
    tmp_path: Path, stack: AsyncExitStack
) -> None:
    absent = AudioConfig(inputs=(PortName("mic:1"),))
    desk = desk_in(tmp_path, audio=absent, jack_runs=False)
    stack.callback(desk.procs.close)
    await desk.turns()
    found = {f.subject: f for f in await look_over(desk.host)}
    assert found["JACK"].verdict is Verdict.FAIL
    assert "if-absent" in found["JACK"].hint
    assert found["trust"].verdict is Verdict.OK
    desk.server.start()
    await desk.turns()
    found = {f.subject: f for f in await look_over(desk.host)}
    assert found["JACK"].verdict is Verdict.OK
    assert "mic:1" in found["JACK ports"].sentence
    assert all(f.hint for f in found.values() if f.verdict is Verdict.FAIL)


@pytest.mark.parametrize("heard", [True, False])
async def test_the_doctor_tells_whether_the_station_answers(
    desk: Desk, *, heard: bool
) -> None:
    desk.join(document(session((ALICE,))))
    desk.host.station_heard = desk.host.clock.now() if heard else None
    found = {f.subject: f for f in await look_over(desk.host)}
    assert found["Icecast"].verdict is (Verdict.OK if heard else Verdict.FAIL)


@pytest.mark.parametrize("there", [True, False])
async def test_the_doctor_tells_whether_a_station_has_music(
    desk: Desk, tmp_path: Path, *, there: bool
) -> None:
    music = tmp_path if there else tmp_path / "none"
    station = StationConfig(music=str(music))
    desk.host.config = replace(desk.host.config, station=station)
    found = {f.subject: f for f in await look_over(desk.host)}
    assert found["music"].verdict is (Verdict.OK if there else Verdict.FAIL)


async def test_a_spawn_that_the_system_has_no_room_for_is_tried_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_room(_: ProcPlan) -> None:
        raise Unavailable("The system has no room for another process.")

    monkeypatch.setattr(desk.procs, "spawn", no_room)
    desk.join(DUO)
    await desk.turns(2)
    assert isinstance(desk.host.lifecycles[LINK], BackingOff)
    monkeypatch.undo()
    await desk.turns(3)
    assert LINK in desk.procs.seen()


# Sources


async def test_the_leases_are_looked_at_once_a_source_came_or_went(desk: Desk) -> None:
    source = ProcName("source-mix.ogg")
    plan = ProcPlan(
        name=source, program=Program.SOURCE, stage=Stage.SOURCES, argv=("python3",)
    )
    await desk.turns(2)
    assert desk.told_of_sources == 0
    await desk.procs.spawn(plan)
    await desk.turns(2)
    assert desk.told_of_sources == 1
    desk.procs.end(source, 1)
    desk.procs.forget(source)
    await desk.turns(2)
    assert desk.told_of_sources == 2
