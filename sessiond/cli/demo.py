"""``sessiond demo``: a whole jam on this machine, with the real programs.

Some musicians' hosts and a station, each a `LabHost` with its own network, JACK
server and agent; the session is created through the station's agent, as any
operator would. Whatever ends it, nothing is left.
"""

import asyncio
import contextlib
import itertools
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from shutil import which
from types import MappingProxyType
from typing import Final, Self

from rich.live import Live

from sessiond.cli.breaking import HINT, breaking, on_terminal
from sessiond.cli.lab import Lab, LabHost, music
from sessiond.cli.lab.agentfile import Tables
from sessiond.cli.lab.privilege import obtain_privilege
from sessiond.cli.lab.programs import Program
from sessiond.cli.lab.relay import claim_port, relaying
from sessiond.cli.lab.waiting import until
from sessiond.cli.render import status_picture
from sessiond.core.spec import BroadcastSettings, Codec, HostRef, MountSpec, SessionSpec
from sessiond.core.stamped import Secrets
from sessiond.core.status import LinkState, MountState, MountStatus, SessionStatus
from sessiond.errors import Broken, Refused, Unavailable
from sessiond.places import AGENT_PORT
from sessiond.units import (
    Frames,
    Hertz,
    HostName,
    Kbps,
    MountPath,
    Seconds,
    SessionName,
)
from sessiond.wire.client import AgentClient

SESSION: Final = SessionName("demo")

STATION: Final = HostName("station")

MUSICIANS: Final = tuple(
    HostName(name)
    for name in (
        "alice", "bob", "carol", "dave", "erin", "frank",
        "grace", "heidi", "ivan", "judy", "mallory", "niaj",
    )
)  # fmt: skip
"""Every host that a demo can have; one of `--hosts N` has the first N."""

# What each musician's own mount is, in turn; the ending says the codec.
_ENDINGS: Final = (
    ("ogg", Codec.VORBIS, Kbps(128)),
    ("opus", Codec.OPUS, Kbps(96)),
    ("mp3", Codec.MP3, Kbps(128)),
    ("flac", Codec.FLAC, None),
)

_RATE: Final = Hertz(48000)

# 5.3 ms: what two cores carry for a mesh of four without an underrun.
_PERIOD: Final = Frames(256)

# Where the session's Icecast listens on the station; outside it is --port.
_ICECAST_PORT: Final = 8000

_PROGRAMS: Final = (
    "jackd", "jacktrip", "ffmpeg", "icecast2", "ip", "nsenter", "unshare",
)  # fmt: skip

# An agent answers in about a second, on a machine that starts six of them at once.
_AGENT_WITHIN: Final = Seconds(20.0)
_ON_AIR_WITHIN: Final = Seconds(30.0)

# Longer pieces are cut, because a player keeps all of it in memory.
_LONGEST_PIECE: Final = Seconds(1800.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """What the command line asked for.

    Attributes:
        hosts: How many musicians; the station comes on top.
        port: Where the demo's Icecast answers on 127.0.0.1.
        inputs: What a musician plays instead of the demo's own music.
        duration: How long to stay on the air; None: until Ctrl-C.
    """

    hosts: int = 3
    port: int = 8000
    inputs: Mapping[HostName, Path] = field(
        default_factory=lambda: MappingProxyType({})
    )
    duration: Seconds | None = None


async def run_demo(options: DemoOptions) -> int:
    """Play until the time is up or someone presses Ctrl-C; returns the exit code.

    Raises:
        Refused: An option can't be.
        Unavailable: The port is busy, namespaces are not allowed, or the session
            did not get on the air in time.
        Broken: A program is missing.
    """
    _check(options)
    obtain_privilege()
    with claim_port(options.port) as listener, _ended_by_signals():
        names = (*MUSICIANS[: options.hosts], STATION)
        with Lab("sessiond-demo", hosts=names) as lab:
            station = lab.host(STATION)

            def to_icecast() -> socket.socket:
                return station.connect(station.address, _ICECAST_PORT)

            async with relaying(listener, to_icecast):
                await _start(lab, options)
                await _play(lab, options)
    return 0


def demo_spec(hosts: int) -> SessionSpec:
    """Return the session of a demo with so many musicians.

    Everybody is on the first mount, and has one alone beside it.
    """
    musicians = MUSICIANS[:hosts]
    together = MountSpec(
        path=MountPath("/mix.ogg"),
        codec=Codec.VORBIS,
        bitrate_kbps=Kbps(128),
        sources=musicians,
        name="Everybody",
    )
    alone = (
        MountSpec(
            path=MountPath(f"/dj{number}.{ending}"),
            codec=codec,
            bitrate_kbps=bitrate,
            sources=(musician,),
            name=f"Only {musician}",
        )
        for number, (musician, (ending, codec, bitrate)) in enumerate(
            zip(musicians, itertools.cycle(_ENDINGS), strict=False), start=1
        )
    )
    return SessionSpec(
        name=SESSION,
        hosts=tuple(HostRef(name=name) for name in (*musicians, STATION)),
        rate_hz=_RATE,
        period_frames=_PERIOD,
        # The station keeps what no musician may take along when leaving: Icecast.
        broadcast=BroadcastSettings(never=frozenset({STATION})),
        mounts=(together, *alone),
    )


# --- before anything starts ---------------------------------------------------------


def _check(options: DemoOptions) -> None:
    if not 1 <= options.hosts <= len(MUSICIANS):
        raise Refused(f"A demo has 1 to {len(MUSICIANS)} hosts, not {options.hosts}.")
    playing = MUSICIANS[: options.hosts]
    for name, file in options.inputs.items():
        if name not in playing:
            raise Refused(
                f"The demo has no host {name}.", f"Its hosts: {', '.join(playing)}."
            )
        if not file.is_file():
            raise Refused(f"There is no file {file}.")
    missing = [program for program in _PROGRAMS if which(program) is None]
    if missing:
        sentence = f"Missing programs: {', '.join(missing)}."
        raise Broken(sentence, "Run ./deploy/install.")


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let a closed terminal and a plain kill end the block as Ctrl-C does."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None  # noqa: S101  a coroutine runs in one
    told: list[signal.Signals] = []

    def end(number: signal.Signals) -> None:
        told.append(number)
        task.cancel()

    numbers = (signal.SIGTERM, signal.SIGHUP)
    for number in numbers:
        loop.add_signal_handler(number, end, number)
    try:
        yield
    except asyncio.CancelledError as e:
        if told:
            raise KeyboardInterrupt from e
        raise
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


# --- the hosts ----------------------------------------------------------------------


async def _start(lab: Lab, options: DemoOptions) -> None:
    """Start every host, all at the same time; their agents answer on return."""
    print(f"Starting {options.hosts} musicians' hosts and a station …", flush=True)
    if which("chronyd"):
        lab.host(STATION).start_chronyd()
    pieces = await asyncio.gather(
        *(asyncio.to_thread(_piece, host, options) for host in lab.hosts)
    )
    await asyncio.gather(
        *(
            asyncio.to_thread(_start_host, lab, host, piece)
            for host, piece in zip(lab.hosts, pieces, strict=True)
        )
    )


def _piece(host: LabHost, options: DemoOptions) -> tuple[str, ...]:
    """Return a player's arguments: a voice of the demo's music, or a file's.

    The station plays nothing and has none.
    """
    name = HostName(host.name)
    if name == STATION:
        return ()
    if name in options.inputs:
        return (str(_decoded(options.inputs[name], host.folder)),)
    voices = tuple(music.VOICES)
    voice = voices[MUSICIANS.index(name) % len(voices)]
    # The machine's clock began for all players at the same time.
    return ("--voice", voice, "--epoch", "0")


def _start_host(lab: Lab, host: LabHost, piece: tuple[str, ...]) -> None:
    # The agent takes longest to start, and waits for JACK by itself.
    agent = host.start_agent(_agent_file(lab, host))
    host.start_jackd(_RATE, _PERIOD)
    if piece:
        host.start_player(*piece)
    _await_agent(host, agent)


def _agent_file(lab: Lab, host: LabHost) -> Tables:
    others = [f"{h.address}:{AGENT_PORT}" for h in lab.hosts if h is not host]
    silent: Tables = {"audio": {"inputs": [], "outputs": []}}
    playing: Tables = {
        "audio": {
            "inputs": ["music:out_1", "music:out_2"],
            "outputs": ["system:playback_1", "system:playback_2"],
        }
    }
    return {
        # Known peers are met at once; multicast takes more than a second.
        "": {"peers": others},
        "clock": {"servers": [lab.host(STATION).address]},
        **(silent if host.name == STATION else playing),
    }


def _decoded(file: Path, folder: Path) -> Path:
    """Return a file's music as a WAV file that a player takes.

    Raises:
        Refused: FFmpeg finds no music in it.
    """
    wav = folder / "music.wav"
    form = ("-vn", "-ac", "2", "-ar", str(_RATE), "-c:a", "pcm_s16le")
    argv = (
        "ffmpeg", "-nostdin", "-y", "-hide_banner", "-loglevel", "error",
        "-t", f"{_LONGEST_PIECE:g}", "-i", f"file:{file}", *form, str(wav),
    )  # fmt: skip
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = done.stderr.strip().rpartition("\n")[2]
        raise Refused(f"{file} can't be played: {last}.")
    return wav


def _await_agent(host: LabHost, agent: Program) -> None:
    def answers_or_ended() -> bool:
        return agent.exit_code is not None or _accepts(host.agent_socket)

    what = f"The agent on {host.name}"
    until(answers_or_ended, within=_AGENT_WITHIN, what=what)
    if agent.exit_code is not None:
        last = agent.text.strip().rpartition("\n")[2]
        raise Broken(f"{what} ended at once: {last}")


def _accepts(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as knock:
        try:
            knock.connect(str(path))
        except OSError:
            return False
    return True


# --- the session --------------------------------------------------------------------


async def _play(lab: Lab, options: DemoOptions) -> None:
    """Create the session and show it until the time is up."""
    where = f"unix:{lab.host(STATION).agent_socket}"

    def restart(host: LabHost) -> None:
        _start_host(lab, host, _piece(host, options))

    async with AgentClient(where) as agent:
        await agent.create(demo_spec(options.hosts), Secrets())
        with _Show(options, where) as show:
            async with breaking(lab, show, restart):
                await _follow(agent, options, show)


async def _follow(agent: AgentClient, options: DemoOptions, show: "_Show") -> None:
    try:
        async with asyncio.timeout(_ON_AIR_WITHIN) as limit:
            async for status in agent.watch(SESSION):
                if show.turn(status):
                    limit.reschedule(_end_of(options))
    except TimeoutError as e:
        if show.announced:
            return
        raise Unavailable(
            f"The demo is not on the air within {_ON_AIR_WITHIN:g} s: {show.lacking}."
        ) from e
    raise Unavailable("The station's agent ended the demo.")


def _end_of(options: DemoOptions) -> float | None:
    """Return when to end, by the event loop's clock; None is never."""
    if options.duration is None:
        return None
    return asyncio.get_running_loop().time() + options.duration


class _Show:
    """What the person at the terminal sees of the session.

    Attributes:
        announced: Every mount was live once, and the listen URLs are printed.
        lacking: What is still not there, as words for a sentence.
        broadcaster: Who feeds the mounts now.
    """

    def __init__(self, options: DemoOptions, where: str) -> None:
        self.announced = False
        self.lacking = "nobody answers"
        self.broadcaster: HostName | None = None
        self._options = options
        self._where = where
        self._line = ""
        self._live = Live(auto_refresh=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def turn(self, status: SessionStatus) -> bool:
        """Show a picture; True once: when the last mount has just become live."""
        self.broadcaster = status.broadcaster
        lacking = [m for m in status.mounts if m.state is not MountState.LIVE]
        self.lacking = ", ".join((*_down(lacking), *_troubles(status)))
        first = not lacking and not self.announced
        if self.announced and sys.stdout.isatty():
            self._redraw(status)
        else:
            self._print(_summary(status))
        if first:
            self.announced = True
            self._announce()
        return first

    def say(self, sentence: str) -> None:
        """Print a sentence, above the picture where there is one."""
        if self._live.is_started:
            self._live.console.print(sentence, markup=False, highlight=False)
        else:
            print(sentence, flush=True)

    def _print(self, line: str) -> None:
        if line != self._line:
            print(line, flush=True)
        self._line = line

    def _redraw(self, status: SessionStatus) -> None:
        """Show the whole picture in the place of the last one."""
        if not self._live.is_started:
            self._live.start()
        # Where the station really is, nobody outside the lab can listen.
        mounts = (replace(m, url=self._url(m.path)) for m in status.mounts)
        here = replace(status, mounts=tuple(mounts))
        self._live.update(status_picture(here), refresh=True)

    def _announce(self) -> None:
        print(f"\nOn the air. Open {self._url(MountPath('/'))} in a browser.\n")
        print("Or listen with any player:")
        for mount in demo_spec(self._options.hosts).mounts:
            print(f"  {self._url(mount.path):<40} {mount.name}")
        print(f"Look closer:  sessiond --agent {self._where} watch")
        if on_terminal():
            print(f"Keys:         {HINT}")
        print("End it:       Ctrl-C\n", flush=True)

    def _url(self, path: MountPath) -> str:
        return f"http://127.0.0.1:{self._options.port}{path}"


def _down(mounts: Iterable[MountStatus]) -> Iterator[str]:
    for mount in mounts:
        yield f"{mount.path} is {mount.state}"


def _troubles(status: SessionStatus) -> Iterator[str]:
    for host in status.hosts:
        for condition in host.conditions:
            yield f"{host.name}: {condition.message.rstrip('.')}"


def _summary(status: SessionStatus) -> str:
    links = [link.state for link in status.links]
    mounts = [mount.state for mount in status.mounts]
    listeners = sum(mount.listeners for mount in status.mounts)
    return (
        f"{status.phase} · broadcaster {status.broadcaster or 'none'}"
        f" · links up {links.count(LinkState.UP)}/{len(links)}"
        f" · mounts live {mounts.count(MountState.LIVE)}/{len(mounts)}"
        f" · listeners {listeners}"
    )
