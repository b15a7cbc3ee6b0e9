"""Writes an agent.toml as a person would: plain tables of plain values.

Beside it a studio's secret, as the one who sets its computers up would.
"""

import json
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

TomlValue = str | int | float | bool | list[str]
Tables = Mapping[str, Mapping[str, TomlValue]]
"""Table name → key → value; the keys before the first table stand under ``""``."""


def make_studio(file: Path) -> None:
    """Write a new studio's secret to a file of its owner's alone, if there is none."""
    with suppress(FileExistsError):
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as secret:
            secret.write(secrets.token_urlsafe(32) + "\n")


def merged(under: Tables, over: Tables) -> Tables:
    """Return both, key by key; what stands in `over` wins."""
    names = dict.fromkeys((*under, *over))
    return {name: {**under.get(name, {}), **over.get(name, {})} for name in names}


def rendered(tables: Tables) -> str:
    """Return the tables as TOML, the nameless one first."""
    order = sorted(tables, key=lambda name: name != "")
    return "\n".join(_table(name, tables[name]) for name in order)


def _table(name: str, values: Mapping[str, TomlValue]) -> str:
    head = f"[{name}]\n" if name else ""
    return head + "".join(f"{key} = {_value(value)}\n" for key, value in values.items())


def _value(value: TomlValue) -> str:
    # JSON's text, numbers, truth and lists of these are TOML's too.
    return json.dumps(value, ensure_ascii=False)
