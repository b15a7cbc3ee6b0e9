"""The JSON documents that scripts read; their keys are fixed (docs: interfaces)."""

import json
import math
import tomllib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sessiond.core.conditions import Condition
from sessiond.core.hearing import MountSound
from sessiond.core.roles import Role
from sessiond.core.spec import SessionSpec
from sessiond.core.specwriter import format_spec
from sessiond.core.stamped import Stamp, StampedSpec
from sessiond.core.status import (
    AudioStatus,
    ClockStatus,
    Finding,
    HostSighting,
    HostStatus,
    LinkStatus,
    MountStatus,
    ProcStatus,
    SessionStatus,
    StripLevel,
)
from sessiond.units import HostName

if TYPE_CHECKING:
    # By name only: what every command imports is quick to import.
    from sessiond.core.firewall import Firewall
    from sessiond.core.joining import JoinLink

Document = dict[str, Any]


def as_text(document: Document, *, indent: int | None = 2) -> str:
    """Return a document as JSON; `indent` None puts it on one line.

    In ASCII alone, so that no text of somebody else's steers the reader's terminal.
    """
    return json.dumps(document, allow_nan=False, indent=indent)


def status_document(status: SessionStatus) -> Document:
    """Return ``status --json``."""
    return {
        "session": status.session,
        "stamp": _stamp(status.stamp),
        "phase": status.phase,
        "leader": status.leader,
        "role": status.role,
        "broadcaster": status.broadcaster,
        "standby": status.standby,
        "hosts": [_host(host) for host in status.hosts],
        "links": [_link(link) for link in status.links],
        "mounts": [_mount(mount) for mount in status.mounts],
    }


def hosts_document(sightings: Iterable[HostSighting]) -> Document:
    """Return ``hosts --json``."""
    hosts = [
        {
            "name": seen.name,
            "id": seen.id,
            "address": seen.address,
            "session": seen.session or None,
            "version": seen.version,
        }
        for seen in sightings
    ]
    return {"hosts": hosts}


def spec_document(stamped: StampedSpec) -> Document:
    """Return ``spec --json``: the session file's keys and what the leader settled."""
    station = stamped.station
    return {
        "session": stamped.spec.name,
        "stamp": _stamp(stamped.stamp),
        "stopped": stamped.stopped,
        "spec": spec_keys(stamped.spec),
        "members": [
            {"name": m.name, "id": m.id, "address": m.address, "reachable": m.reachable}
            for m in stamped.members
        ],
        "links": [
            {"a": k.a, "b": k.b, "udp_port": k.udp_port, "server": k.server}
            for k in stamped.links
        ],
        "station": station
        and {
            "address": station.address,
            "port": station.port,
            "tls": station.tls,
            "host": station.host,
        },
    }


def created_document(
    stamped: StampedSpec, links: Mapping[HostName, "JoinLink"]
) -> Document:
    """Return ``create --json``; `join` is the first of the links, for any host."""
    return {
        "session": stamped.spec.name,
        "stamp": _stamp(stamped.stamp),
        "missing": [m.name for m in stamped.members if m.id is None],
        "join": next((str(link) for link in links.values()), None),
        "invitations": {name: str(link) for name, link in links.items()},
    }


def invitation_document(link: "JoinLink", role: Role) -> Document:
    """Return ``invite --json``."""
    return {"session": link.session, "role": role, "join": str(link)}


def spec_keys(spec: SessionSpec) -> Document:
    """Return a spec as the keys of its session file; silence is null."""
    return {
        key: _plain(value) for key, value in tomllib.loads(format_spec(spec)).items()
    }


def doctor_document(findings: Iterable[Finding]) -> Document:
    """Return ``doctor --json``."""
    found = [
        {
            "subject": finding.subject,
            "verdict": finding.verdict,
            "sentence": finding.sentence,
            "hint": finding.hint,
        }
        for finding in findings
    ]
    return {"findings": found}


def firewall_document(wall: "Firewall") -> Document:
    """Return ``doctor --firewall --json``; an empty list of addresses means any."""
    openings = [
        {
            "protocol": opening.protocol,
            "port": opening.port,
            "from": list(opening.sources),
            "to": list(opening.destinations),
            "why": opening.why,
        }
        for opening in wall.openings
    ]
    return {
        "host": wall.host,
        "session": wall.document.spec.name if wall.document else None,
        "stamp": _stamp(wall.document.stamp) if wall.document else None,
        "openings": openings,
        "closed_udp_ports": list(wall.closed),
        "notes": list(wall.notes),
    }


def _plain(value: object) -> object:
    match value:
        case dict():
            return {key: _plain(inner) for key, inner in value.items()}
        case list():
            return [_plain(inner) for inner in value]
        case float():
            return _finite(value)
        case _:
            return value


def _finite(number: float | None) -> float | None:
    """Return the number; JSON has no infinity, so silence is null."""
    return None if number is None or not math.isfinite(number) else number


def _stamp(stamp: Stamp) -> Document:
    return {"term": stamp.term, "revision": stamp.revision, "edit": stamp.edit}


def _host(host: HostStatus) -> Document:
    return {
        "name": host.name,
        "id": host.id,
        "address": host.address,
        "state": host.state,
        "voter": host.voter,
        "muted": host.muted,
        "audio": _audio(host.audio),
        "clock": _clock(host.clock),
        "procs": [_proc(proc) for proc in host.procs],
        "strips": [_strip(strip) for strip in host.strips],
        "conditions": _conditions(host.conditions),
    }


def _audio(audio: AudioStatus) -> Document:
    return {
        "jack_server": audio.jack_server,
        "rate_hz": audio.rate_hz,
        "period_frames": audio.period_frames,
        "xruns": audio.xruns,
        "dsp_load": _finite(audio.dsp_load),
    }


def _clock(clock: ClockStatus) -> Document:
    return {
        "verdict": clock.verdict,
        "offset_ms": _finite(clock.offset_ms),
        "bound_ms": _finite(clock.bound_ms),
        "servers": clock.servers,
        "falsetickers": list(clock.falsetickers),
        "peers_offset_ms": {
            peer: _finite(offset) for peer, offset in clock.peers_offset_ms.items()
        },
    }


def _proc(proc: ProcStatus) -> Document:
    return {
        "name": proc.name,
        "program": proc.program,
        "pid": proc.pid,
        "state": proc.state,
        "restarts": proc.restarts,
    }


def _strip(strip: StripLevel) -> Document:
    return {
        "host": strip.host,
        "peak_db": _finite(strip.peak_db),
        "rms_db": _finite(strip.rms_db),
    }


def _link(link: LinkStatus) -> Document:
    return {
        "a": link.a,
        "b": link.b,
        "state": link.state,
        "udp_port": link.udp_port,
        "rtt_ms": _finite(link.rtt_ms),
        "latency_ms": _finite(link.latency_ms),
        "glitches_per_min": link.glitches_per_min,
        "conditions": _conditions(link.conditions),
    }


def _mount(mount: MountStatus) -> Document:
    return {
        "path": mount.path,
        "url": mount.url,
        "state": mount.state,
        "host": mount.host,
        "format": mount.format,
        "bitrate_kbps": mount.bitrate_kbps,
        "listeners": mount.listeners,
        "peak_db": _finite(mount.peak_db),
        "title": mount.title,
        **_sound(mount),
        "conditions": _conditions(mount.conditions),
    }


def _sound(mount: MountStatus) -> Document:
    """Return what listeners hear, in the ears of one of the session's hosts."""
    heard = mount.sound or MountSound(path=mount.path)
    known = heard.age_s is not None
    return {
        "heard_by": mount.heard_by,
        "heard_ago_s": _finite(heard.age_s),
        "progressing": heard.progressing if known else None,
        "silent": heard.silent if known else None,
        "clipping": heard.clipping if known else None,
        "loudness_lufs": _finite(heard.loudness_lufs),
        "true_peak_db": _finite(heard.true_peak_db),
        "delay_s": _finite(heard.delay_s),
        "gaps": heard.gaps if known else None,
    }


def _conditions(conditions: Iterable[Condition]) -> list[Document]:
    return [
        {
            "reason": condition.reason,
            "severity": condition.severity,
            "message": condition.message,
            "hint": condition.hint,
        }
        for condition in conditions
    ]
