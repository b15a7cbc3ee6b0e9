"""Gather what is: processes, JACK's graph, logs of links, reports of children."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from agent.doors import Clock, Jack, Procs
from agent.mixdown.messages import REPORT, report_from_json
from agent.steering import ask
from sessiond.core.changes import Observed
from sessiond.core.jackgraph import JackGraph
from sessiond.core.lifecycle import SpawnFailed
from sessiond.core.linkstats import LinkSeen, read_log
from sessiond.core.mixmatrix import MixReport
from sessiond.core.onair import MountSeen
from sessiond.core.proc import ProcIdentity, ProcSeen
from sessiond.core.sourcing import SourceOrder, SourceReport
from sessiond.core.wires import MIXDOWN
from sessiond.errors import SessiondError
from sessiond.units import HostName, ProcName, Seconds

# A mix-down answers from memory in a millisecond; one that is starting does not at all.
REPORT_WITHIN: Final = Seconds(0.5)
LINK: Final = "link-"


class Observer:
    """Gathers one turn's `Observed`.

    Attributes:
        failed: Spawns that came to nothing; the reconciler writes it.
        ordered: What each source was told; forgotten with its process.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        procs: Procs,
        jack: Jack,
        run_folder: Path,
        sources: Callable[[], Mapping[ProcName, SourceReport]],
        mounts: Callable[[], tuple[MountSeen, ...] | None],
    ) -> None:
        self._clock = clock
        self._procs = procs
        self._jack = jack
        self._run_folder = run_folder
        self._sources = sources
        self._mounts = mounts
        self._links: dict[ProcName, LinkSeen] = {}
        self._read: dict[ProcName, int] = {}
        self._told_by: dict[ProcName, ProcIdentity] = {}
        self.failed: dict[ProcName, SpawnFailed] = {}
        self.ordered: dict[ProcName, SourceOrder] = {}

    def forget(self, name: ProcName) -> None:
        """Drop what was gathered of a process that has ended.

        What a link's log said stays until its next process: a busy port is to be
        told for as long as the link rests.
        """
        self.ordered.pop(name, None)

    async def gather(self) -> Observed:
        """Look at everything once; nothing here waits longer than a report."""
        procs = dict(self._procs.seen())
        failed, self.failed = self.failed, {}
        graph, mix = await asyncio.gather(self._look(), self._mix(procs))
        return Observed(
            procs=procs,
            graph=graph,
            failed=failed,
            links=self._read_links(procs),
            mix=mix,
            sources={n: r for n, r in self._sources().items() if n in procs},
            ordered=dict(self.ordered),
            mounts=self._mounts(),
        )

    async def _look(self) -> JackGraph | None:
        try:
            return await self._jack.look()
        except SessiondError:
            # No libjack here: the same as no server; `doctor` names the package.
            return None

    async def _mix(self, procs: Mapping[ProcName, ProcSeen]) -> MixReport | None:
        seen = procs.get(ProcName(MIXDOWN))
        socket = self._run_folder / f"{MIXDOWN}.sock"
        if seen is None or seen.exit_code is not None or not socket.exists():
            return None
        try:
            return report_from_json(await ask(socket, REPORT, within=REPORT_WITHIN))
        except SessiondError:
            return None

    def _read_links(
        self, procs: Mapping[ProcName, ProcSeen]
    ) -> Mapping[HostName, LinkSeen]:
        now = self._clock.now()
        for name, proc in procs.items():
            if not name.startswith(LINK):
                continue
            if self._told_by.get(name) != proc.identity:
                self._told_by[name] = proc.identity
                self._links[name], self._read[name] = LinkSeen(), 0
            text, offset = self._procs.read_log(name, self._read[name])
            self._links[name] = read_log(self._links[name], text, now)
            self._read[name] = offset
        return {
            HostName(name.removeprefix(LINK)): seen
            for name, seen in self._links.items()
        }
