"""What `apply` would change: two specs to lines for a person."""

import tomllib
from collections.abc import Iterator, Sequence
from typing import Final

from sessiond.core.spec import SessionSpec
from sessiond.core.specwriter import format_spec, toml

_Rows = dict[str, str]
_MOUNT: Final = "mount "


def difference(running: SessionSpec, wanted: SessionSpec) -> tuple[str, ...]:
    """Return the changes from one spec to the other, in a session file's order.

    Each line starts with ``+`` (new), ``-`` (dropped) or ``~`` (changed). Empty: the
    two are the same.
    """
    old, new = _rows(running), _rows(wanted)
    settings = (
        line
        for key in dict.fromkeys((*old, *new))
        if _is_worth_a_line(key, old, new)
        for line in _line(key, old.get(key), new.get(key))
    )
    hosts = _order("hosts", running.host_names, wanted.host_names)
    paths = [[mount.path for mount in spec.mounts] for spec in (running, wanted)]
    return (*settings, *hosts, *_order("mounts", *paths))


def _line(key: str, before: str | None, after: str | None) -> Iterator[str]:
    if before == after:
        return
    if before is None:
        yield f"+ {key}{f' = {after}' if after else ''}"
    elif after is None:
        yield f"- {key}"
    else:
        yield f"~ {key}: {before} → {after}"


def _order(what: str, before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    """Yield a line when the same things stand in another order."""
    if list(before) != list(after) and sorted(before) == sorted(after):
        yield f"~ order of {what}: {', '.join(before)} → {', '.join(after)}"


def _is_worth_a_line(key: str, old: _Rows, new: _Rows) -> bool:
    """Leave out the settings of a mount that is new or gone as a whole."""
    if not key.startswith(_MOUNT):
        return True
    mount = _MOUNT + key.removeprefix(_MOUNT).partition(" ")[0]
    return key == mount or (mount in old and mount in new)


def _rows(spec: SessionSpec) -> _Rows:
    """Return every setting as TOML, by the name that a line calls it."""
    rows: _Rows = {}
    for key, value in tomllib.loads(format_spec(spec)).items():
        if key == "hosts":
            rows |= {f"host {host}": "" for host in value}
        elif key == "mount":
            for mount in value:
                name = _MOUNT + mount.pop("path")
                rows |= {name: "", **_inner(f"{name} ", mount)}
        elif isinstance(value, dict):
            rows |= _inner(f"{key}.", value)
        else:
            rows[key] = toml(value)
    return rows


def _inner(prefix: str, table: dict[str, object]) -> _Rows:
    return {f"{prefix}{key}": toml(value) for key, value in table.items()}
