"""The peer of `create`: shell scripts that start the same programs, knowing everything.

One script a host, started at the same moment: JackTrip with our very arguments, wires
by `jack_connect`, and on the first host one FFmpeg a mount, straight to Icecast, its
mix made by JACK's own summing. No election, no mix-down with faders, nobody watches.
"""

import os
import shlex
import signal
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import combinations
from pathlib import Path
from typing import Final
from urllib.parse import quote

from sessiond.cli.lab import Program
from sessiond.core.argv import jacktrip_argv
from sessiond.core.put_head import CONTENT_TYPES
from sessiond.core.sourcing import ffmpeg_argv, order_for
from sessiond.core.spec import MountSpec, SessionSpec
from sessiond.core.specfile import parse_spec
from sessiond.core.stamped import Station
from sessiond.core.wires import air_client
from sessiond.units import HostName, UdpPort
from tests.support.jam import ICECAST_PORT, SOURCE_PASSWORD, Jam

FIRST_PORT: Final = 4464

# Each wire on its own, as soon as both of its ports are there.
_PREFACE: Final = """\
wire() { until jack_connect "$1" "$2" >/dev/null 2>&1; do sleep 0.02; done; }
"""


def start_plainly(jam: Jam, file: Path) -> list[Program]:
    """Start every host's script; returns at once."""
    spec = parse_spec(file.read_text()).spec
    return [
        jam.lab.host(name).spawn(("sh", "-c", script(jam, spec, name)), log="script")
        for name in jam.musicians
    ]


def end_plainly(
    programs: Sequence[Program], number: signal.Signals = signal.SIGTERM
) -> None:
    """Send everything that the scripts started a signal."""
    for program in programs:
        # Each was started as the first of a session, so its group is the script's.
        with suppress(ProcessLookupError):
            os.killpg(program.pid, number)


def script(jam: Jam, spec: SessionSpec, me: str) -> str:
    """Return what a host has to run."""
    lines = [*_links(jam, spec, me)]
    if me == jam.musicians[0]:
        for mount in spec.mounts:
            lines += _mount(jam, spec, mount)
    return _PREFACE + "\n".join([*lines, "wait"])


def _links(jam: Jam, spec: SessionSpec, me: str) -> Iterator[str]:
    pairs = combinations(jam.musicians, 2)
    for port, (server, client) in enumerate(pairs, FIRST_PORT):
        if me not in {server, client}:
            continue
        peer = client if me == server else server
        where = None if me == server else jam.lab.host(server).address
        argv = jacktrip_argv(HostName(peer), where, UdpPort(port), spec.links)
        yield f"{shlex.join(_renamed(argv))} &"
        wires = [
            wire
            for n in (1, 2)
            for wire in (
                f"wire music:out_{n} {_client(peer)}:send_{n}",
                f"wire {_client(peer)}:receive_{n} phones:in_{n}",
            )
        ]
        yield f"({'; '.join(wires)}) &"


def _client(peer: str) -> str:
    """Return a JACK client's name that an agent does not take for its own."""
    return f"plain-{peer}"


def _renamed(argv: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word.replace("link-", _client("")) for word in argv)


def _mount(jam: Jam, spec: SessionSpec, mount: MountSpec) -> Iterator[str]:
    me = jam.musicians[0]
    yield f"{shlex.join(_to_icecast(jam, spec, mount, HostName(me)))} &"
    sources = (
        ("music:out" if host == me else f"{_client(host)}:receive")
        for host in spec.heard_on(mount)
    )
    wires = [
        f"wire {source}_{n} {air_client(mount)}:input_{n}"
        for source in sources
        for n in (1, 2)
    ]
    yield f"({'; '.join(wires)}) &"


def _to_icecast(
    jam: Jam, spec: SessionSpec, mount: MountSpec, host: HostName
) -> tuple[str, ...]:
    """Return the FFmpeg that feeds a mount, with the URL as its last argument."""
    station = Station(address=jam.station.address, port=ICECAST_PORT)
    order = order_for(
        mount,
        station=station,
        user="source",
        rate_hz=spec.rate_hz,
        session=spec.name,
        host=host,
    )
    word = quote(SOURCE_PASSWORD, safe="")
    url = f"icecast://source:{word}@{station.address}:{ICECAST_PORT}{mount.path}"
    kind = ("-content_type", CONTENT_TYPES[mount.codec])
    return (*ffmpeg_argv(order)[:-1], *kind, url)


def watchdog(jam: Jam, file: Path, name: str) -> Program:
    """Start an FFmpeg on a host that tries the primary mount until it gets it.

    Its description says ``host=NAME``, as ours does.
    """
    spec = parse_spec(file.read_text()).spec
    *_, url = argv = _to_icecast(jam, spec, spec.mounts[0], HostName(name))
    said = ("-ice_description", f"plain host={name} ")
    encode = shlex.join((*argv[:-1], *said, url))
    return jam.lab.host(name).spawn(
        ("sh", "-c", f"while :; do {encode}; done"), log="watchdog"
    )
