"""What we add to the latency of a bare JackTrip link: the round trip in frames.

`jack_iodelay` on one host and a loop on the other, always the same two; between them
first a link started by hand, then one that two agents make and wire, again and again.
The servers keep their phase, so what is left is JackTrip's own start, which differs by
up to a period each time: hence medians of several links.
"""

import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from sessiond.cli.lab import LabHost, Program
from sessiond.core.argv import jacktrip_argv
from sessiond.core.spec import LinkSettings
from sessiond.units import Frames, Hertz, HostName, UdpPort
from tests.bench.figures import Row, spread
from tests.bench.stage import rest
from tests.support.eventually import eventually
from tests.support.jam import SESSION, Jam, jamming
from tests.support.roundtrip import LOOP, METER, round_trip, start_loop, start_meter

PERIOD: Final = Frames(128)
NEAR: Final = "alice"
FAR: Final = "bob"
_SETTINGS: Final = LinkSettings(channels=1)
_PORT: Final = UdpPort(4464)

_INPUTS: Final = {NEAR: METER[0], FAR: LOOP[0]}
_OUTPUTS: Final = {NEAR: METER[1], FAR: LOOP[1]}

_SESSION_FILE: Final = f"""\
name = "{SESSION}"
hosts = ["{NEAR}", "{FAR}"]
[links]
channels = 1
"""

# A link's queue has found its level after three seconds; then reports count.
_SETTLED_AFTER: Final = 3.0


def _round_trip(meter: Program) -> float:
    """Return the round trip once the link has settled."""
    rest(_SETTLED_AFTER)
    return round_trip(meter)


def _bare(jam: Jam, meter: Program) -> float:
    """Measure a link between two JackTrips that were started by hand."""
    near, far = jam.lab.host(NEAR), jam.lab.host(FAR)
    sides = [_jacktrip(near, FAR, None), _jacktrip(far, NEAR, near.address)]
    for name, peer in ((NEAR, FAR), (FAR, NEAR)):
        _wire(jam.lab.host(name), _INPUTS[name], f"bare-{peer}:send_1")
        _wire(jam.lab.host(name), f"bare-{peer}:receive_1", _OUTPUTS[name])
    took = _round_trip(meter)
    for side in sides:
        side.stop()
    return took


def _jacktrip(host: LabHost, peer: str, server: str | None) -> Program:
    argv = jacktrip_argv(HostName(peer), server, _PORT, _SETTINGS)
    # Under our own name for it the agents would take the wires away.
    return host.spawn(tuple(word.replace("link-", "bare-") for word in argv))


def _wire(host: LabHost, source: str, destination: str) -> None:
    def made() -> bool:
        ports = host.run(("jack_lsp",)).split()
        if {source, destination} <= set(ports):
            host.run(("jack_connect", source, destination))
            return True
        return False

    eventually(made, within=10)


def _ours(jam: Jam, meter: Program, file: Path) -> float:
    """Measure a link that two agents make."""
    said = jam.operate(NEAR, "create", str(file))
    assert said.code == 0, said
    took = _round_trip(meter)
    said = jam.operate(NEAR, "stop", SESSION)
    assert said.code == 0, said
    for name in jam.musicians:
        eventually(_silent(jam, name), within=20)
    return took


def _silent(jam: Jam, name: str) -> Callable[[], bool]:
    return lambda: not jam.ours_on(name)


def _start(jam: Jam) -> Program:
    """Start audio and agents; returns the meter."""
    for name in jam.musicians:
        host = jam.lab.host(name)
        host.start_jackd(Hertz(48000), PERIOD)
        audio = {"inputs": [_INPUTS[name]], "outputs": [_OUTPUTS[name]]}
        jam.start_agent(name, {"audio": {**audio, "jack_server": "default"}})
    meter = start_meter(jam.lab.host(NEAR))
    start_loop(jam.lab.host(FAR))
    jam.await_agents(jam.musicians)
    return meter


def measure(runs: int) -> list[Row]:
    """Return the rows of the bare link, of ours and of the difference."""
    bare: list[float] = []
    ours: list[float] = []
    with (
        tempfile.TemporaryDirectory(prefix="sessiond-bench-") as folder,
        jamming(Path(folder), NEAR, FAR) as jam,
    ):
        file = Path(folder) / "session.toml"
        file.write_text(_SESSION_FILE)
        meter = _start(jam)
        for _ in range(runs):
            bare.append(_bare(jam, meter))
            ours.append(_ours(jam, meter, file))
    added = statistics.median(ours) - statistics.median(bare)
    return [
        Row(
            figure=f"latency added to a bare JackTrip link at {PERIOD} frames",
            measured=f"{added:.0f} frames",
            goal="0 frames",
            note=f"round trip {spread(ours, 'frames', 0)}; bare "
            f"{spread(bare, 'frames', 0)}",
        )
    ]
