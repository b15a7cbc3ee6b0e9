"""How long the second `./deploy/quickstart` takes: until it begins, and until it plays.

The first one installs what is missing, which is the packages' matter and not ours.
"""

import subprocess
import time
from pathlib import Path
from typing import Final

from tests.bench.figures import Row, spread
from tests.support.icecast import free_port

_SCRIPT: Final = Path(__file__).parents[2] / "deploy" / "quickstart"
_SECONDS_ON_AIR: Final = "3"


def _start() -> tuple[float, float]:
    """Return when the demo's first line came, and the first that says on the air."""
    argv = (str(_SCRIPT), f"--port={free_port()}", f"--for={_SECONDS_ON_AIR}")
    began = time.monotonic()
    times: dict[str, float] = {}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            took = time.monotonic() - began
            times.setdefault("begins", took)
            if line.startswith("On the air"):
                times.setdefault("plays", took)
    assert demo.returncode == 0, f"it ended with {demo.returncode}"
    return times["begins"], times["plays"]


def measure(runs: int) -> list[Row]:
    """Return the rows; whatever is missing is installed before the clock starts."""
    _start()
    begins, plays = zip(*(_start() for _ in range(runs)), strict=True)
    return [
        Row(
            figure="./deploy/quickstart once more, until the demo begins",
            measured=spread(begins, "s"),
            goal="≤ 3 s",
            note="installs nothing",
        ),
        Row(
            figure="the same, until all mounts of three hosts are on the air",
            measured=spread(plays, "s"),
            note="mounts live, links up, everybody heard",
        ),
    ]
