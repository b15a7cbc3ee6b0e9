"""One host of the lab: what runs on it, what happens to its cable."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from sessiond.cli.lab import agentfile, network
from sessiond.cli.lab.agentfile import Tables
from sessiond.cli.lab.holder import network_of, pids_in
from sessiond.cli.lab.network import Outlet
from sessiond.cli.lab.programs import Program
from sessiond.cli.lab.waiting import until
from sessiond.errors import Unavailable
from sessiond.units import Frames, Hertz, Seconds

# What every program of a host is started with: no JACK server by accident, no
# search for a sound card's owner or for a screen, and Python's lines as they come.
_ENV: Final[Mapping[str, str]] = {
    "JACK_NO_START_SERVER": "1",
    "JACK_NO_AUDIO_RESERVATION": "1",
    "QT_QPA_PLATFORM": "offscreen",
    "PYTHONUNBUFFERED": "1",
}

# Killed processes leave within milliseconds unless the disk holds them.
_GONE_WITHIN: Final = Seconds(5.0)

# jackd takes clients after 0.1 s on an idle machine.
_JACK_WITHIN: Final = Seconds(5.0)


def may_use_realtime() -> bool:
    """Tell whether this user may schedule in real time, by trying it for a moment."""
    tried: list[bool] = []

    def attempt() -> None:
        low = os.sched_param(os.sched_get_priority_min(os.SCHED_FIFO))
        try:
            os.sched_setscheduler(threading.get_native_id(), os.SCHED_FIFO, low)
        except PermissionError:
            tried.append(False)
        else:
            tried.append(True)

    # Scheduling belongs to a thread, so it ends with this one.
    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    return tried == [True]


def _apart(holder: int) -> int:
    """Return a holder's network; raises Unavailable if it is nobody's but ours.

    Everything in that network is killed one day, so this is no formality.
    """
    held = network_of(holder)
    if held is None or held == network_of(os.getpid()):
        raise Unavailable("The lab could not make a network of its own.")
    return held


def _made_at(path: Path) -> int | None:
    """Return when a file was last made or changed, ns; None where there is none."""
    try:
        return path.stat().st_ctime_ns
    except FileNotFoundError:
        return None


class LabHost:
    """A computer of the lab, from the outside: its power switch, cable and console.

    Attributes:
        name: Its host name.
        address: Its IPv4 address in the lab, without a port.
        folder: Its logs, its state and whatever a test puts there.
        network: The inode of its network namespace.

    Args:
        outlet: Where its cable ends.
        holder: The process that holds its namespaces; it is ready.
        switch: The process that holds the switch's.
        studio: The file with the secret of the lab's studio, for its agent.
    """

    def __init__(
        self,
        name: str,
        *,
        outlet: Outlet,
        folder: Path,
        holder: int,
        switch: int,
        studio: Path,
    ) -> None:
        self.name = name
        self.address = outlet.address
        self.folder = folder
        self._outlet = outlet
        self._studio = studio
        self._holder = holder
        self._switch = switch
        self.network = _apart(holder)
        self._programs: list[Program] = []

    @property
    def state_dir(self) -> Path:
        """Where this host's agent keeps its state."""
        return self.folder / "state"

    @property
    def agent_socket(self) -> Path:
        """The Unix socket of this host's agent; reachable from outside the host."""
        return self.state_dir / "agent.sock"

    @property
    def shm(self) -> Path:
        """This host's ``/dev/shm``, as seen from outside."""
        return Path(f"/proc/{self._holder}/root/dev/shm")

    # --- programs ---------------------------------------------------------------

    def spawn(
        self,
        argv: tuple[str, ...],
        *,
        env: Mapping[str, str] | None = None,
        log: str | None = None,
    ) -> Program:
        """Start a program on this host, in the lab's own working folder.

        Args:
            argv: The program and its arguments.
            env: On top of the lab's own environment.
            log: The log's name in `folder`; the program's name by default.

        Raises:
            Broken: The program is not installed.
        """
        program = Program.start(
            argv,
            way=self._way_in(),
            env={**_ENV, **(env or {})},
            log=self.folder / f"{log or Path(argv[0]).name}.log",
        )
        self._programs.append(program)
        return program

    def run(self, argv: tuple[str, ...], *, within: Seconds = Seconds(10.0)) -> str:
        """Run a program on this host to its end and return what it wrote to stdout.

        Raises:
            CalledProcessError: It failed; holds what it wrote.
            TimeoutExpired: It ran longer than `within` seconds.
        """
        whole = (*self._way_in(), *argv)
        env = {**os.environ, **_ENV}
        done = subprocess.run(
            whole, env=env, timeout=within, capture_output=True, text=True, check=True
        )
        return done.stdout

    def _way_in(self) -> tuple[str, ...]:
        # nsenter lands in the root folder of the host's mounts.
        enter = ("nsenter", "-t", str(self._holder), "-n", "-m", "-u", "--")
        return (*enter, "env", "-C", str(Path.cwd()))

    def open_socket(
        self, kind: socket.SocketKind = socket.SOCK_STREAM
    ) -> socket.socket:
        """Return a new IPv4 socket of this host for the caller's own process."""
        return network.open_socket(self._holder, kind)

    def connect(
        self, address: str, port: int, within: Seconds = Seconds(5.0)
    ) -> socket.socket:
        """Return a blocking TCP connection from this host; raises OSError."""
        opened = self.open_socket()
        opened.settimeout(within)
        try:
            opened.connect((address, port))
        except OSError:
            opened.close()
            raise
        opened.settimeout(None)
        return opened

    def processes(self) -> frozenset[int]:
        """Return the pid of every process on this host, whoever started it."""
        return frozenset(pids_in(self.network)) - {self._holder}

    def signal_all(self, number: signal.Signals) -> None:
        """Send a signal to every process on this host."""
        for pid in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill_all(self) -> None:
        """Kill every process on this host, at once, and see them gone.

        Its namespaces stay, its ``/dev/shm`` and its state too.
        """
        self.end_programs()

        def gone() -> bool:
            self.signal_all(signal.SIGKILL)
            return not self.processes()

        until(gone, within=_GONE_WITHIN, what=f"The end of all on {self.name}")

    def reap(self) -> None:
        """Take note of the programs that have ended; until then they are zombies."""
        self._programs = [one for one in self._programs if one.exit_code is None]

    def end_programs(self) -> None:
        """Kill what `spawn` has started, and only that.

        One that was started a moment ago may still be on its way into the host, so
        it is not among `processes` and must be met by its own pid.
        """
        for program in self._programs:
            program.kill()
        self._programs.clear()

    # --- its cable --------------------------------------------------------------

    def cut(self) -> None:
        """Make the network silent; the host's own interface stays up."""
        network.cut(self._switch, self._outlet)

    def heal(self) -> None:
        """Undo `cut`."""
        network.heal(self._switch, self._outlet)

    def one_way_loss(self, to: "LabHost") -> None:
        """Lose whatever this host sends to another; the way back works."""
        network.deafen(self._holder, to.address)

    def end_one_way_loss(self, to: "LabHost") -> None:
        """Undo `one_way_loss`."""
        network.undeafen(self._holder, to.address)

    # --- the programs that every host has ---------------------------------------

    def start_jackd(
        self,
        rate_hz: Hertz = Hertz(48000),
        period_frames: Frames = Frames(256),
        *,
        realtime: bool | None = None,
    ) -> Program:
        """Start a JACK server without a sound card and wait until it takes clients.

        Args:
            rate_hz: Its sample rate.
            period_frames: Its period.
            realtime: None asks for it where this user may.

        Raises:
            Broken: jackd is not installed.
            Unavailable: It did not start.
        """
        urgent = may_use_realtime() if realtime is None else realtime
        scheduling = ("-R", "-P", "70") if urgent else ("--no-realtime",)
        device = ("-d", "dummy", "-r", str(rate_hz), "-p", str(period_frames))
        argv = ("jackd", *scheduling, "--name", "default", *device)
        door = self.shm / f"jack_default_{os.getuid()}_0"
        # A killed server has left its door; the new one puts its own in that place.
        old = _made_at(door)
        jackd = self.spawn(argv)

        def ready_or_ended() -> bool:
            return _made_at(door) not in {None, old} or jackd.exit_code is not None

        until(ready_or_ended, within=_JACK_WITHIN, what=f"jackd on {self.name}")
        if jackd.exit_code is not None:
            last = jackd.text.strip().rpartition("\n")[2]
            raise Unavailable(f"JACK did not start on {self.name}: {last}")
        return jackd

    def start_agent(
        self, overrides: Tables | None = None, env: Mapping[str, str] | None = None
    ) -> Program:
        """Write this host's agent.toml and start its agent; does not wait for it.

        All agents of a lab are of one studio, but for whom `overrides` says otherwise.

        Args:
            overrides: What differs from the lab's own file: table → key → value.
            env: On top of the lab's own environment.
        """
        own: Tables = {
            "": {
                "name": self.name,
                "state_dir": str(self.state_dir),
                "join_token_file": str(self._studio),
            },
            "audio": {
                "jack_server": "default",
                "inputs": ["music:out_1", "music:out_2"],
                "outputs": ["phones:in_1", "phones:in_2"],
            },
            "clock": {"servers": []},
        }
        file = self.folder / "agent.toml"
        file.write_text(agentfile.rendered(agentfile.merged(own, overrides or {})))
        argv = (sys.executable, "-m", "agent", "--config", str(file))
        return self.spawn(argv, env=env, log="agent")

    def start_player(self, *what: str, client: str = "music") -> Program:
        """Start a player; `what` is its arguments: see `sessiond.cli.lab.player`."""
        argv = (sys.executable, "-m", "sessiond.cli.lab.player", "--client", client)
        return self.spawn((*argv, *what), log=client)

    def start_chronyd(self) -> Program:
        """Start a time server that calls itself stratum 8; it sets no clock."""
        lines = (
            "local stratum 8",
            "allow",
            "cmdport 0",
            f"bindcmdaddress {self.folder}/chronyd.sock",
            f"pidfile {self.folder}/chronyd.pid",
        )
        conf = self.folder / "chrony.conf"
        conf.write_text("\n".join(lines) + "\n")
        argv = ("chronyd", "-x", "-d", "-U", "-u", "root", "-f", str(conf))
        return self.spawn(argv)
