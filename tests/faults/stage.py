"""The stage of a fault: a jam on the air, an audience, and what both have seen."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from sessiond.cli.lab import LabHost, Program
from sessiond.units import Seconds
from tests.faults.asking import status_of
from tests.faults.audience import Audience, Holding, Look, sources_on
from tests.faults.measure import (
    Shown,
    highest_term,
    kills_in,
    recovered_at,
    shared_in,
    silence_of,
    switches_in,
)
from tests.support.eventually import eventually, steadily
from tests.support.jam import ICECAST_PORT, Jam, jamming

PRIMARY: Final = "/mix.opus"
SECOND: Final = "/two.opus"
TRIO: Final = ("alice", "bob", "carol")
DUO: Final = TRIO[:2]

# Icecast hands a new listener this much of the past (BURST_SECONDS), once it has it; a
# player that joins earlier has less in hand than one in the middle of a show.
_BURST: Final = Seconds(5.0)

_WHOLE_WITHIN: Final = Seconds(40.0)

# Everything that comes after the fault comes within this, or it never comes.
SOON: Final = Seconds(30.0)


@dataclass(slots=True, kw_only=True)
class Stage:
    """A jam that is on the air with its audience.

    Attributes:
        jam: The hosts and what is asked of them.
        icecast: The station's server; a row that restarts it puts the new one here.
        mounts: The session's, the primary first.
        hot: Whether each of them has a standby mount.
        port: Icecast's own.
        seats: Holds the audience.
        audience: Listeners and look-out.
        first: The host that fed the primary mount when all was well.
        held: Its source there.
        term: The highest term then.
        broke_at: When the fault came, monotonic.
        counts_from: From when the recovery counts; the fault, unless a row sets it.
    """

    jam: Jam
    icecast: Program
    mounts: tuple[str, ...]
    hot: bool
    port: int
    seats: contextlib.ExitStack
    audience: Audience = field(init=False)
    first: str = ""
    held: Holding = field(init=False)
    term: int = 0
    broke_at: Seconds = Seconds(0.0)
    counts_from: Seconds = Seconds(0.0)

    def attend(self) -> None:
        """Have all be whole, let a new audience in, and count from now on."""
        began = time.monotonic()
        self.whole_again()
        eventually(self._on_the_air, within=_WHOLE_WITHIN)
        # Only where a burst is to cover something.
        wait = _BURST if self.hot else 0.0
        eventually(lambda: time.monotonic() - began >= wait, within=_BURST + 1.0)
        self.seats.close()
        seated = Audience(self.jam.station, self.mounts, self.port)
        self.audience = self.seats.enter_context(seated)
        self.held = eventually(self._on_the_air, within=_WHOLE_WITHIN)[PRIMARY]
        self.first = self.held.host
        self.term = highest_term(self.logs())
        self.breaks()

    def _on_the_air(self) -> Mapping[str, Holding]:
        """Return the sources of all mounts; fails while one is missing."""
        found = sources_on(self.jam.station, self.port)
        wanted = {standby_mount(path) for path in self.mounts} if self.hot else set()
        missing = wanted.union(self.mounts) - {
            p for p, held in found.items() if held.host
        }
        assert not missing, f"{sorted(missing)} lack a source: {found}"
        return found

    # --- who is who ---------------------------------------------------------------

    def host(self, name: str) -> LabHost:
        return self.jam.lab.host(name)

    @property
    def broadcaster(self) -> LabHost:
        """The host that was the broadcaster before the fault."""
        return self.host(self.first)

    @property
    def others(self) -> tuple[LabHost, ...]:
        """The musicians' hosts but that one, the standby first."""
        standby = status_of(self.broadcaster)["standby"]
        names = [name for name in self.jam.musicians if name != self.first]
        return tuple(map(self.host, sorted(names, key=lambda name: name != standby)))

    # --- the fault and what follows -------------------------------------------------

    def breaks(self) -> None:
        """Note that the fault comes now."""
        self.broke_at = self.counts_from = Seconds(time.monotonic())

    def cured(self) -> None:
        """Note that the recovery counts from now."""
        self.counts_from = Seconds(time.monotonic())

    def look(self) -> Look:
        """Return the look-out's newest look."""
        return self.audience.looks[-1]

    def holder(self) -> Holding | None:
        """Return who holds the primary mount, as the look-out last saw."""
        return (self.look().mounts or {}).get(PRIMARY)

    def await_recovery(self, within: float = SOON) -> Seconds:
        """Return how long it took until the primary mount had another source."""
        eventually(lambda: self._recovery() is not None, within=within)
        recovery = self._recovery()
        assert recovery is not None
        return recovery

    def _recovery(self) -> Seconds | None:
        at = recovered_at(self.audience.looks, PRIMARY, self.held, self.counts_from)
        return None if at is None else Seconds(at - self.counts_from)

    def since_cure(self) -> Seconds:
        """Return seconds since the fault, or since what the row counts from."""
        return Seconds(time.monotonic() - self.counts_from)

    def whole_again(self) -> None:
        """Return once all is as it was, in every living host's eyes."""
        eventually(partial(whole, self.jam), within=_WHOLE_WITHIN)

    def play_on(self, seconds: float) -> None:
        """Let the session play on."""
        ends = time.monotonic() + seconds
        eventually(lambda: time.monotonic() >= ends, within=seconds + 5.0)

    def keeps_source(self, during: float) -> None:
        """Fail unless the primary mount keeps its source for so long."""
        steadily(self._kept, during=during)

    def _kept(self) -> bool:
        assert self.holder() == self.held, self.look()
        return True

    def logs(self) -> list[str]:
        """Return each agent's log, those of earlier agents included."""
        return [agent.text for agent in self.jam.agents.values()]

    def shown(self, recovery: Seconds | None = None) -> Shown:
        """Return what came of the fault up to now.

        Args:
            recovery: Where it is not the primary mount's.
        """
        now = time.monotonic()
        ears = list(self.audience.ears.values())
        looks = list(self.audience.looks)
        log = self.icecast.text
        return Shown(
            silence=Seconds(max(silence_of(ear, now) for ear in ears)),
            gap=Seconds(float(max(ear.longest_gap for ear in ears))),
            dropped=any(ear.finished.is_set() for ear in ears),
            recovery=self._recovery() if recovery is None else recovery,
            switches=switches_in(looks, PRIMARY),
            terms=highest_term(self.logs()) - self.term,
            kills=kills_in(log),
            shared=shared_in(log),
        )


def whole(jam: Jam) -> bool:
    """Tell that all hosts are alive, all links up and all mounts live."""
    status = status_of(jam.lab.host(jam.musicians[0]))
    states = {
        *(host["state"] == "alive" for host in status["hosts"]),
        *(link["state"] == "up" for link in status["links"]),
        *(mount["state"] == "live" for mount in status["mounts"]),
    }
    assert states == {True}, status
    return True


def standby_mount(path: str) -> str:
    stem, dot, ending = path.rpartition(".")
    return f"{stem}-standby{dot}{ending}"


@contextlib.contextmanager
def staged(
    folder: Path,
    *musicians: str,
    standby: str = "hot",
    mounts: tuple[str, ...] = (PRIMARY,),
    broadcast: str = "",
    extra: Mapping[str, str] | None = None,
    prepare: Callable[[Jam], None] = lambda _: None,
) -> Iterator[Stage]:
    """Open a jam on the air, whole and heard for a while, until the block ends.

    Args:
        folder: Where everything goes.
        musicians: The hosts; each mount carries all of them.
        standby: As in the session file.
        mounts: The primary first.
        broadcast: Further lines of that table.
        extra: As `Jam.session_file` takes it.
        prepare: Called before anything is started.
    """
    with jamming(folder, *musicians) as jam:
        prepare(jam)
        jam.start_all()
        file = jam.session_file(
            dict.fromkeys(mounts, ("*",)),
            {
                # A busy machine answers time requests late.
                "clock": "warn_ms = 200\nfail_ms = 1000",
                "broadcast": f'standby = "{standby}"\n{broadcast}',
                **(extra or {}),
            },
        )
        icecast = jam.start_icecast(file)
        with playing(jam, file, icecast, mounts, hot=standby == "hot") as stage:
            yield stage


@contextlib.contextmanager
def playing(
    jam: Jam,
    file: Path,
    icecast: Program,
    mounts: tuple[str, ...],
    *,
    hot: bool,
    port: int = ICECAST_PORT,
) -> Iterator[Stage]:
    """Create the session and let the audience in once it has played for a while."""
    created = jam.operate(jam.musicians[0], "create", str(file))
    assert created.code == 0, created
    with contextlib.ExitStack() as seats:
        stage = Stage(
            jam=jam, icecast=icecast, mounts=mounts, hot=hot, port=port, seats=seats
        )
        stage.attend()
        yield stage
