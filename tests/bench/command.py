"""How long `sessiond status` takes as a whole process; bare interpreters beside it."""

import subprocess
import sys
import time
from typing import Final

from tests.bench.figures import Row, spread
from tests.bench.stage import create, rest, staged
from tests.support.eventually import eventually
from tests.support.jam import Jam

HOSTS: Final = ("alice", "bob", "carol")


def _status(jam: Jam) -> float:
    began = time.monotonic()
    said = jam.operate(HOSTS[0], "status")
    took = time.monotonic() - began
    assert said.code == 0, said
    return took


def _python(line: str) -> float:
    began = time.monotonic()
    subprocess.run((sys.executable, "-c", line), check=True)
    return time.monotonic() - began


def measure(runs: int) -> list[Row]:
    """Return the command's row and those of what it can't do without."""
    ours, bare, needed = [], [], []
    with staged(*HOSTS) as (jam, file):
        create(jam, file)
        eventually(lambda: jam.status()["phase"] == "on-air", within=30)
        rest(3.0)
        for _ in range(runs):
            ours.append(_status(jam))
            bare.append(_python("pass"))
            needed.append(_python("import asyncio, click, grpc.aio"))
    return [
        Row(
            figure="sessiond status, whole process, 3 hosts",
            measured=spread(ours, "s"),
            goal="≤ 0.4 s",
            note=f"bare Python {spread(bare, 's')}; with click and grpc "
            f"imported {spread(needed, 's')}",
        )
    ]
