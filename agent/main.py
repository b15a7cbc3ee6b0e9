"""The composition root: the only place that builds adapters and opens the TaskGroup."""

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import structlog
from structlog.tracebacks import ExceptionDictTransformer

from agent.adapters.disk import DiskStore
from agent.adapters.ffmpeg import codecs
from agent.adapters.icecast import IcecastDoor
from agent.adapters.jack_graph import JackDoor
from agent.adapters.limits import raise_limit, write_no_core
from agent.adapters.mdns import MdnsDiscovery
from agent.adapters.monotonic import MonotonicClock, SystemWallClock
from agent.adapters.ntp import NtpDoor
from agent.adapters.os_procs import OsProcs, boot_id
from agent.admission import Admission
from agent.bell import TurnBell
from agent.belonging import Belonging
from agent.clock_watch import ClockWatch
from agent.config import load, own_address, read_studio
from agent.doctor import may_realtime
from agent.ending import Ending, start_in_place
from agent.entrance import Entrance
from agent.filler import filler_user
from agent.health_page import HealthPage
from agent.host import Host
from agent.identity import load_identity, station_label
from agent.join_port import JoinPort
from agent.keeping import load_kept
from agent.leftovers import end_children
from agent.network_watch import NetworkWatch
from agent.notify import READY, STOPPING, WATCHDOG, Notifier
from agent.observe import Observer
from agent.operator import Operator
from agent.page_feed import PageFeed
from agent.peering import Peering
from agent.present import Present
from agent.publish import Publisher
from agent.reconcile import Reconciler
from agent.records import adopt, keep_stored
from agent.reload import may_restart
from agent.roster import Roster
from agent.service import Service
from agent.sessions import Sessions
from agent.station import prepare_station, remove_station, station_folder
from agent.trust import Trust
from agent.unfailing import unfailing
from agent.watchdog import Watchdog
from sessiond.core.configfile import AgentConfig
from sessiond.core.spec import Codec
from sessiond.core.view import HostSetup
from sessiond.errors import Broken, SessiondError
from sessiond.places import AGENT_SOCKET
from sessiond.units import Seconds
from sessiond.version import VERSION
from sessiond.wire.health import HealthLine
from sessiond.wire.server import MOST_CONNECTIONS, open_server

# A planned hand-over may take this long before the agent goes anyway (interfaces.md).
HAND_OVER_LIMIT: Final = Seconds(3.0)
# Every process ends within 3 s of SIGTERM or is killed; two stages follow each other.
END_LIMIT: Final = Seconds(8.0)
# With a second to spare for the station and the last writes.
LOOK: Final = Seconds(0.1)

_EXAMPLE: Final = """example:
  sessiond-agent --config ~/.config/sessiond/agent.toml
"""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """What the shutdown needs of the running agent."""

    host: Host
    sessions: Sessions
    bell: TurnBell


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the agent until a signal ends it; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="sessiond-agent",
        description="The daemon of one host: finds its peers, links, mixes, streams.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="agent.toml")
    parser.add_argument("--reflection", action="store_true", help="gRPC reflection")
    parser.add_argument(
        "--end-children",
        action="store_true",
        help="end what an agent that is gone has left running, in order",
    )
    parser.add_argument("--version", action="version", version=VERSION)
    given = parser.parse_args(arguments)
    write_no_core()
    _set_up_logs()
    notifier = Notifier()
    try:
        config = load(given.config)
        if given.end_children:
            asyncio.run(end_children(config))
            return 0
        ending = asyncio.run(_run(config, given, notifier))
    except SessiondError as e:
        return _complain(e)
    except ExceptionGroup as e:
        # What fails while the agent is put together comes out of its task group.
        return _complain(_only(e))
    if ending.again:
        words = sys.argv[1:] if arguments is None else list(arguments)
        start_in_place(words, notifier.taken, ending.late)
    return 0


def _only(group: ExceptionGroup[Exception]) -> SessiondError:
    """Return a group's one error if it is for a person; else raise the group."""
    match group.exceptions:
        case (SessiondError() as error,):
            return error
        case (ExceptionGroup() as inner,):
            return _only(inner)
        case _:
            raise group


def _complain(error: SessiondError) -> int:
    print(f"sessiond-agent: {error.sentence}", file=sys.stderr)  # noqa: T201
    if error.hint:
        print(f"hint: {error.hint}", file=sys.stderr)  # noqa: T201
    return error.exit_code


def _set_up_logs() -> None:
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.ExceptionRenderer(
                # A frame's local variables may hold passwords.
                ExceptionDictTransformer(show_locals=False)
            ),
            structlog.processors.KeyValueRenderer(key_order=["timestamp", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=unfailing()),
    )


async def _run(
    config: AgentConfig, given: argparse.Namespace, notifier: Notifier
) -> Ending:
    """Run the agent until a signal; returns what that asked for."""
    loop = asyncio.get_running_loop()
    bell = TurnBell(loop)
    store = DiskStore(Path(config.state_dir))
    store.lock()
    ending = Ending(loop, partial(may_restart, given.config, config, notifier))
    async with AsyncExitStack() as stack:
        stack.callback(store.close)
        studio = read_studio(config, given.config)
        host, procs = await _build_host(config, store, bell, studio)
        stack.callback(procs.close)
        icecast = await stack.enter_async_context(IcecastDoor())
        jack = JackDoor(config.audio.jack_server, bell)
        stack.push_async_callback(jack.close)
        trust = Trust(host)
        roster = Roster(host=host, trust=trust, bell=bell)
        stack.push_async_callback(roster.close)
        await _discover(host, roster, stack)
        group = await stack.enter_async_context(asyncio.TaskGroup())
        wall = SystemWallClock()
        sessions = Sessions(
            host=host,
            roster=roster,
            icecast=icecast,
            wall=wall,
            bell=bell,
            group=group,
        )
        publisher = Publisher(host=host, icecast=icecast, membership=sessions.current)
        present = Present(host, sessions.current)
        operator = Operator(
            now=present, roster=roster, icecast=icecast, join=sessions.join
        )
        belonging = Belonging(now=present, wall=wall, stop=operator.stop)
        join_port = JoinPort(
            host=host,
            admission=Admission(host=host, roster=roster, belonging=belonging),
            has_session=sessions.goes_on,
            on_fault=_note_fault,
        )
        stack.push_async_callback(join_port.close)
        service = Service(
            host=host,
            roster=roster,
            operator=operator,
            belonging=belonging,
            entrance=Entrance(now=present, join=sessions.join, depart=sessions.depart),
            join_port=join_port,
            publisher=publisher,
            bell=bell,
            membership=sessions.current,
            depart=sessions.depart,
        )
        peering = Peering(
            host=host,
            roster=roster,
            publisher=publisher,
            wall=wall,
            bell=bell,
            membership=sessions.current,
            join=sessions.join,
            belonging=belonging,
        )
        observer = Observer(
            clock=host.clock,
            procs=procs,
            jack=jack,
            run_folder=Path(host.setup.run_folder),
            sources=lambda: host.sources,
            mounts=lambda: host.mounts,
        )
        reconciler = Reconciler(
            host=host,
            observer=observer,
            procs=procs,
            jack=jack,
            bell=bell,
            namesakes=roster.namesakes,
            shut_out_by=roster.shut_out_by,
            prepare_station=lambda: prepare_station(host),
            remove_station=lambda: remove_station(host),
            publish=publisher.ring,
            sources_changed=sessions.look_at_sources,
        )
        await sessions.go_on()
        server = await open_server(
            [config.listen, f"unix:{Path(config.state_dir) / AGENT_SOCKET}"],
            identity=host.identity,
            trust=trust,
            agent=service,
            membership=service,
            peer=peering,
            on_fault=_note_fault,
            reflection=given.reflection,
            # Two listeners may leave us no fewer than half of them.
            most_connections=min(MOST_CONNECTIONS, raise_limit() // 4),
        )
        stack.push_async_callback(server.close)
        trust.tell(server.trust_changed, join_port.look)
        health = HealthPage(
            listen=config.health.listen, host=host, status=publisher.status
        )
        tasks = [
            group.create_task(endless)
            for endless in (
                health.run(),
                reconciler.run(),
                roster.run(),
                join_port.run(),
                keep_stored(host, bell),
                PageFeed(host=host, status=publisher.status).run(),
                *_watches(host, bell, ending),
            )
        ]
        _log.info("agent.ready", name=host.name, id=host.id, listen=config.listen)
        notifier.tell(READY, WATCHDOG, "STATUS=")
        if (period := notifier.watchdog) is not None:
            line = HealthLine(f"unix:{Path(config.state_dir) / AGENT_SOCKET}")
            stack.push_async_callback(line.close)
            watchdog = _watchdog(period, host, sessions, line, notifier)
            tasks.append(group.create_task(watchdog.run()))
        await ending.wait()
        if not ending.again:
            notifier.tell(STOPPING)
            await _end(_Parts(host=host, sessions=sessions, bell=bell))
        await sessions.close()
        for task in tasks:
            task.cancel()
    return ending


def _watches(
    host: Host, bell: TurnBell, ending: Ending
) -> Iterator[Coroutine[None, None, None]]:
    yield ClockWatch(host=host, ntp=NtpDoor(host.clock), bell=bell).run()
    yield NetworkWatch(
        advertised=host.config.advertise,
        own_address=own_address,
        begin_again=ending.begin_again,
    ).run()


def _watchdog(
    period: Seconds,
    host: Host,
    sessions: Sessions,
    line: HealthLine,
    notifier: Notifier,
) -> Watchdog:
    def elector_due() -> Seconds | None:
        membership = sessions.current()
        return None if membership is None else membership.elector.due

    return Watchdog(
        period=period,
        clock=host.clock,
        turns=lambda: host.turns,
        elector_due=elector_due,
        server=line,
        feed=lambda: notifier.tell(WATCHDOG),
    )


async def _build_host(
    config: AgentConfig, store: DiskStore, bell: TurnBell, studio: bytes
) -> tuple[Host, OsProcs]:
    run_folder = store.folder("run")
    identity = load_identity(store, config.name)
    label = station_label(store) or identity.id
    procs = OsProcs(store.folder("log"), bell)
    setup = HostSetup(
        name=config.name,
        audio=config.audio,
        python=sys.executable,
        run_folder=str(run_folder),
        station_folder=str(station_folder(run_folder, label)),
        may_realtime=may_realtime(),
        silence=config.health.silence,
        keeps=config.station,
        filler_user=filler_user() if config.station else "",
        is_root=os.geteuid() == 0,
    )
    host = Host(
        config=config,
        identity=identity,
        setup=setup,
        clock=MonotonicClock(),
        store=store,
        boot_id=boot_id(),
        studio=studio,
        codecs_missing=await _codecs_missing(),
        kept=load_kept(config, store),
    )
    host.lifecycles = adopt(store, procs)
    return host, procs


async def _codecs_missing() -> frozenset[Codec]:
    try:
        return frozenset(Codec) - await codecs()
    except Broken:
        return frozenset(Codec)


async def _discover(host: Host, roster: Roster, stack: AsyncExitStack) -> None:
    """Join mDNS where it is on and possible; static peers do without."""
    if not host.config.mdns:
        return
    loop = asyncio.get_running_loop()

    def look() -> None:
        loop.call_soon_threadsafe(roster.look)

    discovery = MdnsDiscovery(host.name, host.id, host.config.address, look, VERSION)
    try:
        await discovery.open()
    except SessiondError as e:
        _log.warning("mdns.off", why=e.sentence)
        return
    stack.push_async_callback(discovery.close)
    roster.discovery = discovery


async def _end(parts: _Parts) -> None:
    """Hand over, then end everything that this agent runs, in order."""
    membership = parts.sessions.current()
    if membership is not None and membership.leads() and not membership.is_over:
        with suppress(SessiondError, TimeoutError):
            async with asyncio.timeout(HAND_OVER_LIMIT):
                await membership.hand_over(None)
    parts.host.leaving = True
    pause = TurnBell(asyncio.get_running_loop())
    with suppress(TimeoutError):
        async with asyncio.timeout(END_LIMIT):
            while parts.host.lifecycles or parts.host.plan.procs:
                parts.bell()
                await pause.wait(LOOK)
    remove_station(parts.host)


def _note_fault(method: str, error: Exception) -> None:
    _log.error("call.fault", method=method, exc_info=error)
