"""The faults: each breaks one thing, as the world would, and some of them mend it.

A process is killed by its pid, a cable is pulled at the switch, a host stands still by
a signal to all of its processes, packets are lost by a neighbour that nobody is or by
the packet filter. Nothing here asks an agent to do anything.
"""

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Final

import tests.support
from agent.adapters.jack_leftovers import drop_dead_metadata
from sessiond.cli.lab import LabHost, Program
from tests.support.eventually import eventually
from tests.support.jackhost import start_phones
from tests.support.jam import ICECAST_PORT, PERIOD, RATE, SINES

# Where Debian keeps the library that `faketime` preloads.
_LIBRARY: Final = "usr/lib/*/faketime/libfaketimeMT.so.1"


def pids_with(host: LabHost, *words: str) -> list[int]:
    """Return the processes of a host that have each of these words as an argument.

    The program's name counts as one, without its folder.
    """
    wanted = frozenset(words)
    return [pid for pid in sorted(host.processes()) if wanted <= _arguments(pid)]


def _arguments(pid: int) -> frozenset[str]:
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return frozenset()
    program, *others = raw.decode(errors="replace").split("\0")
    return frozenset((program.rpartition("/")[2], *others))


def signal_those(
    host: LabHost, *words: str, number: signal.Signals = signal.SIGKILL
) -> list[int]:
    """Send a signal to the processes of a host with all of these words; some exist."""
    pids = pids_with(host, *words)
    assert pids, f"{host.name} runs no {' '.join(words)}"
    for pid in pids:
        os.kill(pid, number)
    return pids


def pause(host: LabHost) -> None:
    """Have every process of a host stand still; its network answers nobody then."""
    host.signal_all(signal.SIGSTOP)


def resume(host: LabHost) -> None:
    """Undo `pause`."""
    host.signal_all(signal.SIGCONT)


def part(one: LabHost, *others: LabHost) -> None:
    """Lose all that a host and the others send to each other, and nothing else."""
    for other in others:
        one.one_way_loss(other)
        other.one_way_loss(one)


def join(one: LabHost, *others: LabHost) -> None:
    """Undo `part`."""
    for other in others:
        one.end_one_way_loss(other)
        other.end_one_way_loss(one)


def lose(host: LabHost, percent: int) -> None:
    """Lose so many of the packets that come to a host, at random."""
    rule = f"iifname eth0 numgen random mod 100 < {percent} drop"
    host.run(("nft", "add", "table", "inet", "lossy"))
    hook = "{ type filter hook input priority 0; }"
    host.run(("nft", "add", "chain", "inet", "lossy", "input", hook))
    host.run(("nft", "add", "rule", "inet", "lossy", "input", *rule.split()))


def lose_no_more(host: LabHost) -> None:
    """Undo `lose`."""
    host.run(("nft", "delete", "table", "inet", "lossy"))


def feeds(host: LabHost, port: int = ICECAST_PORT) -> bool:
    """Tell whether a source process of a host holds a connection to Icecast."""
    filters = ("state", "established", f"( dport = :{port} )")
    listing = host.run(("ss", "-Htnp", *filters))
    sources = pids_with(host, "agent.source")
    return any(f"pid={pid}," in listing for pid in sources)


def start_icecast_again(station: LabHost) -> Program:
    """Start a killed Icecast as its owner would; it takes calls on return.

    Whoever calls too early may crash it (field notes), and then it is started again.
    """
    config = station.folder / "icecast.xml"

    def listens() -> Program | None:
        icecast = station.spawn(("icecast2", "-c", str(config)))
        eventually(lambda: icecast.exit_code is not None or _calls(station), within=5.0)
        return icecast if icecast.exit_code is None else None

    started = eventually(listens, within=15.0)
    assert started is not None
    return started


def _calls(station: LabHost) -> bool:
    try:
        station.connect(station.address, ICECAST_PORT).close()
    except OSError:
        return False
    return True


def audio_again(host: LabHost, back: Callable[[], None] = lambda: None) -> None:
    """Start what a musician starts after a crash of JACK.

    Args:
        host: Its JACK server is gone.
        back: Called when JACK is there again.
    """
    for word in ("sessiond.cli.lab.player", "tests.support.jackhost"):
        if pids_with(host, word):
            signal_those(host, word)
    jack_may_start(host)
    host.start_jackd(RATE, PERIOD)
    back()
    host.start_player("--sine", str(SINES[host.name]))
    start_phones(host)


def jack_may_start(host: LabHost) -> None:
    """Clear away what a killed JACK server would let the next one wait on."""
    # JACK takes the name of a dead server only once its parent knows of the death.
    host.reap()
    drop_dead_metadata(host.shm)


class WallClock:
    """A host's wall clock, for the programs that are started with `env`.

    Python's is stepped by `tests.support.stepped`, FFmpeg's by libfaketime; nobody's
    monotonic clock is touched.
    """

    def __init__(self, host: LabHost) -> None:
        self._file = host.folder / "clock"
        self.set_off(0)
        programs = host.folder / "stepped"
        programs.mkdir()
        (library,) = Path("/").glob(_LIBRARY)
        ffmpeg = programs / "ffmpeg"
        ffmpeg.write_text(
            f"#!/bin/sh\nexport LD_PRELOAD={library} FAKETIME_NO_CACHE=1\n"
            f"export FAKETIME_DONT_FAKE_MONOTONIC=1\n"
            f"export FAKETIME_TIMESTAMP_FILE={self._file}\n"
            f'exec {shutil.which("ffmpeg")} "$@"\n'
        )
        ffmpeg.chmod(0o755)
        here = Path(tests.support.__file__).parent
        path = os.environ.get("PYTHONPATH", "")
        self.env = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": f"{here / 'stepped'}:{path}".rstrip(":"),
            "STEPPED_CLOCK": str(self._file),
        }

    def set_off(self, seconds: int) -> None:
        """Have the clock show this much more than the true time, from now on."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds:+d}")
        new.rename(self._file)
