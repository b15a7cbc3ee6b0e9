"""What an agent's programs do when it starts them, and the radio that they feed.

JackTrip's ports appear and its log says that the peer is heard, the mix-down and the
sources answer on their sockets and feed one `FakeIcecast`.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from agent.doors import Bell
from agent.mixdown.messages import order_from_json, report_to_json
from agent.steering import Json, SteeringServer
from sessiond.core.holder import HolderLabel, describe
from sessiond.core.mixmatrix import MixLevels, port_names
from sessiond.core.proc import PortsAppear, ProcIdentity, ProcPlan, Program
from sessiond.core.source_messages import (
    parse_lease,
    parse_order,
    parse_seat,
    report_document,
)
from sessiond.core.sourcing import (
    Lease,
    Seat,
    SeatReport,
    SourceOrder,
    SourceReport,
    SourceState,
)
from sessiond.units import (
    Decibels,
    ProcName,
    Seconds,
)
from tests.core.machine import SILENT
from tests.support.eventually import aeventually
from tests.support.fake_icecast import FakeIcecast
from tests.support.fakes import (
    FakeJackServer,
    FakeMachine,
    FakeProcs,
)

QUIET: Final = MixLevels(peak_db=Decibels(-20.0), rms_db=Decibels(-30.0))


class Child:
    """The mix-down, a source or an ear, as far as its socket tells."""

    def __init__(
        self, plan: ProcPlan, jack: FakeJackServer, radio: FakeIcecast
    ) -> None:
        self.plan = plan
        self._jack = jack
        self._radio = radio
        self.mix = SILENT
        self.order: SourceOrder | None = None
        self.password = ""
        self.seats = dict.fromkeys(Seat, SeatReport())
        self._ports: set[str] = set()

    def answer(self, request: Mapping[str, Json]) -> Mapping[str, Json]:
        if self.plan.program is Program.MIXDOWN:
            return self._mix(request)
        if self.plan.program is Program.EAR:
            return {"sounds": []}
        if "order" in request:
            self._take_order(parse_order(request["order"]), str(request["password"]))
        if "lease" in request:
            self._take_lease(parse_lease(request["lease"]))
        if "revoke" in request:
            self._leave(parse_seat(request["revoke"]))
        report = SourceReport(
            primary=self.seats[Seat.PRIMARY], hidden=self.seats[Seat.HIDDEN]
        )
        return {"report": dict(report_document(report))}

    def end(self) -> None:
        for port in self._ports:
            self._jack.remove_port(port)
        for seat in Seat:
            self._leave(seat)

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
        for seat, report in self.seats.items():
            self.seats[seat] = replace(report, path=order.mount(seat))
        ports = (f"{order.jack_client}:input_{n}" for n in (1, 2))
        self._show(**dict.fromkeys(ports, False))

    def _leave(self, seat: Seat) -> None:
        report = self.seats[seat]
        if report.path is not None and report.state is SourceState.LIVE:
            self._radio.drop(report.path)
        self.seats[seat] = replace(report, state=SourceState.WAITING)

    def _take_lease(self, lease: Lease) -> None:
        report = self.seats[lease.seat]
        live = report.state is SourceState.LIVE
        if self.order is None or live or lease.grant <= report.grant:
            return
        label = HolderLabel(
            session=self.order.session,
            term=lease.term,
            host=self.order.host,
            role=lease.role,
        )
        description = describe(self.order.description, label)
        taken = self._radio.put(self.order.mount(lease.seat), description)
        self.seats[lease.seat] = replace(
            report,
            state=SourceState.LIVE if taken else SourceState.REFUSED,
            grant=lease.grant if taken else report.grant,
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
    """Processes that do what an agent waits for.

    Attributes:
        busy_ports: UDP ports that another program holds.
    """

    def __init__(
        self,
        bell: Bell,
        machine: FakeMachine,
        jack: FakeJackServer,
        radio: FakeIcecast,
        group: asyncio.TaskGroup,
    ) -> None:
        super().__init__(bell, machine)
        self._jack = jack
        self._radio = radio
        self._group = group
        self.busy_ports: set[str] = set()
        self.children: dict[ProcName, Child] = {}
        self._servers: dict[ProcName, SteeringServer] = {}

    async def spawn(self, plan: ProcPlan) -> ProcIdentity:
        identity = await super().spawn(plan)
        if plan.program is Program.JACKTRIP and self.busy_ports & set(plan.argv):
            self.write(plan.name, "Could not bind UDP socket. It may already be\n")
            asyncio.get_running_loop().call_later(0.1, self.end, plan.name, 255)
        elif plan.program is Program.JACKTRIP and isinstance(plan.ready, PortsAppear):
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
            self._group.create_task(_closed(server))
        client = f"{name}:"
        for port in self._jack.graph().ports:
            if port.startswith(client):
                self._jack.remove_port(port)


async def _closed(server: SteeringServer) -> None:
    """Close a child's socket; whoever was just let in ends too."""
    await server.__aexit__(None, None, None)
    # An accepted connection needs a few steps of the loop until it is served.
    for _ in range(5):
        await asyncio.sleep(0)
    await aeventually(lambda: not server._writers, within=2)
