"""Changes to a spec that are asked for without a session file.

A spec that arrives over the wire was not read by the parser either, so `checked` is
what stands between a foreign client and the leader's stamp.
"""

from dataclasses import replace

from sessiond.core.mistakes import BadFile
from sessiond.core.spec import MountSpec, SessionSpec
from sessiond.core.specfile import parse_spec
from sessiond.core.specwriter import format_spec
from sessiond.errors import Refused
from sessiond.units import Decibels, HostName, MountPath


def checked(spec: SessionSpec) -> SessionSpec:
    """Return the spec as a session file gives it.

    Raises:
        Refused: No session file could say this; the hint lists every mistake.
    """
    try:
        return parse_spec(format_spec(spec)).spec
    except BadFile as e:
        # Its lines are those of a text that nobody has seen.
        reasons = (
            f"{m.where}: {m.reason}" if m.where else m.reason for m in e.mistakes
        )
        raise Refused(
            f"{spec.name} can't be as it is asked for.", "\n".join(reasons)
        ) from e


def with_gain(
    spec: SessionSpec, path: MountPath, host: HostName, gain: Decibels
) -> SessionSpec:
    """Return the spec with one fader moved.

    Raises:
        Refused: There is no such mount, the host is not on it, or no fader goes there.
    """
    mount = next((m for m in spec.mounts if m.path == path), None)
    if mount is None:
        paths = ", ".join(m.path for m in spec.mounts) or "none"
        raise Refused(f"{spec.name} has no mount {path}.", f"It has: {paths}.")
    if host not in spec.heard_on(mount):
        heard = ", ".join(spec.heard_on(mount))
        raise Refused(f"{host} is not on {path}.", f"On it are: {heard}.")
    gains = {**mount.gains_db, host: gain}
    changed = replace(mount, gains_db={h: g for h, g in gains.items() if g})
    mounts = tuple(changed if m.path == path else m for m in spec.mounts)
    return checked(replace(spec, mounts=mounts))


def without_host(spec: SessionSpec, host: HostName) -> SessionSpec:
    """Return the spec without a host, wherever it is named.

    A mount that carried this host alone goes with it: whoever leaves must not be kept
    by what only he is heard on. At least one other host has to stay.
    """
    broadcast = replace(
        spec.broadcast,
        prefer=tuple(n for n in spec.broadcast.prefer if n != host),
        never=spec.broadcast.never - {host},
    )
    kept = (_without(mount, host) for mount in spec.mounts)
    return replace(
        spec,
        hosts=tuple(ref for ref in spec.hosts if ref.name != host),
        mounts=tuple(mount for mount in kept if mount.sources),
        broadcast=broadcast,
    )


def _without(mount: MountSpec, host: HostName) -> MountSpec:
    return replace(
        mount,
        sources=tuple(name for name in mount.sources if name != host),
        gains_db={h: g for h, g in mount.gains_db.items() if h != host},
    )
