"""Pictures for people: values in, `rich` renderables out; nothing is printed here."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sessiond.core.conditions import Condition, Severity
from sessiond.core.hearing import MountSound
from sessiond.core.liveness import Liveness
from sessiond.core.status import (
    ClockStatus,
    Finding,
    HostSighting,
    HostStatus,
    LinkStatus,
    MountState,
    MountStatus,
    SessionStatus,
    Verdict,
)
from sessiond.units import Decibels

_NOTHING: Final = "–"
_GOOD, _MIDDLING, _BAD, _QUIET = "green", "yellow", "red", "dim"

# Every state's word is shown; the colour only helps the eye.
_STYLE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "on-air": "bold green",
        "jamming": _GOOD,
        "forming": _MIDDLING,
        "degraded": _MIDDLING,
        "off-air": "bold red",
        "stopped": _QUIET,
        "alive": _GOOD,
        "suspect": _MIDDLING,
        "gone": _BAD,
        "up": _GOOD,
        "connecting": _MIDDLING,
        "down": _BAD,
        "live": _GOOD,
        "stalled": _BAD,
        "held-elsewhere": _BAD,
        "ok": _GOOD,
        "warn": _MIDDLING,
        "fail": _BAD,
        "unknown": _QUIET,
        "warning": _MIDDLING,
        "error": _BAD,
    }
)


def status_picture(status: SessionStatus) -> RenderableType:
    """Return the one picture of a session: who plays, who is linked, what is heard."""
    tables = [_hosts(status), _links(status.links), _mounts(status.mounts)]
    blocks: list[RenderableType] = [table for table in tables if table.row_count]
    lines = (_listen(status.mounts), _titles(status.mounts), _troubles(status))
    blocks += [Group(*some) for each in lines if (some := tuple(each))]
    spaced = (Padding(block, (1, 0, 0, 0)) for block in blocks)
    return Group(_headline(status), *spaced)


def hosts_picture(sightings: Sequence[HostSighting]) -> RenderableType:
    """Return the agents found, or a sentence when there are none."""
    if not sightings:
        return Text("No agent was found on this network.")
    table = _table("HOST", "ADDRESS", "SESSION", "VERSION", "ID")
    for seen in sightings:
        session = seen.session or _NOTHING
        table.add_row(seen.name, seen.address, session, seen.version, seen.id[:8])
    return table


def findings_picture(findings: Iterable[Finding]) -> RenderableType:
    """Return what `doctor` found, each with its cure below."""
    table = _table("CHECKED", "VERDICT", "FINDING")
    for finding in findings:
        words = Text(finding.sentence)
        if finding.hint and finding.verdict is not Verdict.OK:
            words.append(f"\n→ {finding.hint}", style=_QUIET)
        table.add_row(Text(finding.subject), _word(finding.verdict), words)
    return table


def _headline(status: SessionStatus) -> Text:
    text = Text.assemble((status.session, "bold"), "  ", _word(status.phase))
    text.append(f"  {status.stamp}", style=_QUIET)
    leader = status.leader or "nobody"
    people = [f"{status.role or 'leader'} {leader}"]
    if status.mounts:
        people.append(f"broadcaster {status.broadcaster or 'nobody'}")
        people.append(f"standby {status.standby or 'nobody'}")
    text.append(f"   {' · '.join(people)}")
    return text


def _hosts(status: SessionStatus) -> Table:
    table = _table("HOST", "STATE", "AUDIO", "LOAD", "XRUNS", "CLOCK", "ADDRESS")
    for host in status.hosts:
        audio = host.audio
        table.add_row(
            _host_name(host),
            _word(host.state),
            _audio(host),
            f"{audio.dsp_load:.0%}" if audio.rate_hz else _NOTHING,
            str(audio.xruns) if audio.rate_hz else _NOTHING,
            _clock(host.clock),
            Text(host.address or _NOTHING),
        )
    return table


def _host_name(host: HostStatus) -> Text:
    text = Text(host.name)
    if host.muted:
        text.append(" muted", style=_MIDDLING)
    return text


def _audio(host: HostStatus) -> str:
    audio = host.audio
    if not audio.rate_hz:
        # Without a JACK server's name this is no word of the host itself.
        its_word = host.state is not Liveness.GONE and audio.jack_server
        return "no JACK" if its_word else _NOTHING
    return f"{audio.rate_hz / 1000:g} kHz / {audio.period_frames}"


def _clock(clock: ClockStatus) -> Text:
    text = _word(clock.verdict)
    if clock.bound_ms is not None:
        text.append(f" ±{clock.bound_ms:.2g} ms", style="default")
    return text


def _links(links: Iterable[LinkStatus]) -> Table:
    table = _table("LINK", "STATE", "UDP PORT", "RTT", "LATENCY", "GLITCHES/MIN")
    for link in links:
        table.add_row(
            f"{link.a} – {link.b}",
            _word(link.state),
            str(link.udp_port),
            _milliseconds(link.rtt_ms),
            _milliseconds(link.latency_ms),
            str(link.glitches_per_min),
        )
    return table


def _mounts(mounts: Iterable[MountStatus]) -> Table:
    heads = ("MOUNT", "STATE", "FROM", "FORMAT", "LISTENERS", "PEAK")
    table = _table(*heads, "LOUDNESS", "DELAY")
    for mount in mounts:
        rate = f" {mount.bitrate_kbps}" if mount.bitrate_kbps else ""
        table.add_row(
            Text(mount.path),
            _word(mount.state),
            mount.host or _NOTHING,
            f"{mount.format}{rate}",
            str(mount.listeners),
            _decibels(mount.peak_db),
            *_sound(mount.sound),
        )
    return table


def _sound(sound: MountSound | None) -> tuple[str, str]:
    """Return a mount's loudness and delay, as an ear of the session has them."""
    if sound is None or sound.age_s is None:
        return _NOTHING, _NOTHING
    loudness, delay = sound.loudness_lufs, sound.delay_s
    said = _NOTHING if loudness is None else f"{loudness:.1f} LUFS"
    late = _NOTHING if delay is None else f"{delay:.1f} s"
    return "silent" if sound.silent else said, late


def _listen(mounts: Iterable[MountStatus]) -> Iterator[RenderableType]:
    """Yield where to listen, a line a mount, never folded: it is there to be copied."""
    for mount in mounts:
        if mount.state is MountState.LIVE:
            yield Text(f"Listen: {mount.url}", no_wrap=True, overflow="ignore")


def _titles(mounts: Iterable[MountStatus]) -> Iterator[RenderableType]:
    """Yield what listeners see, where they see anything."""
    for mount in mounts:
        if mount.title:
            yield Text(f"On {mount.path}: {mount.title}")


def _troubles(status: SessionStatus) -> Iterator[RenderableType]:
    """Yield each condition once, the bad ones first, with whom it is about."""
    found = [
        *((host.name, c) for host in status.hosts for c in host.conditions),
        *((f"{k.a} – {k.b}", c) for k in status.links for c in k.conditions),
        *((mount.path, c) for mount in status.mounts for c in mount.conditions),
    ]
    found.sort(key=lambda pair: pair[1].severity is not Severity.ERROR)
    for where, condition in dict.fromkeys(found):
        yield _trouble(where, condition)


def _trouble(where: str, condition: Condition) -> Text:
    style = _STYLE[condition.severity]
    text = Text.assemble((condition.severity, style), f" {where}: {condition.message} ")
    text.append(f"[{condition.reason}]", style=_QUIET)
    if condition.hint:
        text.append(f"\n  → {condition.hint}")
    return text


def _table(*heads: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for head in heads:
        table.add_column(head, overflow="fold")
    return table


def _word(state: str) -> Text:
    """Return a state's own word in its colour."""
    text = Text()
    text.append(state, style=_STYLE.get(state, ""))
    return text


def _milliseconds(value: float | None) -> str:
    return _NOTHING if value is None else f"{value:.1f} ms"


def _decibels(value: Decibels | None) -> str:
    if value is None:
        return _NOTHING
    return f"{value:.1f} dB" if math.isfinite(value) else "silent"
