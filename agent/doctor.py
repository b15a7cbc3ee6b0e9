"""Look this host over: what a session needs, whether it is there, and the cure."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from agent.adapters.executables import PACKAGES, Executables, programs
from agent.adapters.ffmpeg import codecs
from agent.host import Host
from sessiond.core.spec import Codec
from sessiond.core.status import Finding, Verdict
from sessiond.errors import Broken

# What `core.argv` asks for with -P.
_JACKD_PRIORITY: Final = 70


async def look_over(host: Host) -> tuple[Finding, ...]:
    """Return what was looked at, in the order in which a person would mend it."""
    return (
        *_programs(),
        *_filler(host),
        *_jack(host),
        _realtime(host),
        await _codecs(),
        _network(host),
        _clock(host),
        *_station(host),
        _trust(host),
    )


def _trust(host: Host) -> Finding:
    if host.studio:
        return Finding(
            subject="trust",
            verdict=Verdict.OK,
            sentence="Hosts of this one's studio may ask it into a session, and nobody "
            "else.",
        )
    return Finding(
        subject="trust",
        verdict=Verdict.OK,
        sentence="No session comes from the network: this host joins by a link.",
    )


def _programs() -> Iterator[Finding]:
    for name, path in programs().items():
        if path is None:
            yield Finding(
                subject=name,
                verdict=Verdict.FAIL,
                sentence=f"The program {name} is missing.",
                hint=f"Install the Debian package {PACKAGES[name]}.",
            )
        else:
            yield Finding(
                subject=name, verdict=Verdict.OK, sentence=f"{name} is there."
            )


def _filler(host: Host) -> Iterator[Finding]:
    keeps = host.config.station
    if keeps is None:
        return
    if Executables().find("liquidsoap") is None:
        yield Finding(
            subject="liquidsoap",
            verdict=Verdict.FAIL,
            sentence="The program liquidsoap is missing: nothing plays between shows.",
            hint="Install the Debian package liquidsoap.",
        )
    if not Path(keeps.music).exists():
        yield Finding(
            subject="music",
            verdict=Verdict.FAIL,
            sentence=f"There is no music in {keeps.music}: it does not exist.",
            hint="Put some there, or set music in [station] of agent.toml.",
        )
        return
    yield Finding(
        subject="music",
        verdict=Verdict.OK,
        sentence=f"{keeps.music} plays while nobody does.",
    )


def _jack(host: Host) -> Iterator[Finding]:
    audio, graph = host.setup.audio, host.observed.graph
    if graph is None:
        yield Finding(
            subject="JACK",
            verdict=Verdict.FAIL,
            sentence=f'No JACK server named "{audio.jack_server}" answers.',
            hint='Start it, or set start = "if-absent" in agent.toml.',
        )
        return
    yield Finding(
        subject="JACK",
        verdict=Verdict.OK,
        sentence=f'"{audio.jack_server}" runs at {graph.rate_hz} Hz, '
        f"{graph.period_frames} frames, {graph.xruns} xruns so far.",
    )
    absent = [p for p in (*audio.inputs, *audio.outputs) if p not in graph.ports]
    if absent:
        yield Finding(
            subject="JACK ports",
            verdict=Verdict.WARN,
            sentence=f"Not in JACK's graph: {', '.join(absent)}.",
            hint="Plug the device in, or name other ports in agent.toml.",
        )


def _realtime(host: Host) -> Finding:
    if host.setup.may_realtime:
        return Finding(
            subject="real time",
            verdict=Verdict.OK,
            sentence="This user may use real-time scheduling.",
        )
    return Finding(
        subject="real time",
        verdict=Verdict.WARN,
        sentence="This user may not use real-time scheduling; expect dropouts.",
        hint="Install jackd2 with real-time priority and join the group audio.",
    )


def may_realtime() -> bool:
    """Tell whether this process may schedule as jackd wants to, by trying it.

    Limits alone tell nothing of root, of capabilities or of control groups.
    """
    granted: list[bool] = []

    def attempt() -> None:
        try:
            os.sched_setscheduler(
                threading.get_native_id(),
                os.SCHED_FIFO,
                os.sched_param(_JACKD_PRIORITY),
            )
        except PermissionError:
            return
        granted.append(True)

    # Scheduling belongs to a thread, so it ends with this one.
    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    return bool(granted)


async def _codecs() -> Finding:
    try:
        missing = sorted(set(Codec) - await codecs())
    except Broken as e:
        return Finding(
            subject="codecs", verdict=Verdict.FAIL, sentence=e.sentence, hint=e.hint
        )
    if missing:
        return Finding(
            subject="codecs",
            verdict=Verdict.FAIL,
            sentence=f"FFmpeg can't encode {', '.join(missing)}.",
            hint="Install Debian's ffmpeg package.",
        )
    return Finding(
        subject="codecs", verdict=Verdict.OK, sentence="FFmpeg encodes all four."
    )


def _network(host: Host) -> Finding:
    if host.config.advertise.startswith("127."):
        return Finding(
            subject="network",
            verdict=Verdict.FAIL,
            sentence="This host has no address but loopback.",
            hint="Connect it, or set advertise in agent.toml.",
        )
    where = "found over mDNS" if host.config.mdns else "with mDNS off"
    return Finding(
        subject="network",
        verdict=Verdict.OK,
        sentence=f"Others reach {host.name} at {host.config.address}, {where}.",
    )


def _clock(host: Host) -> Finding:
    clock = host.clock_status()
    if clock.verdict is Verdict.OK:
        return Finding(
            subject="clock",
            verdict=Verdict.OK,
            sentence=f"Within {clock.bound_ms:g} ms of {clock.servers} time servers.",
        )
    sentence = host.clock_verdict.reason or "No time server has answered yet."
    if not host.config.ntp_servers:
        sentence = "No time server is configured."
    return Finding(
        subject="clock",
        verdict=clock.verdict,
        sentence=sentence,
        hint="Let chrony or ntpd run, and check clock.servers in agent.toml.",
    )


def _station(host: Host) -> Iterator[Finding]:
    doc = host.document
    if doc is None or doc.stopped or doc.station is None:
        return
    where = f"{doc.station.address}:{doc.station.port}"
    if host.hears_station():
        yield Finding(
            subject="Icecast",
            verdict=Verdict.OK,
            sentence=f"Icecast at {where} answers.",
        )
    else:
        yield Finding(
            subject="Icecast",
            verdict=Verdict.FAIL,
            sentence=f"Icecast at {where} does not answer.",
            hint="Check that it runs and that its port is open.",
        )
