"""Writes an agent.toml as a person would: plain tables of plain values."""

import json
from collections.abc import Mapping

TomlValue = str | int | float | bool | list[str]
Tables = Mapping[str, Mapping[str, TomlValue]]
"""Table name → key → value; the keys before the first table stand under ``""``."""


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
