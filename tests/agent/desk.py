"""One host's turns on fakes: what the tests of turns and of supervision sit at."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from agent.bell import TurnBell
from agent.doors import Jack
from agent.host import Host
from agent.observe import Observer
from agent.reconcile import Reconciler
from sessiond.core.conditions import Reason
from sessiond.core.configfile import AgentConfig, AudioConfig
from sessiond.core.election import Leadership
from sessiond.core.proc import PortsAppear, ProcPlan
from sessiond.core.stamped import StampedSpec
from sessiond.units import HostName, ProcName, Seconds
from tests.core.examples import ALICE, BOB, document, leadership, session, setup
from tests.support.fakes import (
    FakeClock,
    FakeJack,
    FakeJackServer,
    FakeMachine,
    FakeProcs,
    FakeStore,
)
from tests.support.identities import identity_of

LINK = ProcName("link-bob")
DUO = document(session((ALICE, BOB), mounts=()))


@dataclass(kw_only=True)
class Desk:
    """One host's turns."""

    host: Host
    procs: FakeProcs
    server: FakeJackServer
    observer: Observer
    reconciler: Reconciler
    wrote: list[str] = field(default_factory=list)
    config_changes: bool = False
    published: int = 0
    told_of_sources: int = 0

    async def turns(self, count: int = 1) -> Seconds:
        """Take turns, a little apart; returns how long the next may wait."""
        pause = Seconds(0)
        for _ in range(count):
            pause = await self.reconciler.turn()
            assert isinstance(self.host.clock, FakeClock)
            self.host.clock.advance(0.3)
            # A signalled process of the fakes ends at the loop's next step.
            await asyncio.sleep(0)
        return pause

    def join(self, doc: StampedSpec | None) -> None:
        lead: Leadership | None = leadership(doc) if doc else None
        self.host.leadership = lambda: lead
        self.host.stored = lambda: lead.stamped if lead else None

    def reasons(self) -> set[Reason]:
        return {condition.reason for condition in self.host.conditions}

    def ports_of(self, plan: ProcPlan) -> None:
        """Let a link's ports appear."""
        assert isinstance(plan.ready, PortsAppear)
        for port in plan.ready.ports:
            self.server.add_port(port, is_output="receive" in port)

    async def linked(self) -> None:
        """Have the link to bob running and wired."""
        self.join(DUO)
        await self.turns()
        plan = self.host.plan.proc(LINK)
        assert plan is not None
        self.ports_of(plan)
        await self.turns(2)


def desk_in(
    place: Path,
    *,
    missing: frozenset[str] = frozenset(),
    jack: type[FakeJack] = FakeJack,
    jack_runs: bool = True,
    audio: AudioConfig | None = None,
) -> Desk:
    bell = TurnBell(asyncio.get_running_loop())
    config = AgentConfig(name=ALICE, state_dir=str(place), advertise="10.0.0.1")
    host = Host(
        config=config,
        identity=identity_of(ALICE),
        setup=replace(setup(ALICE, audio), run_folder=str(place)),
        clock=FakeClock(),
        store=FakeStore(place),
    )
    procs = FakeProcs(bell, FakeMachine(missing))
    server = FakeJackServer(period_frames=128)
    if jack_runs:
        server.start()
    door: Jack = jack(server, bell)
    observer = Observer(
        clock=host.clock,
        procs=procs,
        jack=door,
        run_folder=place,
        sources=lambda: host.sources,
        mounts=lambda: host.mounts,
    )

    def prepare() -> bool:
        made.wrote.append("station")
        return made.config_changes

    def publish() -> None:
        made.published += 1

    def sources_changed() -> None:
        made.told_of_sources += 1

    namesakes: Mapping[HostName, tuple[str, ...]] = {}
    made = Desk(
        host=host,
        procs=procs,
        server=server,
        observer=observer,
        reconciler=Reconciler(
            host=host,
            observer=observer,
            procs=procs,
            jack=door,
            bell=bell,
            namesakes=lambda: namesakes,
            shut_out_by=lambda: (),
            prepare_station=prepare,
            remove_station=lambda: made.wrote.append("removed"),
            publish=publish,
            sources_changed=sources_changed,
        ),
    )
    return made
