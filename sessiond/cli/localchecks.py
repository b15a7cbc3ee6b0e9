"""What `doctor` can see of this host without an agent: programs, codecs, limits."""

import os
import resource
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from sessiond.core.sourcing import ENCODERS
from sessiond.core.status import Finding, Verdict
from sessiond.core.topology import FIRST_PORT
from sessiond.errors import Unavailable

# Program → Debian's package and what is lost without it.
_PROGRAMS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "jackd": ("jackd2", "no JACK server can be started here"),
        "jacktrip": ("jacktrip", "no link can be made"),
        "ffmpeg": ("ffmpeg", "this host can't broadcast"),
        "icecast2": ("icecast2", "this host can't be the station"),
    }
)
_NEEDED: Final = frozenset({"jacktrip", "ffmpeg"})

# FFmpeg lists its encoders in 0.1 s; a disk that just woke up may take longer.
_FFMPEG_WITHIN: Final = 10.0

# linux/if.h: up, loopback, multicast.
_UP, _LOOPBACK, _MULTICAST = 0x1, 0x8, 0x1000

# What the audio group of Debian's jackd2 package is given.
_GOOD_PRIORITY: Final = 70


def agent_absent(error: Unavailable) -> Finding:
    """Return the finding that no agent answers."""
    return Finding(
        subject="agent",
        verdict=Verdict.FAIL,
        sentence=error.sentence,
        hint="Start it with sessiond-agent.",
    )


def local_findings() -> tuple[Finding, ...]:
    """Look over this host; takes well under a second.

    A subject that the agent looks at too has the agent's name for it.
    """
    return (
        *_programs(),
        *_codecs(),
        _realtime(),
        _link_port(),
        _multicast(),
        Finding(
            subject="trust",
            verdict=Verdict.OK,
            sentence="Agents obey nobody who has not joined. Links are plain UDP:"
            " whoever reads this network hears you.",
        ),
    )


def _programs() -> Iterator[Finding]:
    for program, (package, loss) in _PROGRAMS.items():
        place = shutil.which(program)
        if place:
            yield Finding(
                subject=program, verdict=Verdict.OK, sentence=f"It is {place}."
            )
        else:
            yield Finding(
                subject=program,
                verdict=Verdict.FAIL if program in _NEEDED else Verdict.WARN,
                sentence=f"{program} is not installed, so {loss}.",
                hint=f"Install it: sudo apt install {package}",
            )


def _codecs() -> Iterator[Finding]:
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        return
    try:
        listing = subprocess.run(
            [ffmpeg, "-nostdin", "-hide_banner", "-encoders"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_FFMPEG_WITHIN,
            check=False,
        ).stdout
    except (OSError, subprocess.TimeoutExpired) as e:
        yield Finding(
            subject="codecs",
            verdict=Verdict.FAIL,
            sentence=f"ffmpeg does not run: {e}.",
            hint="Install it again: sudo apt install --reinstall ffmpeg",
        )
        return
    words = set(listing.split())
    lacking = [str(codec) for codec, name in ENCODERS.items() if name not in words]
    if lacking:
        yield Finding(
            subject="codecs",
            verdict=Verdict.FAIL,
            sentence=f"This ffmpeg can't encode {', '.join(lacking)}.",
            hint="Install Debian's own ffmpeg package.",
        )
    else:
        names = ", ".join(ENCODERS)
        yield Finding(
            subject="codecs", verdict=Verdict.OK, sentence=f"ffmpeg encodes {names}."
        )


def _realtime() -> Finding:
    _, hard = resource.getrlimit(resource.RLIMIT_RTPRIO)
    unlimited = hard == resource.RLIM_INFINITY or os.geteuid() == 0
    if unlimited or hard >= _GOOD_PRIORITY:
        allowed = "any" if unlimited else hard
        return Finding(
            subject="real time",
            verdict=Verdict.OK,
            sentence=f"Real-time priority is allowed up to {allowed}.",
        )
    return Finding(
        subject="real time",
        verdict=Verdict.WARN,
        sentence=f"Real-time priority is allowed up to {hard} only: expect xruns.",
        hint="Join the audio group (sudo adduser $USER audio) and log in again.",
    )


def _link_port() -> Finding:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("", FIRST_PORT))
        except OSError as e:
            return Finding(
                subject="UDP ports",
                verdict=Verdict.WARN,
                sentence=f"UDP port {FIRST_PORT} is in use: {e.strerror}.",
                hint="Fine while a session runs; else end the other JackTrip.",
            )
    return Finding(
        subject="UDP ports",
        verdict=Verdict.OK,
        sentence=f"UDP port {FIRST_PORT} is free.",
    )


def _multicast() -> Finding:
    folders = Path("/sys/class/net").glob("*/flags")
    flags = [int(flag.read_text(), 16) for flag in folders]
    wanted = _UP | _MULTICAST
    if any(f & wanted == wanted and not f & _LOOPBACK for f in flags):
        return Finding(
            subject="multicast",
            verdict=Verdict.OK,
            sentence="A network interface can multicast.",
        )
    return Finding(
        subject="multicast",
        verdict=Verdict.WARN,
        sentence="No network interface can multicast, so agents don't find each other.",
        hint="Connect this host, or name the others under peers in agent.toml.",
    )
