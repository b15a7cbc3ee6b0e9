"""How long the mix-down's process callback takes, and the same loop in C beside it.

    python -m tests.bench.mixdown [--seconds 30]

A JACK server of its own (dummy, real-time, 128 frames) in its own mount namespace;
a C client plays noise into all 64 inputs. First the mix-down process mixes for the
given time, then a C client (`mixdown.c`, gcc -O2, also a JACK client) does the same
for the same time. Beside each, a timer above JACK's priority shows how late this
machine wakes anybody: no xrun count can be better than that.

Callback times are from the callback's first to its last line; they leave out how long
Python's lock takes to get, which the xruns and JACK's own load do not.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.mixdown.messages import FORGET, REPORT, order_request, report_from_json
from agent.steering import Json, ask
from sessiond.core.mixmatrix import MixOrder, MixReport
from sessiond.units import Decibels, HostName, Seconds
from tests.support.eventually import eventually

SERVER: Final = "mixbench"
STRIPS: Final = 32
BUSES: Final = 4
PERIOD_FRAMES: Final = 128
PERIOD_US: Final = PERIOD_FRAMES / 48000 * 1e6
GOAL_US: Final = PERIOD_US / 10

Figure = tuple[str, str, str]
"""What was measured, what came out, and the goal (empty where there is none)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One measured run of a mix loop; times in microseconds."""

    p50: int
    p99: int
    longest: int
    xruns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """The namespace with the JACK server, and the compiled C programs."""

    folder: Path
    jackd: int
    program: Path

    def start(self, *argv: str) -> subprocess.Popen[str]:
        target = ("--target", str(self.jackd), f"--wd={Path.cwd()}")
        return subprocess.Popen(
            ("nsenter", "--mount", *target, *argv),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | {"JACK_DEFAULT_SERVER": SERVER},
        )

    def run(self, *argv: str) -> str:
        return self.start(*argv).communicate()[0]

    @contextmanager
    def running(self, *argv: str) -> Iterator[subprocess.Popen[str]]:
        proc = self.start(*argv)
        try:
            yield proc
        finally:
            proc.terminate()
            proc.wait(10)
            if proc.stdout is not None:
                proc.stdout.close()


@contextmanager
def _bench() -> Iterator[Bench]:
    with tempfile.TemporaryDirectory(prefix="mixbench") as folder, ExitStack() as stack:
        program = Path(folder) / "mixdown"
        source = Path(__file__).with_suffix(".c")
        subprocess.run(
            ("gcc", "-O2", "-o", program, source, "-l:libjack.so.0", "-lm"), check=True
        )
        serve = (
            "mount -t tmpfs tmpfs /dev/shm && "
            f"exec jackd --name {SERVER} -R -P 70 -d dummy -r 48000 -p {PERIOD_FRAMES}"
        )
        jackd = subprocess.Popen(
            ("unshare", "--mount", "--propagation", "private", "sh", "-c", serve),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"JACK_NO_AUDIO_RESERVATION": "1"},
        )
        stack.callback(jackd.wait)
        stack.callback(jackd.terminate)
        bench = Bench(folder=Path(folder), jackd=jackd.pid, program=program)
        eventually(lambda: "system:playback_1" in bench.run("jack_lsp"), within=10.0)
        player = stack.enter_context(
            bench.running(str(program), "play", SERVER, "player")
        )
        _wait_ready(player)
        yield bench


def _wait_ready(proc: subprocess.Popen[str]) -> None:
    assert proc.stdout is not None
    assert proc.stdout.readline() == "ready\n"


def _wire(bench: Bench, client: str, strip: str, first: int) -> None:
    wires = (
        f"jack_connect player:out {client}:{strip}{n}_{side}"
        for n in range(first, first + STRIPS)
        for side in (1, 2)
    )
    bench.run("sh", "-ec", "; ".join(wires))


def _rest(seconds: float) -> None:
    """Let the programs run undisturbed."""
    ends = time.monotonic() + seconds
    eventually(lambda: time.monotonic() >= ends, within=seconds + 5)


def _python(bench: Bench, seconds: float) -> tuple[Run, str]:
    """Return the mix-down's run, and how late this machine's timer was meanwhile."""
    door = bench.folder / "mixdown.sock"
    argv = ("--name", "mixdown", "--socket", str(door), "--server", SERVER)
    with bench.running(sys.executable, "-m", "agent.mixdown", *argv):
        eventually(door.exists, within=10.0)
        _tell(door, order_request(_order()))
        eventually(lambda: _report(door).settled, within=5.0)
        _wire(bench, "mixdown", "host", 1)
        _rest(1.0)
        _tell(door, FORGET)
        late = bench.run(str(bench.program), "wake", str(seconds))
        report = _report(door)
    return Run(
        p50=report.callback_p50_us,
        p99=report.callback_p99_us,
        longest=report.callback_max_us,
        xruns=report.xruns,
    ), late.split()[1]


def _in_c(bench: Bench, seconds: float) -> tuple[Run, str]:
    """Return the same of the loop in C."""
    argv = ("mix", SERVER, "mixc", str(STRIPS), str(BUSES))
    with bench.running(str(bench.program), *argv) as proc:
        _wait_ready(proc)
        _wire(bench, "mixc", "strip", 0)
        late = bench.run(str(bench.program), "wake", str(seconds))
        proc.terminate()
        assert proc.stdout is not None
        _, p50, p99, longest, xruns = map(int, proc.stdout.readline().split())
    return Run(p50=p50, p99=p99, longest=longest, xruns=xruns), late.split()[1]


def _order() -> MixOrder:
    everyone = tuple(Decibels(-30.0) for _ in range(STRIPS))
    return MixOrder(
        strips=tuple(HostName(f"host{n}") for n in range(1, STRIPS + 1)),
        buses=tuple(f"mount{n}.ogg" for n in range(1, BUSES + 1)),
        gains_db=tuple(everyone for _ in range(BUSES)),
    )


def _tell(door: Path, request: Mapping[str, Json]) -> dict[str, Json]:
    return asyncio.run(ask(door, request, within=Seconds(5.0)))


def _report(door: Path) -> MixReport:
    return report_from_json(_tell(door, REPORT))


def _figures(who: str, run: Run, late: str, seconds: float) -> list[Figure]:
    goal = f"≤ {GOAL_US:.0f} µs (10 %)" if who == "mix-down" else ""
    times = (("p50", run.p50, ""), ("p99", run.p99, goal), ("max", run.longest, ""))
    return [
        *(
            (f"{who} callback {name}", f"{us} µs ({100 * us / PERIOD_US:.1f} %)", aim)
            for name, us, aim in times
        ),
        (f"{who} xruns in {seconds:g} s", str(run.xruns), "0" if goal else ""),
        (f"latest wake-up of a 1 ms timer beside {who}", f"{late} µs", ""),
    ]


def measure(seconds: float = 30.0) -> list[Figure]:
    """Return (figure, value, goal) rows; takes twice as long as `seconds` and a bit.

    Needs root, jackd with real-time rights, and gcc.
    """
    with _bench() as bench:
        python, late = _python(bench, seconds)
        in_c, late_c = _in_c(bench, seconds)
    size = f"{STRIPS} stereo strips × {BUSES} buses at {PERIOD_FRAMES} frames, -R"
    return [
        ("mix-down size", size, ""),
        *_figures("mix-down", python, late, seconds),
        *_figures("same loop in C", in_c, late_c, seconds),
    ]


def main() -> None:
    """Print the figures as a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=30.0)
    for figure, value, goal in measure(parser.parse_args().seconds):
        sys.stdout.write(f"{figure:48} {value:20} {goal}\n")


if __name__ == "__main__":
    main()
