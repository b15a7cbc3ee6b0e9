"""Ends what an agent left running, when it is not there to do so itself."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from signal import SIGKILL, SIGTERM
from typing import Final

import structlog

from agent.adapters.disk import DiskStore
from agent.adapters.os_procs import OsProcs
from agent.bell import TurnBell
from agent.doors import Procs
from agent.identity import station_label
from agent.records import PROCS, ProcRecords, adopt
from agent.station import remove_configuration, station_folder
from sessiond.core.configfile import AgentConfig
from sessiond.core.lifecycle import TERM_LIMIT
from sessiond.core.proc import Stage
from sessiond.units import ProcName, Seconds
from sessiond.wire.convert import encode

# Whoever is killed is gone within a few scheduler turns.
KILL_LIMIT: Final = Seconds(1.0)

_log = structlog.get_logger()


async def end_children(config: AgentConfig) -> tuple[ProcName, ...]:
    """End, in order, every process that an agent's records prove to be its own.

    Returns:
        What was found alive, in the order in which it was ended.

    Raises:
        Broken: An agent is running there, or the state folder can't be read.
        Unavailable: All has ended, but that could not be written down.
    """
    store = DiskStore(Path(config.state_dir))
    store.lock()
    bell = TurnBell(asyncio.get_running_loop())
    procs = OsProcs(store.folder("log"), bell)
    try:
        plans = [state.plan for state in adopt(store, procs).values()]
        ended: tuple[ProcName, ...] = ()
        for stage in sorted(Stage, reverse=True):
            names = tuple(plan.name for plan in plans if plan.stage is stage)
            await _end(names, procs, bell)
            ended += names
        label = station_label(store)
        if label is not None:
            remove_configuration(station_folder(store.folder("run"), label))
        if ended:
            store.save(PROCS, encode(ProcRecords()))
    finally:
        procs.close()
        store.close()
    _log.info("children.ended", procs=ended)
    return ended


async def _end(names: Iterable[ProcName], procs: Procs, bell: TurnBell) -> None:
    for number, limit in ((SIGTERM, TERM_LIMIT), (SIGKILL, KILL_LIMIT)):
        for name in names:
            procs.signal(name, number)
        with suppress(TimeoutError):
            async with asyncio.timeout(limit):
                while any(procs.seen()[name].exit_code is None for name in names):
                    await bell.wait(limit)
