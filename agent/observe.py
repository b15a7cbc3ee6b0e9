"""Gather what is: processes, JACK's graph, logs of links, reports of children."""

import asyncio
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any, Final

from agent.doors import Clock, Jack, Procs
from agent.mixdown.messages import REPORT, report_from_json
from agent.steering import ask
from sessiond.core.ear_messages import parse_sounds
from sessiond.core.earplan import EAR
from sessiond.core.hearing import MountSound, older
from sessiond.core.jackgraph import JackGraph
from sessiond.core.linkstats import LinkSeen, read_log
from sessiond.core.mixmatrix import MixReport
from sessiond.core.observed import Observed
from sessiond.core.onair import MountSeen
from sessiond.core.proc import ProcIdentity, ProcSeen
from sessiond.core.procsight import SpawnFailed
from sessiond.core.sourcing import SourceOrder, SourceReport
from sessiond.core.wires import MIXDOWN
from sessiond.errors import Refused, SessiondError
from sessiond.units import Frames, HostName, ProcName, Seconds

# Our own answer from memory in a millisecond; who is starting does not at all.
REPORT_WITHIN: Final = Seconds(0.5)
# What an ear says changes a little every tenth of a second; nobody acts on that.
HEAR_EVERY: Final = Seconds(0.9)
LINK: Final = "link-"
# JACK counts frames in 32 bits.
_WRAP: Final = 2**32


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
        self._last_words: dict[ProcName, SourceReport] = {}
        self._answered: dict[ProcName, ProcIdentity] = {}
        self._jack_moved = (0, clock.now())
        self._mixed_at = (0, 0)
        self._heard: tuple[Seconds, tuple[MountSound, ...]] | None = None
        self.failed: dict[ProcName, SpawnFailed] = {}
        self.ordered: dict[ProcName, SourceOrder] = {}

    def forget(self, name: ProcName) -> None:
        """Drop what was gathered of a process that has ended.

        What a link's log said stays until its next process: a busy port is to be
        told for as long as the link rests.
        """
        self.ordered.pop(name, None)
        # Whoever keeps the reports learns of the end later than the next start comes.
        report = self._sources().get(name)
        if report is not None:
            self._last_words[name] = report

    def keep_only(self, names: AbstractSet[ProcName]) -> None:
        """Drop what was gathered of all other processes; their peers may be gone."""
        known: tuple[dict[ProcName, Any], ...]
        known = (self._links, self._read, self._told_by, self._last_words)
        for one in known:
            for stranger in one.keys() - names:
                del one[stranger]

    async def gather(self) -> Observed:
        """Look at everything once; nothing here waits longer than a report."""
        procs = dict(self._procs.seen())
        failed, self.failed = self.failed, {}
        graph, mix = await asyncio.gather(self._look(), self._mix(procs))
        reports = self._reports(procs)
        return Observed(
            procs=procs,
            jack_still=self._jack_still(graph),
            mix_behind=self._mix_behind(graph, mix),
            deaf=await self._deaf(procs, reports),
            graph=graph,
            failed=failed,
            links=self._read_links(procs),
            mix=mix,
            sources=reports,
            ordered=dict(self.ordered),
            mounts=self._mounts(),
            sounds=await self._sounds(procs),
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

    async def _sounds(
        self, procs: Mapping[ProcName, ProcSeen]
    ) -> tuple[MountSound, ...] | None:
        """Return what the ear hears; asked once a second, however often turns come."""
        seen = procs.get(EAR)
        socket = self._run_folder / f"{EAR}.sock"
        if seen is None or seen.exit_code is not None or not socket.exists():
            self._heard = None
            return None
        now = self._clock.now()
        if self._heard is None or now - self._heard[0] >= HEAR_EVERY:
            try:
                answer = await ask(socket, REPORT, within=REPORT_WITHIN)
                self._heard = (now, parse_sounds(answer))
            except SessiondError:
                self._heard = None
                return None
        at, sounds = self._heard
        return tuple(older(sound, Seconds(now - at)) for sound in sounds)

    def _jack_still(self, graph: JackGraph | None) -> Seconds:
        """Return for how long JACK's own count of frames has stood still."""
        now = self._clock.now()
        before, since = self._jack_moved
        frame = graph.frame if graph else 0
        if not frame or frame != before:
            self._jack_moved = (frame, now)
            return Seconds(0)
        return Seconds(now - since)

    def _mix_behind(self, graph: JackGraph | None, mix: MixReport | None) -> Frames:
        """Return the frames that JACK has counted since the mix-down last mixed."""
        if graph is None or mix is None:
            return Frames(0)
        mixed, frame = self._mixed_at
        if mix.callbacks != mixed:
            self._mixed_at = (mix.callbacks, graph.frame)
            return Frames(0)
        return Frames((graph.frame - frame) % _WRAP)

    def _reports(
        self, procs: Mapping[ProcName, ProcSeen]
    ) -> Mapping[ProcName, SourceReport]:
        """Return what the sources that run now have reported."""
        reports = self._sources()
        return {
            name: report
            for name, report in reports.items()
            if name in procs and report is not self._last_words.get(name)
        }

    async def _deaf(
        self,
        procs: Mapping[ProcName, ProcSeen],
        answering: Mapping[ProcName, SourceReport],
    ) -> frozenset[ProcName]:
        """Return the sources that have answered before and don't now.

        Whoever renews their leases asks them anyway; only who did not answer there is
        asked once more.
        """
        for name in answering:
            self._answered[name] = procs[name].identity
        silent = [
            name
            for name, identity in self._answered.items()
            if name not in answering
            and name in procs
            and procs[name].identity == identity
            and procs[name].exit_code is None
        ]
        answers = await asyncio.gather(*(self._answers(name) for name in silent))
        return frozenset(n for n, told in zip(silent, answers, strict=True) if not told)

    async def _answers(self, name: ProcName) -> bool:
        socket = self._run_folder / f"{name}.sock"
        try:
            await ask(socket, REPORT, within=REPORT_WITHIN)
        except Refused:
            return True
        except SessiondError:
            return False
        return True

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
