"""Whole agents in one event loop: real calls between them, fakes for everything else.

What an agent starts here plays along as the real programs do: see `players`.
"""

import asyncio
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from agent.adapters.monotonic import MonotonicClock, SystemWallClock
from agent.admission import Admission
from agent.bell import TurnBell
from agent.belonging import Belonging
from agent.entrance import Entrance
from agent.host import Host
from agent.identity import load_identity
from agent.join_port import JoinPort
from agent.observe import Observer
from agent.operator import Operator
from agent.peering import Peering
from agent.present import Present
from agent.publish import Publisher
from agent.reconcile import Reconciler
from agent.records import adopt
from agent.roster import Roster
from agent.service import Service
from agent.sessions import Sessions
from agent.trust import Trust
from sessiond.core.configfile import AgentConfig
from sessiond.core.spec import IcecastServer, MountSpec, SessionSpec
from sessiond.core.stamped import Secrets, StampedSpec
from sessiond.core.view import HostSetup
from sessiond.units import (
    Address,
    HostName,
    SessionName,
)
from sessiond.wire.server import open_server
from tests.agent.players import Players
from tests.core.examples import ALICE, BOB, session
from tests.support.eventually import aeventually
from tests.support.fake_icecast import FakeIcecast, FakeIcecastDoor
from tests.support.fakes import (
    FakeDiscovery,
    FakeJack,
    FakeJackServer,
    FakeMachine,
    FakeNetwork,
    FakeStore,
)

STUDIO: Final = b"a studio of this test run"

# Electing takes a few hundred milliseconds; a busy machine needs ten times as long.
SOON: Final = 10.0

JAM: Final = SessionName("jam")


@dataclass(kw_only=True)
class Agent:
    """One agent, put together as `agent.main` does."""

    host: Host
    jack: FakeJackServer
    store: FakeStore
    procs: Players
    roster: Roster
    sessions: Sessions
    service: Service
    operator: Operator
    publisher: Publisher
    peering: Peering
    reconciler: Reconciler
    bell: TurnBell
    trust: Trust
    join_port: JoinPort
    admission: Admission
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    tasks: list["asyncio.Task[None]"] = field(default_factory=list)

    @property
    def address(self) -> Address:
        return self.host.config.address

    @property
    def document(self) -> StampedSpec:
        """The session's document as this agent has it."""
        doc = self.host.document
        assert doc is not None
        return doc

    @property
    def leads(self) -> bool:
        membership = self.sessions.current()
        return membership is not None and membership.leads()

    @property
    def led_by(self) -> HostName | None:
        """Who leads as far as this agent has heard."""
        lead = self.host.leadership()
        return lead.leader if lead else None

    def is_settled(self) -> bool:
        """The last turn had no effect, and there is a session that is not over."""
        return self.host.settled and self.host.document is not None

    async def close(self) -> None:
        """End the agent; its processes play on."""
        await self.sessions.close()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.stack.aclose()
        # A peer may have invited it again before its line was down.
        await self.sessions.close()


class Band:
    """Agents that find each other; opened with `band`."""

    def __init__(self, folder: Path, group: asyncio.TaskGroup) -> None:
        self._folder = folder
        self._group = group
        self.network = FakeNetwork()
        self.radio = FakeIcecast()
        self.agents: list[Agent] = []

    async def add(
        self,
        name: str = "alice",
        *,
        rate_hz: int = 48000,
        start: bool = True,
        studio: bytes = STUDIO,
        seen: bool = True,
    ) -> Agent:
        """Start an agent on a computer of its own.

        Args:
            name: Its name.
            rate_hz: Its JACK server's.
            start: Whether it takes turns and looks around.
            studio: Its studio's secret; empty for an agent of none.
            seen: Whether multicast reaches it.
        """
        store = FakeStore(Path(tempfile.mkdtemp(dir=self._folder)))
        jack = FakeJackServer(rate_hz)
        jack.start()
        agent = self._build(
            HostName(name), store, FakeMachine(), jack, "boot-1", studio
        )
        return await self._begin(agent, start=start, seen=seen)

    async def restart(self, old: Agent) -> Agent:
        """Start another agent in an agent's place; what still plays goes on."""
        await self.end(old)
        agent = self._build(
            old.host.name,
            old.store,
            old.procs.machine,
            old.jack,
            old.host.boot_id,
            old.host.studio,
        )
        agent.procs.take_over(old.procs)
        return await self._begin(agent)

    async def reboot(self, old: Agent) -> Agent:
        """Start an agent again after its computer booted: nothing plays any more."""
        await self.crash(old)
        agent = self._build(
            old.host.name,
            old.store,
            FakeMachine(),
            old.jack,
            "boot-2",
            old.host.studio,
        )
        return await self._begin(agent)

    async def crash(self, agent: Agent) -> None:
        """End an agent and all that it started at once."""
        agent.procs.die()
        await self.end(agent)

    async def end(self, agent: Agent) -> None:
        """End an agent, if it has not ended; its processes play on."""
        if agent in self.agents:
            self.agents.remove(agent)
            await agent.close()

    async def _begin(
        self, agent: Agent, *, start: bool = True, seen: bool = True
    ) -> Agent:
        agent.stack.push_async_callback(agent.roster.close)
        if seen:
            discovery = FakeDiscovery(
                self.network, agent.host.sighting(), agent.roster.look
            )
            await discovery.open()
            agent.stack.push_async_callback(discovery.close)
            agent.roster.discovery = discovery
        agent.host.lifecycles = adopt(agent.store, agent.procs)
        await agent.sessions.go_on()
        server = await open_server(
            [agent.host.config.listen],
            identity=agent.host.identity,
            trust=agent.trust,
            agent=agent.service,
            membership=agent.service,
            peer=agent.peering,
            on_fault=_raise,
        )
        agent.stack.push_async_callback(server.close)
        agent.stack.push_async_callback(agent.join_port.close)
        agent.trust.tell(server.trust_changed, agent.join_port.look)
        await agent.join_port.settle()
        agent.tasks.append(self._group.create_task(agent.join_port.run()))
        if start:
            agent.tasks += [
                self._group.create_task(agent.reconciler.run()),
                self._group.create_task(agent.roster.run()),
            ]
        self.agents.append(agent)
        return agent

    async def trio(self) -> tuple[Agent, Agent, Agent]:
        return await self.add("alice"), await self.add("bob"), await self.add("carol")

    async def formed(self, spec: SessionSpec, *agents: Agent) -> Agent:
        """Create the session and return its leader once everybody has settled."""
        await agents[0].service.create(spec, Secrets(source="hackme"))
        await aeventually(
            lambda: (
                sum(a.leads for a in agents) == 1
                and len({a.led_by for a in agents}) == 1
                and all(a.is_settled() for a in agents)
                and len({a.document.stamp for a in agents}) == 1
                and all(m.id for m in agents[0].document.members)
            ),
            within=SOON,
        )
        (leader,) = (a for a in agents if a.leads)
        return leader

    async def close(self) -> None:
        for agent in self.agents:
            await agent.close()
            agent.procs.die()

    def _build(
        self,
        name: HostName,
        store: FakeStore,
        machine: FakeMachine,
        jack_server: FakeJackServer,
        boot_id: str,
        studio: bytes,
    ) -> Agent:
        bell = TurnBell(asyncio.get_running_loop())
        run_folder = store.folder("run")
        config = AgentConfig(
            name=name,
            state_dir=str(self._folder),
            advertise="127.0.0.1",
            listen=Address(f"127.0.0.1:{_free_ports()}"),
        )
        host = Host(
            config=config,
            identity=load_identity(store, name),
            setup=HostSetup(
                name=name,
                run_folder=str(run_folder),
                station_folder=str(run_folder),
            ),
            clock=MonotonicClock(),
            store=store,
            boot_id=boot_id,
            studio=studio,
        )
        procs = Players(bell, machine, jack_server, self.radio, self._group)
        jack, icecast, wall = (
            FakeJack(jack_server, bell),
            FakeIcecastDoor(self.radio),
            _WALL,
        )
        trust = Trust(host)
        roster = Roster(host=host, trust=trust, bell=bell)
        sessions = Sessions(
            host=host,
            roster=roster,
            icecast=icecast,
            wall=wall,
            bell=bell,
            group=self._group,
        )
        publisher = Publisher(host=host, icecast=icecast, membership=sessions.current)
        present = Present(host, sessions.current)
        operator = Operator(
            now=present, roster=roster, icecast=icecast, join=sessions.join
        )
        belonging = Belonging(now=present, wall=wall, stop=operator.stop)
        admission = Admission(host=host, roster=roster, belonging=belonging)
        join_port = JoinPort(
            host=host,
            admission=admission,
            has_session=sessions.goes_on,
            on_fault=_raise,
        )
        agent = Agent(
            host=host,
            jack=jack_server,
            store=store,
            procs=procs,
            roster=roster,
            trust=trust,
            admission=admission,
            join_port=join_port,
            sessions=sessions,
            operator=operator,
            publisher=publisher,
            bell=bell,
            service=Service(
                host=host,
                roster=roster,
                operator=operator,
                belonging=belonging,
                entrance=Entrance(
                    now=present, join=sessions.join, depart=sessions.depart
                ),
                join_port=join_port,
                publisher=publisher,
                bell=bell,
                membership=sessions.current,
                depart=sessions.depart,
            ),
            peering=Peering(
                host=host,
                roster=roster,
                publisher=publisher,
                wall=wall,
                bell=bell,
                membership=sessions.current,
                join=sessions.join,
                belonging=belonging,
            ),
            reconciler=Reconciler(
                host=host,
                observer=Observer(
                    clock=host.clock,
                    procs=procs,
                    jack=jack,
                    run_folder=run_folder,
                    sources=lambda: host.sources,
                    mounts=lambda: host.mounts,
                ),
                procs=procs,
                jack=jack,
                bell=bell,
                namesakes=roster.namesakes,
                shut_out_by=roster.shut_out_by,
                prepare_station=lambda: False,
                remove_station=lambda: None,
                publish=publisher.ring,
                sources_changed=sessions.look_at_sources,
            ),
        )
        agent.stack.push_async_callback(icecast.close)
        return agent


_WALL: Final = SystemWallClock()


def jam(*names: HostName, **fields: object) -> SessionSpec:
    """Return a session without mounts: it forms without Icecast."""
    return session(names or (ALICE, BOB), **{"mounts": (), "icecast": None, **fields})  # type: ignore[arg-type]


def show(
    names: tuple[HostName, ...] = (ALICE, BOB),
    mounts: tuple[MountSpec, ...] | None = None,
    **fields: object,
) -> SessionSpec:
    """Return a session whose Icecast nobody has to be looked up for."""
    radio = IcecastServer(host="127.0.0.1", port=1)
    return session(names, mounts, **{"icecast": radio, **fields})


@asynccontextmanager
async def band() -> AsyncIterator[Band]:
    """Open a band; everything ends with it."""
    # A socket's path holds a hundred characters, and pytest's own folders nearly do.
    folder = Path(tempfile.mkdtemp(prefix="band-"))
    try:
        async with asyncio.TaskGroup() as group:
            opened = Band(folder, group)
            try:
                yield opened
            finally:
                await opened.close()
    finally:
        shutil.rmtree(folder)


def _free_ports() -> int:
    """Return a free port whose next one, the join port, is free as well."""
    while True:
        with socket.socket() as probe, socket.socket() as beside:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
            with suppress(OSError):
                beside.bind(("127.0.0.1", port + 1))
                return port


def _raise(_: str, error: Exception) -> None:
    raise error
