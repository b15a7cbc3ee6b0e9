"""What listeners cost: a crowd on two mounts of one Icecast, and through nginx.

All of the crowd is in this very process, on the same machine; what it costs itself is
in the notes.
"""

import asyncio
import os
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from agent.adapters.limits import raise_limit
from sessiond.core.spec import Codec, HostRef, MountSpec, SessionSpec
from sessiond.units import HostName, Kbps, MountPath, SessionName
from tests.bench.figures import Row
from tests.support.crowd import Crowd, crowd
from tests.support.edge import Edge, edge
from tests.support.eventually import asteadily
from tests.support.icecast import RealIcecast, icecast
from tests.support.sines import PLAIN, feeding


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """One line of the table."""

    count: int
    kbps: int
    tls: bool = False


SIZES: Final = (
    Size(count=0, kbps=128),
    Size(count=250, kbps=128),
    Size(count=500, kbps=128),
    Size(count=1000, kbps=128),
    Size(count=1000, kbps=320),
    Size(count=2000, kbps=128),
    Size(count=500, kbps=128, tls=True),
    Size(count=1000, kbps=128, tls=True),
)

# A sine leaves Vorbis little to say; this fills the bitrate, as dense music does.
_DENSE: Final = "anoisesrc=color=pink:sample_rate=48000:amplitude=0.5"

# Room for the largest crowd, each with two connections.
_DESCRIPTORS: Final = 16_000


def _spec(kbps: int) -> SessionSpec:
    return SessionSpec(
        name=SessionName("crowd"),
        hosts=(HostRef(name=HostName("alice")),),
        mounts=(
            MountSpec(
                path=MountPath("/mix.ogg"),
                codec=Codec.VORBIS,
                bitrate_kbps=Kbps(kbps),
            ),
            MountSpec(
                path=MountPath("/dj.mp3"), codec=Codec.MP3, bitrate_kbps=Kbps(kbps)
            ),
        ),
    )


def _seconds(pid: int) -> float:
    """Return the processor time of a process and, but for our own, its children."""
    times = [each.cpu_times() for each in _family(pid)]
    return sum(each.user + each.system for each in times)


def _megabytes(pid: int) -> float:
    return sum(each.memory_full_info().uss for each in _family(pid)) / 2**20


def _family(pid: int) -> list[psutil.Process]:
    one = psutil.Process(pid)
    return [one] if pid == os.getpid() else [one, *one.children(recursive=True)]


@asynccontextmanager
async def _station(size: Size, folder: Path) -> AsyncIterator[tuple[RealIcecast, Edge]]:
    async with AsyncExitStack() as stack:
        spec = _spec(size.kbps)
        for name in ("icecast", "nginx"):
            (folder / name).mkdir()
        server = await stack.enter_async_context(
            icecast(spec, PLAIN, folder / "icecast", listeners=max(800, size.count))
        )
        for mount in spec.mounts:
            await stack.enter_async_context(feeding(server, mount, 0, sound=_DENSE))
        front = await stack.enter_async_context(
            edge(folder / "nginx", server.port, streams=size.count + 1)
        )
        yield server, front


async def _measured(size: Size, folder: Path, seconds: float) -> Row:
    async with _station(size, folder) as (server, front):
        port, tls = (front.port, front.trust) if size.tls else (server.port, None)
        paths = [mount.path for mount in server.spec.mounts]
        async with crowd(port, paths, size.count, tls=tls) as here:
            # Until nobody is still being handed a burst.
            await asteadily(lambda: here.ended == 0, during=3)
            here.forget()
            return await _watched(size, here, _pids(size, server, front), seconds)


def _pids(size: Size, server: RealIcecast, front: Edge) -> dict[str, int]:
    assert server.child is not None
    pids = {"Icecast": server.child.pid}
    return pids | {"nginx": front.pid} if size.tls else pids


async def _watched(
    size: Size, here: Crowd, pids: dict[str, int], seconds: float
) -> Row:
    every = pids | {"the crowd": os.getpid()}
    received = here.received
    before = {what: _seconds(pid) for what, pid in every.items()}
    await asteadily(lambda: here.ended == 0, during=seconds)
    load = {
        what: (_seconds(pid) - before[what]) / seconds for what, pid in every.items()
    }
    costs = [
        f"{what} {load[what]:.1%} of a core, {_megabytes(pid):.0f} MB"
        for what, pid in pids.items()
    ]
    rate = (here.received - received) * 8 / seconds / 1e6
    measured = "; ".join((*costs, f"{rate:.0f} Mbit/s"))
    return _row(size, measured, here, load["the crowd"])


def _row(size: Size, measured: str, here: Crowd, own: float) -> Row:
    way = "through nginx with TLS" if size.tls else "from Icecast"
    figure = f"{size.count} listeners at {size.kbps} kbit/s, {way}"
    if not size.count:
        return Row(figure=figure, measured=measured)
    gaps = here.gaps()
    return Row(
        figure=figure,
        measured=measured,
        goal="no gap: ≤ 2 s",
        note=f"longest time without a byte {gaps[-1]:.2f} s, of most "
        f"{statistics.median(gaps):.2f} s; {here.ended} dropped; all in after "
        f"{here.arrived_in:.1f} s; the crowd itself {own:.0%} of a core",
    )


def measure(seconds: float) -> list[Row]:
    """Return a row for each size; a third of the time for each."""
    raise_limit(_DESCRIPTORS)
    rows = []
    for size in SIZES:
        with tempfile.TemporaryDirectory(prefix="sessiond-bench-") as name:
            folder = Path(name)
            # nginx becomes another user.
            folder.chmod(0o755)
            row = asyncio.run(_measured(size, folder, seconds / 3))
        sys.stderr.write(f"{row.figure}: {row.measured} {row.note}\n")
        rows.append(row)
    return rows
