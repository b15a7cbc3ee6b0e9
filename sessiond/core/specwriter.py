"""`SessionSpec` back to a session file; `specfile.parse_spec` reads the same spec."""

import json
from collections.abc import Iterable, Mapping

from sessiond.core.mistakes import escaped
from sessiond.core.spec import HostRef, MountSpec, SessionSpec
from sessiond.core.stamped import Stamp
from sessiond.units import Seconds


def format_spec(spec: SessionSpec, based_on: Stamp | None = None) -> str:
    """Return a session file for this spec, without password files.

    Args:
        spec: Any spec that `parse_spec` could have returned.
        based_on: The stamp of the spec, for `apply` to compare; None leaves it out.
    """
    tables = [_root(spec, based_on), *_settings(spec)]
    if spec.icecast is not None:
        icecast = {
            "host": spec.icecast.host,
            "port": spec.icecast.port,
            "tls": spec.icecast.tls,
            "source_user": spec.icecast.source_user,
            "admin_user": spec.icecast.admin_user,
        }
        tables.append(_table("[icecast]", icecast))
    tables += [_mount(mount) for mount in spec.mounts]
    return "\n".join(tables)


def _root(spec: SessionSpec, based_on: Stamp | None) -> str:
    keys = {
        "name": spec.name,
        "hosts": [_host(host) for host in spec.hosts],
        "topology": spec.topology,
        "rate_hz": spec.rate_hz,
        "period_frames": spec.period_frames,
        "based_on": None if based_on is None else str(based_on),
    }
    return _table("", keys)


def _host(host: HostRef) -> str:
    return host.name if host.address is None else f"{host.name}@{host.address}"


def _settings(spec: SessionSpec) -> Iterable[str]:
    links, clock, broadcast = spec.links, spec.clock, spec.broadcast
    yield _table(
        "[links]",
        {
            "channels": links.channels,
            "queue_packets": links.queue_packets,
            "redundancy": links.redundancy,
            "bit_depth": links.bit_depth,
        },
    )
    yield _table(
        "[clock]",
        {
            "warn_ms": _milliseconds(clock.warn),
            "fail_ms": _milliseconds(clock.fail),
            "required": clock.required,
        },
    )
    yield _table(
        "[broadcast]",
        {
            "prefer": list(broadcast.prefer),
            "never": sorted(broadcast.never),
            "standby": broadcast.standby,
            "network": broadcast.network,
        },
    )


def _mount(mount: MountSpec) -> str:
    keys = {
        "path": mount.path,
        "format": mount.codec,
        "bitrate_kbps": mount.bitrate_kbps,
        "sources": list(mount.sources),
        "gains_db": mount.gains_db or None,
        "name": mount.name,
        "description": mount.description,
        "genre": mount.genre,
        "public": mount.public,
        "source_user": mount.source_user,
    }
    return _table("[[mount]]", keys)


def _table(header: str, keys: Mapping[str, object]) -> str:
    lines = [
        f"{key} = {toml(value)}" for key, value in keys.items() if value is not None
    ]
    return "".join(f"{line}\n" for line in ([header, *lines] if header else lines))


def toml(value: object) -> str:
    """Return a text, number, flag, list or mapping as it stands in TOML."""
    match value:
        case bool() | str():
            # JSON escapes as TOML does, but not what is unprintable beyond ASCII.
            return escaped(json.dumps(value, ensure_ascii=False))
        case list():
            return f"[{', '.join(map(toml, value))}]"
        case Mapping():
            pairs = ", ".join(f"{key} = {toml(value[key])}" for key in sorted(value))
            return f"{{ {pairs} }}"
        case _:
            return repr(value)


def _milliseconds(seconds: Seconds) -> float:
    """Return the number that the file had, without the rounding of the division."""
    return round(seconds * 1000, 9)
