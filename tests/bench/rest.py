"""What an agent takes while a session just goes on; an idle asyncio and gRPC beside it.

Processor time is the kernel's count (user and system) over the given time, as a share
of one core. USS is the memory that would be free without the process.
"""

import argparse
import asyncio
import sys
from collections import defaultdict
from dataclasses import dataclass
from typing import Final

import grpc.aio
import psutil

from sessiond.cli.lab import Program
from tests.bench.figures import Row
from tests.bench.stage import create, rest, staged
from tests.support.eventually import eventually
from tests.support.jam import Jam, command_line

HOSTS: Final = ("alice", "bob", "carol")

# After this the last clock samples are taken and discovery has found everybody.
_SETTLED_AFTER: Final = 15.0

_PROGRAMS: Final = ("jackd", "jacktrip", "ffmpeg", "agent.mixdown", "agent.source")


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What a process took."""

    percent: float
    uss_mb: float
    descriptors: int

    def __str__(self) -> str:
        """Return it as a cell of the table."""
        return (
            f"{self.percent:.2f} % of a core, {self.uss_mb:.1f} MB, "
            f"{self.descriptors} descriptors"
        )


def spent(pid: int) -> float:
    """Return a process's processor time so far, seconds."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def _uses(pids: list[int], seconds: float) -> list[Use]:
    before = [spent(pid) for pid in pids]
    rest(seconds)
    after = [spent(pid) for pid in pids]
    return [
        _use(pid, (b - a) / seconds)
        for pid, a, b in zip(pids, before, after, strict=True)
    ]


def _use(pid: int, share: float) -> Use:
    process = psutil.Process(pid)
    return Use(
        percent=100 * share,
        uss_mb=process.memory_full_info().uss / 1e6,
        descriptors=process.num_fds(),
    )


def _children(jam: Jam, name: str) -> dict[int, str]:
    """Return the programs of a session on a host, by pid."""
    found = {}
    for pid in jam.lab.host(name).processes():
        line = command_line(pid)
        kinds = [p for p in _PROGRAMS if p in line.split(" --")[0]]
        if kinds:
            found[pid] = kinds[-1]
    return found


def _start_idle(jam: Jam) -> Program:
    host = jam.lab.host(HOSTS[-1])
    argv = (sys.executable, "-m", "tests.bench.rest", "--idle")
    program = host.spawn(argv, log="idle")
    eventually(lambda: "ready" in program.text, within=20)
    return program


def measure(seconds: float) -> list[Row]:
    """Return the rows of the leader, of its followers, of the floor and of the rest."""
    with staged(*HOSTS) as (jam, file):
        create(jam, file)
        idle = _start_idle(jam)
        rest(_SETTLED_AFTER)
        leader = jam.status()["leader"]
        order = [leader, *(name for name in HOSTS if name != leader)]
        children = _children(jam, leader)
        pids = [jam.agents[name].pid for name in order]
        uses = _uses([*pids, idle.pid, *children], seconds)
        agents, floor, others = uses[:3], uses[3], uses[4:]
    names = ("leader", "follower", "follower")
    rows = [
        Row(
            figure=f"agent at rest, {name}, 3 hosts, {seconds:g} s",
            measured=str(use),
            goal="≤ 1.5 %, ≤ 80 MB",
        )
        for name, use in zip(names, agents, strict=True)
    ]
    shares: dict[str, float] = defaultdict(float)
    for kind, use in zip(children.values(), others, strict=True):
        shares[kind] += use.percent
    told = ", ".join(f"{kind} {share:.1f} %" for kind, share in sorted(shares.items()))
    return [
        *rows,
        Row(figure="idle asyncio with a gRPC server", measured=str(floor)),
        Row(figure="beside the leader's agent", measured=told, note="all of each kind"),
    ]


async def _idle() -> None:
    server = grpc.aio.server()
    server.add_insecure_port("127.0.0.1:0")
    await server.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await server.wait_for_termination()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--idle", action="store_true", required=True)
    parser.parse_args()
    asyncio.run(_idle())
