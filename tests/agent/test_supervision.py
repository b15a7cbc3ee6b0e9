"""Who lives and does nothing, who gave up, and links that two hosts start anew."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from agent.mixdown.messages import report_to_json
from agent.records import adopt
from agent.steering import Json, SteeringServer
from sessiond.core.conditions import Reason
from sessiond.core.linkcare import DEAF_LIMIT
from sessiond.core.procstates import GaveUp, Running
from sessiond.core.sourcing import SourceReport
from sessiond.core.stamped import Stamp
from sessiond.errors import Refused
from sessiond.units import ProcName, Seconds
from tests.agent.desk import DUO, LINK, Desk, desk_in
from tests.core.examples import ALICE, BOB, TRIO, document, facts, leadership, session
from tests.core.machine import SILENT
from tests.support.fakes import FakeClock

MIXDOWN = ProcName("mixdown")
SOURCE = ProcName("source-mix.ogg")
SHOW = document(session(TRIO))


def statistics(packets: int, held: int = 4) -> str:
    return (
        f"2026-11-22T06:43:04 10.0.0.2 send: 0/0 recv: 0/0 prot: 0/0/0 tot: {packets} "
        f"sync: {held}/0/0/0/0 skew: 0/0 bcast: 0/0 autoq: 2.3/47.2\n"
    )


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened


@pytest.fixture
async def desk(tmp_path: Path, stack: AsyncExitStack) -> Desk:
    made = desk_in(tmp_path)
    stack.callback(made.procs.close)
    made.host.peer_facts[BOB] = facts(BOB, heard=frozenset({ALICE}))
    return made


async def pass_time(desk: Desk, seconds: float, said: str = "") -> None:
    """Take a turn every half second; the link writes `said` before each."""
    clock = desk.host.clock
    assert isinstance(clock, FakeClock)
    end = clock.now() + seconds
    while clock.now() < end:
        if said and LINK in desk.procs.seen():
            desk.procs.write(LINK, said)
        await desk.turns()
        clock.advance(0.2)


def generation(desk: Desk) -> int:
    plan = desk.host.plan.proc(LINK)
    assert plan is not None
    return plan.generation


async def test_a_link_that_jack_has_dropped_is_killed_and_started_again(
    desk: Desk,
) -> None:
    await desk.linked()
    for port in ("send_1", "send_2", "receive_1", "receive_2"):
        desk.server.remove_port(f"link-bob:{port}")
    await pass_time(desk, 2.0)
    assert desk.host.restarts == {LINK: 1}


async def test_a_link_that_writes_no_more_while_its_peer_hears_nothing_is_killed(
    desk: Desk,
) -> None:
    await desk.linked()
    await pass_time(desk, 2.0, "Received Connection from Peer!\n" + statistics(500))
    await pass_time(desk, 5.0)
    assert desk.host.restarts == {LINK: 0}, "bob hears it: its log alone is full"
    desk.host.peer_facts[BOB] = facts(BOB)
    await pass_time(desk, 2.0)
    assert desk.host.restarts == {LINK: 1}


async def test_a_link_that_hears_nothing_is_started_anew_by_agreement(
    desk: Desk,
) -> None:
    await desk.linked()
    await pass_time(desk, DEAF_LIMIT + 2, statistics(0))
    assert desk.host.facts().generations == {BOB: 1}
    assert generation(desk) == 1
    assert desk.host.restarts == {LINK: 1}


async def test_a_link_whose_queue_has_grown_is_started_anew_by_agreement(
    desk: Desk,
) -> None:
    await desk.linked()
    grown = "Received Connection from Peer!\n" + statistics(500, held=99)
    await pass_time(desk, 6.0, grown)
    assert generation(desk) == 1


async def test_what_the_peer_asks_for_is_done_and_the_larger_number_counts(
    desk: Desk,
) -> None:
    await desk.linked()
    desk.host.generations[BOB] = 1
    desk.host.peer_facts[BOB] = facts(BOB, generations={ALICE: 3})
    await desk.turns(3)
    assert generation(desk) == 3
    assert desk.host.restarts == {LINK: 1}
    assert desk.host.facts().generations == {BOB: 3}


async def test_the_next_agent_knows_the_number_of_a_link_that_it_adopts(
    desk: Desk, tmp_path: Path, stack: AsyncExitStack
) -> None:
    desk.host.generations[BOB] = 2
    await desk.linked()
    heir = desk_in(tmp_path)
    stack.callback(heir.procs.close)
    heir.procs.machine.processes.update(desk.procs.machine.processes)
    heir.host.lifecycles = adopt(desk.host.store, heir.procs)
    assert heir.host.facts().generations == {BOB: 2}


async def given_up(desk: Desk) -> None:
    desk.join(DUO)
    await desk.turns(2)
    assert isinstance(desk.host.lifecycles[LINK], GaveUp)


@pytest.fixture
async def hopeless(tmp_path: Path, stack: AsyncExitStack) -> Desk:
    made = desk_in(tmp_path, missing=frozenset({"jacktrip"}))
    stack.callback(made.procs.close)
    await given_up(made)
    return made


async def test_a_change_of_the_session_revives_what_gave_up(hopeless: Desk) -> None:
    hopeless.procs.machine.missing = frozenset()
    await hopeless.turns(2)
    assert isinstance(hopeless.host.lifecycles[LINK], GaveUp)
    stamp = Stamp(term=DUO.stamp.term, revision=DUO.stamp.revision + 1)
    hopeless.join(replace(DUO, stamp=stamp))
    await hopeless.turns()
    assert LINK in hopeless.procs.seen()
    assert Reason.PROGRAM_MISSING not in hopeless.reasons()


async def test_jacks_return_revives_what_gave_up(hopeless: Desk) -> None:
    hopeless.procs.machine.missing = frozenset()
    hopeless.server.kill()
    await hopeless.turns()
    hopeless.server.start()
    await hopeless.turns(2)
    assert LINK in hopeless.procs.seen()


class Child:
    """A child of ours that answers on its socket while it is well."""

    def __init__(self) -> None:
        self.callbacks = 0
        self.refuses = False

    def __call__(self, request: Mapping[str, Json]) -> Mapping[str, Json]:
        if self.refuses:
            raise Refused("not now")
        return report_to_json(replace(SILENT, callbacks=self.callbacks))


async def mixing(desk: Desk, stack: AsyncExitStack) -> tuple[Child, AsyncExitStack]:
    """Have a mix-down running, whose socket closes with the returned stack."""
    lead = leadership(SHOW, right=True)
    desk.host.leadership = lambda: lead
    desk.host.stored = lambda: lead.stamped
    child, door = Child(), AsyncExitStack()
    socket = Path(desk.host.setup.run_folder) / "mixdown.sock"
    await door.enter_async_context(SteeringServer(socket, child))
    stack.push_async_callback(door.aclose)
    await desk.turns(3)
    assert isinstance(desk.host.lifecycles[MIXDOWN], Running)
    return child, door


async def test_a_mix_down_that_does_not_answer_is_killed_and_started_again(
    desk: Desk, stack: AsyncExitStack
) -> None:
    _, door = await mixing(desk, stack)
    await pass_time(desk, 2.0)
    assert desk.host.restarts[MIXDOWN] == 0
    await door.aclose()
    await pass_time(desk, 2.0)
    assert desk.host.restarts[MIXDOWN] == 1


async def test_a_mix_down_that_mixes_nothing_while_jack_runs_is_killed(
    desk: Desk, stack: AsyncExitStack
) -> None:
    child, _ = await mixing(desk, stack)
    for _ in range(6):
        child.callbacks += 100
        desk.server.frame += 100 * 128
        await desk.turns()
    assert desk.host.restarts[MIXDOWN] == 0
    for _ in range(3):
        await desk.turns()
    assert desk.host.restarts[MIXDOWN] == 0, "jack stands still as well"
    for _ in range(6):
        desk.server.frame += 100 * 128
        await desk.turns()
    assert desk.host.restarts[MIXDOWN] == 1


async def test_a_source_that_has_answered_and_does_not_any_more_is_killed(
    desk: Desk, stack: AsyncExitStack
) -> None:
    await mixing(desk, stack)
    await pass_time(desk, 2.0)
    assert desk.host.restarts[SOURCE] == 0, "it may take its time to start"
    desk.host.sources = {SOURCE: SourceReport()}
    await desk.turns(2)
    desk.host.sources = {}
    child = Child()
    child.refuses = True
    socket = Path(desk.host.setup.run_folder) / f"{SOURCE}.sock"
    async with SteeringServer(socket, child):
        await pass_time(desk, 2.0)
    assert desk.host.restarts[SOURCE] == 0, "an answer is an answer"
    await pass_time(desk, 2.0)
    assert desk.host.restarts[SOURCE] == 1


async def test_the_last_report_of_a_source_that_ended_is_not_its_heirs(
    desk: Desk, stack: AsyncExitStack
) -> None:
    await mixing(desk, stack)
    desk.host.sources = {SOURCE: SourceReport()}
    await desk.turns(2)
    desk.procs.end(SOURCE, 1)
    await desk.turns(3)
    assert SOURCE in desk.procs.seen()
    assert SOURCE not in desk.host.observed.sources
    desk.host.sources = {SOURCE: SourceReport()}
    await desk.turns()
    assert SOURCE in desk.host.observed.sources


async def test_a_host_whose_jack_stands_still_is_not_able_to_broadcast(
    desk: Desk, stack: AsyncExitStack
) -> None:
    await mixing(desk, stack)
    desk.host.secrets_of = SHOW.spec.name
    desk.host.station_heard = Seconds(desk.host.clock.now() + 100)
    desk.server.frame = 128
    await desk.turns(2)
    assert desk.host.able()
    await pass_time(desk, 3.0)
    assert not desk.host.able()
    assert Reason.JACK_STALLED in desk.reasons()
    desk.server.frame = 256
    await desk.turns()
    assert desk.host.able()
