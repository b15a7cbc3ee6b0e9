"""How long a sound takes over a link and back: `jack_iodelay`, and a loop far away.

    python -m tests.support.roundtrip

runs the loop: a JACK client `loop` that passes what comes to `loop:in` on to
`loop:out`. The meter is the client `jack_delay` with the ports `in` and `out`.
"""

import re
import statistics
import sys
import threading
from typing import Final

import jack

from sessiond.cli.lab import LabHost, Program
from tests.support.eventually import eventually

METER: Final = ("jack_delay:out", "jack_delay:in")
LOOP: Final = ("loop:out", "loop:in")
"""What each end sends, and what it is sent: an agent's input and output."""

# Four reports a second; "Signal below threshold" is another line.
_REPORT: Final = re.compile(r"^\s*([0-9.]+) frames .*total roundtrip", re.MULTILINE)
_REPORTS: Final = 6


def start_meter(host: LabHost) -> Program:
    """Start the meter; it writes line by line, although to a file."""
    return host.spawn(("stdbuf", "-oL", "jack_iodelay"), log="meter")


def start_loop(host: LabHost) -> Program:
    """Start the far end's loop."""
    return host.spawn((sys.executable, "-m", "tests.support.roundtrip"), log="loop")


def reports(meter: Program) -> list[float]:
    """Return every round trip measured so far, frames."""
    return [float(frames) for frames in _REPORT.findall(meter.text)]


def round_trip(meter: Program) -> float:
    """Return the round trip from now on, frames: the median of some reports."""
    before = len(reports(meter))

    def fresh() -> list[float]:
        found = reports(meter)[before:]
        return found if len(found) >= _REPORTS else []

    return statistics.median(eventually(fresh, within=20))


def _loop() -> None:
    """Pass a sound through for ever."""
    client = jack.Client("loop", no_start_server=True)
    source = client.inports.register("in")
    sink = client.outports.register("out")

    @client.set_process_callback  # type: ignore[untyped-decorator]
    def copy(_frames: int) -> None:
        sink.get_buffer()[:] = source.get_buffer()

    client.activate()
    threading.Event().wait()


if __name__ == "__main__":
    _loop()
