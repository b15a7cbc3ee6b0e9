"""Real source processes, kept supplied with leases as an agent would."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from agent.source import steer
from sessiond.core.holder import Role
from sessiond.core.sourcing import (
    Seat,
    SeatReport,
    SourceOrder,
    SourceReport,
    SourceState,
    order_for,
)
from sessiond.core.spec import Codec, HostRef, MountSpec, SessionSpec
from sessiond.core.stamped import Secrets
from sessiond.errors import Unavailable
from sessiond.units import Hertz, HostName, Kbps, MountPath, SessionName, Term
from tests.support.beat import every
from tests.support.containers import moments
from tests.support.eventually import aeventually
from tests.support.icecast import RealIcecast
from tests.support.studio import Studio

PITCH = 440
PASSWORD = "a \"<b>&'c:d#@^%é"
MOUNTS = (
    MountSpec(path=MountPath("/mix.ogg"), codec=Codec.VORBIS, bitrate_kbps=Kbps(128)),
    MountSpec(path=MountPath("/dj2.opus"), codec=Codec.OPUS, bitrate_kbps=Kbps(96)),
    MountSpec(path=MountPath("/dj3.mp3"), codec=Codec.MP3, bitrate_kbps=Kbps(128)),
    MountSpec(path=MountPath("/dj3.flac"), codec=Codec.FLAC, bitrate_kbps=None),
)
SPEC = SessionSpec(
    name=SessionName("friday-jam"),
    hosts=(HostRef(name=HostName("alice")), HostRef(name=HostName("bob"))),
    mounts=MOUNTS,
)
SECRETS = Secrets(source=PASSWORD, admin="boss")


ROLES = {Seat.PRIMARY: Role.LEADER, Seat.HIDDEN: Role.STANDBY}


class RealSource:
    """One ``python -m agent.source`` that is kept supplied with leases.

    Attributes:
        grants: One for each seat that it has a lease for.
    """

    def __init__(
        self,
        child: asyncio.subprocess.Process,
        socket: Path,
        seats: tuple[Seat, ...],
    ) -> None:
        self.child = child
        self.socket = socket
        self.grants = dict.fromkeys(seats, 1)
        self.report = SourceReport()

    async def renew(self) -> None:
        """Renew the leases of all its seats; ask how it is."""
        with contextlib.suppress(Unavailable):
            for seat, grant in tuple(self.grants.items()):
                await steer.renew(
                    self.socket,
                    seat=seat,
                    term=Term(3),
                    role=ROLES[seat],
                    grant=grant,
                )
            self.report = await steer.report(self.socket)

    async def revoke(self, seat: Seat) -> None:
        """Take a seat's lease back, and give none until its grant is set again."""
        self.grants.pop(seat, None)
        self.report = await steer.revoke(self.socket, seat=seat)

    async def answers(self) -> bool:
        with contextlib.suppress(Unavailable):
            self.report = await steer.report(self.socket)
            return True
        return False

    def seat(self, seat: Seat = Seat.PRIMARY) -> SeatReport:
        """Return what it last said of a seat."""
        return self.report.primary if seat is Seat.PRIMARY else self.report.hidden

    def is_(
        self, state: SourceState, *, seat: Seat = Seat.PRIMARY
    ) -> Callable[[], bool]:
        def holds() -> bool:
            assert self.seat(seat).state is state, self.report
            return True

        return holds

    async def become(
        self, state: SourceState, *, seat: Seat = Seat.PRIMARY, within: float = 10
    ) -> SourceReport:
        """Wait until a seat is that far; the report is from then."""
        await aeventually(self.is_(state, seat=seat), within=within)
        return self.report


@contextlib.asynccontextmanager
async def source(
    order: SourceOrder,
    jack: Studio | None,
    folder: Path,
    *,
    password: str = PASSWORD,
    path: str | None = None,
    seats: tuple[Seat, ...] = (Seat.PRIMARY,),
) -> AsyncIterator[RealSource]:
    """Run a source process with this order until the block ends.

    Args:
        order: What it feeds.
        jack: Where it records; None for an FFmpeg that has no use for it.
        folder: For its socket and its log.
        password: Icecast's.
        path: Its ``PATH``, to take programs away.
        seats: Which leases it has from the beginning.
    """
    socket = folder / f"{order.host}{order.jack_client}.sock"
    with (folder / "source.log").open("ab") as log:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "agent.source", "--name", "source-x"),
            *("--socket", str(socket), "--server", jack.server if jack else "none"),
            env={**os.environ, "PATH": path or os.environ["PATH"]},
            stderr=log,
        )
    made = RealSource(child, socket, seats)
    try:
        await aeventually(made.answers, within=15)
        await steer.send_order(socket, order, password)
        async with every(0.1, made.renew):
            yield made
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.send_signal(signal.SIGTERM)
        await child.wait()


def order(mount: MountSpec, station: RealIcecast, host: str = "alice") -> SourceOrder:
    """Return a host's order for one of `MOUNTS`."""
    return order_for(
        mount,
        station=station.station,
        user="source",
        rate_hz=Hertz(48000),
        session=SPEC.name,
        host=HostName(host),
    )


def sound(body: bytes) -> float:
    """Return how many seconds of sound have come."""
    return sum(moment.duration for moment in moments(body))
