"""Whole agents in one event loop: real calls between them, fakes for everything else.

What an agent starts here plays along as the real programs do: JackTrip's ports appear
and its log says that the peer is heard, the mix-down and the sources answer on their
sockets, and one `Radio` takes one source a mount.
"""

import asyncio
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from agent.adapters.icecast import IcecastDoor
from agent.adapters.monotonic import MonotonicClock, SystemWallClock
from agent.bell import TurnBell
from agent.doors import Bell
from agent.host import Host
from agent.mixdown.messages import order_from_json, report_to_json
from agent.observe import Observer
from agent.operator import Operator
from agent.peering import Peering
from agent.publish import Publisher
from agent.reconcile import Reconciler
from agent.records import adopt, load_identity
from agent.roster import Roster
from agent.service import Service
from agent.sessions import Sessions
from agent.steering import Json, SteeringServer
from sessiond.core.configfile import AgentConfig
from sessiond.core.holder import HolderLabel, describe
from sessiond.core.mixmatrix import MixLevels, port_names
from sessiond.core.onair import MountSeen
from sessiond.core.proc import PortsAppear, ProcIdentity, ProcPlan, Program
from sessiond.core.source_messages import parse_lease, parse_order, report_document
from sessiond.core.sourcing import SourceOrder, SourceReport, SourceState
from sessiond.core.spec import IcecastServer, MountSpec, SessionSpec
from sessiond.core.stamped import Secrets, StampedSpec, Station
from sessiond.core.view import HostSetup
from sessiond.errors import Broken, Unavailable
from sessiond.units import (
    Address,
    Decibels,
    HostName,
    MountPath,
    ProcName,
    Seconds,
    SessionName,
)
from sessiond.wire.server import open_server
from tests.core.examples import ALICE, BOB, session
from tests.core.machine import SILENT
from tests.support.eventually import aeventually
from tests.support.fakes import (
    FakeDiscovery,
    FakeJack,
    FakeJackServer,
    FakeMachine,
    FakeNetwork,
    FakeProcs,
    FakeStore,
)

# Electing takes a few hundred milliseconds; a busy machine needs ten times as long.
SOON: Final = 10.0

JAM: Final = SessionName("jam")

QUIET: Final = MixLevels(peak_db=Decibels(-20.0), rms_db=Decibels(-30.0))


class Radio:
    """An Icecast that takes one source a mount.

    Attributes:
        wrong: Users whose password is denied.
        up: It answers.
    """

    def __init__(self) -> None:
        self.up = True
        self.wrong: set[str] = set()
        self.mounts: dict[MountPath, MountSeen] = {}
        self._streams = 0

    def put(self, order: SourceOrder, label: HolderLabel) -> bool:
        if order.path in self.mounts:
            return False
        self._streams += 1
        self.mounts[order.path] = MountSeen(
            path=order.path,
            description=describe(order.description, label),
            stream_start=str(self._streams),
            listeners=1,
        )
        return True

    def drop(self, path: MountPath) -> None:
        self.mounts.pop(path, None)


class RadioDoor(IcecastDoor):
    """An agent's door to the radio."""

    def __init__(self, radio: Radio) -> None:
        super().__init__()
        self._radio = radio

    async def mounts(self, station: Station) -> tuple[MountSeen, ...]:
        self._check(station)
        return tuple(self._radio.mounts.values())

    async def check_source_password(
        self, station: Station, path: MountPath, *, user: str, password: str
    ) -> None:
        self._check(station)
        if password in self._radio.wrong:
            raise Broken(f"Icecast denies {path} to the user {user}.", "Look it up.")

    async def check_admin_password(
        self, station: Station, *, user: str, password: str
    ) -> None:
        self._check(station)
        if password in self._radio.wrong:
            raise Broken(f"Icecast does not know {user}.", "Look it up.")

    def _check(self, station: Station) -> None:
        if not self._radio.up:
            raise Unavailable(f"Icecast at {station.address} does not answer.")


class Child:
    """The mix-down or a source, as far as its socket tells."""

    def __init__(self, plan: ProcPlan, jack: FakeJackServer, radio: Radio) -> None:
        self.plan = plan
        self._jack = jack
        self._radio = radio
        self.mix = SILENT
        self.order: SourceOrder | None = None
        self.password = ""
        self.report = SourceReport(path=None, state=SourceState.WAITING)
        self._ports: set[str] = set()

    def answer(self, request: Mapping[str, Json]) -> Mapping[str, Json]:
        if self.plan.program is Program.MIXDOWN:
            return self._mix(request)
        if "order" in request:
            self._take_order(parse_order(request["order"]), str(request["password"]))
        if "lease" in request:
            self._take_lease(request["lease"])
        return {"report": dict(report_document(self.report))}

    def end(self) -> None:
        for port in self._ports:
            self._jack.remove_port(port)
        if self.order and self.report.state is SourceState.LIVE:
            self._radio.drop(self.order.path)

    def _mix(self, request: Mapping[str, Json]) -> Mapping[str, Json]:
        if "order" in request:
            order = order_from_json(request["order"])
            self.mix = replace(SILENT, order=order)
            self._show(
                **{
                    f"mixdown:{port}": name in order.buses
                    for name in (*order.strips, *order.buses)
                    for port in port_names(name)
                }
            )
        order = self.mix.order
        return report_to_json(
            replace(
                self.mix,
                strips=(QUIET,) * len(order.strips),
                buses=(QUIET,) * len(order.buses),
            )
        )

    def _take_order(self, order: SourceOrder, password: str) -> None:
        self.order, self.password = order, password
        self.report = replace(self.report, path=order.path)
        ports = (f"{order.jack_client}:input_{n}" for n in (1, 2))
        self._show(**dict.fromkeys(ports, False))

    def _take_lease(self, document: Json) -> None:
        live = self.report.state is SourceState.LIVE
        if document is None or self.order is None:
            if live and self.order:
                self._radio.drop(self.order.path)
            self.report = replace(self.report, state=SourceState.WAITING)
            return
        lease = parse_lease(document)
        if live or lease.grant <= self.report.grant:
            return
        label = HolderLabel(
            session=self.order.session,
            term=lease.term,
            host=self.order.host,
            role=lease.role,
        )
        taken = self._radio.put(self.order, label)
        self.report = replace(
            self.report,
            state=SourceState.LIVE if taken else SourceState.REFUSED,
            grant=lease.grant if taken else self.report.grant,
            term=lease.term,
            role=lease.role,
            bytes_sent=1000 if taken else 0,
            moved_ago=Seconds(0.0) if taken else None,
        )

    def _show(self, **ports: bool) -> None:
        for port in self._ports - ports.keys():
            self._jack.remove_port(port)
        for port in ports.keys() - self._ports:
            self._jack.add_port(port, is_output=ports[port])
        self._ports = set(ports)


class Players(FakeProcs):
    """Processes that do what an agent waits for."""

    def __init__(
        self,
        bell: Bell,
        machine: FakeMachine,
        jack: FakeJackServer,
        radio: Radio,
        group: asyncio.TaskGroup,
    ) -> None:
        super().__init__(bell, machine)
        self._jack = jack
        self._radio = radio
        self._group = group
        self.children: dict[ProcName, Child] = {}
        self._servers: dict[ProcName, SteeringServer] = {}

    async def spawn(self, plan: ProcPlan) -> ProcIdentity:
        identity = await super().spawn(plan)
        if plan.program is Program.JACKTRIP and isinstance(plan.ready, PortsAppear):
            for port in plan.ready.ports:
                self._jack.add_port(port, is_output="receive" in port)
            self.write(plan.name, "Received Connection from Peer!\n")
        elif "--socket" in plan.argv:
            child = Child(plan, self._jack, self._radio)
            path = Path(plan.argv[plan.argv.index("--socket") + 1])
            server = SteeringServer(path, child.answer)
            await server.__aenter__()
            self.children[plan.name], self._servers[plan.name] = child, server
        return identity

    def end(self, name: ProcName, exit_code: int) -> None:
        process = self._owned.get(name)
        if process is not None and process.exit_code is None:
            self._fall_silent(name)
        super().end(name, exit_code)

    def take_over(self, before: "Players") -> None:
        """Own the children of an agent that has ended."""
        self.children, self._servers = before.children, before._servers
        before.close()

    def die(self) -> None:
        """Let every process end at once, unseen by its agent."""
        for name, process in self._owned.items():
            self._fall_silent(name)
            process.exit_code = -9
        self.close()

    def _fall_silent(self, name: ProcName) -> None:
        if name in self.children:
            self.children.pop(name).end()
            server = self._servers.pop(name)
            self._group.create_task(server.__aexit__(None, None, None))
        client = f"{name}:"
        for port in self._jack.graph().ports:
            if port.startswith(client):
                self._jack.remove_port(port)


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


class Band:
    """Agents that find each other; opened with `band`."""

    def __init__(self, folder: Path, group: asyncio.TaskGroup) -> None:
        self._folder = folder
        self._group = group
        self.network = FakeNetwork()
        self.radio = Radio()
        self.agents: list[Agent] = []

    async def add(
        self,
        name: str = "alice",
        *,
        rate_hz: int = 48000,
        start: bool = True,
    ) -> Agent:
        """Start an agent on a computer of its own."""
        store = FakeStore(Path(tempfile.mkdtemp(dir=self._folder)))
        jack = FakeJackServer(rate_hz)
        jack.start()
        agent = self._build(HostName(name), store, FakeMachine(), jack, "boot-1")
        return await self._begin(agent, start=start)

    async def restart(self, old: Agent) -> Agent:
        """Start another agent in an agent's place; what still plays goes on."""
        await self.end(old)
        agent = self._build(
            old.host.name, old.store, old.procs.machine, old.jack, old.host.boot_id
        )
        agent.procs.take_over(old.procs)
        return await self._begin(agent)

    async def reboot(self, old: Agent) -> Agent:
        """Start an agent again after its computer booted: nothing plays any more."""
        await self.crash(old)
        agent = self._build(old.host.name, old.store, FakeMachine(), old.jack, "boot-2")
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

    async def _begin(self, agent: Agent, *, start: bool = True) -> Agent:
        agent.stack.push_async_callback(agent.roster.close)
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
            agent=agent.service,
            peer=agent.peering,
            on_fault=_raise,
        )
        agent.stack.push_async_callback(server.close)
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
    ) -> Agent:
        bell = TurnBell(asyncio.get_running_loop())
        run_folder = store.folder("run")
        config = AgentConfig(
            name=name,
            state_dir=str(self._folder),
            advertise="127.0.0.1",
            listen=Address(f"127.0.0.1:{_free_port()}"),
        )
        host = Host(
            config=config,
            id=load_identity(store),
            setup=HostSetup(
                name=name,
                run_folder=str(run_folder),
                station_folder=str(run_folder),
            ),
            clock=MonotonicClock(),
            store=store,
            boot_id=boot_id,
        )
        procs = Players(bell, machine, jack_server, self.radio, self._group)
        jack, icecast, wall = FakeJack(jack_server, bell), RadioDoor(self.radio), _WALL
        roster = Roster(host=host, bell=bell)
        sessions = Sessions(
            host=host,
            roster=roster,
            icecast=icecast,
            wall=wall,
            bell=bell,
            group=self._group,
        )
        publisher = Publisher(
            host=host, roster=roster, icecast=icecast, membership=sessions.current
        )
        operator = Operator(
            host=host,
            roster=roster,
            icecast=icecast,
            membership=sessions.current,
            join=sessions.join,
        )
        agent = Agent(
            host=host,
            jack=jack_server,
            store=store,
            procs=procs,
            roster=roster,
            sessions=sessions,
            operator=operator,
            publisher=publisher,
            bell=bell,
            service=Service(
                host=host,
                roster=roster,
                operator=operator,
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
                prepare_station=lambda: False,
                remove_station=lambda: None,
                publish=publisher.ring,
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


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _raise(_: str, error: Exception) -> None:
    raise error
