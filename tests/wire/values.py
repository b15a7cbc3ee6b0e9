"""Every type that travels, and any value of it for hypothesis to choose."""

import dataclasses
import math
from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType, ModuleType, NoneType, UnionType
from typing import Any, Final, NewType, Union, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

from agent import records
from sessiond.core import (
    admitting,
    conditions,
    facts,
    hearing,
    proc,
    spec,
    stamped,
    stationorder,
    status,
)
from sessiond.core.election import effects
from sessiond.core.election import messages as election
from sessiond.wire import bounds, join_messages, messages, peer_messages
from sessiond.wire.convert import message_names

MODULES: Final[tuple[ModuleType, ...]] = (
    admitting,
    conditions,
    effects,
    election,
    facts,
    hearing,
    join_messages,
    messages,
    peer_messages,
    proc,
    records,
    spec,
    stamped,
    stationorder,
    status,
)

# Messages with no value of their own: an error, and the holders of a oneof.
ONLY_ON_THE_WIRE: Final = frozenset({"ErrorDetail", "ElectionMessage", "Ready"})

TRAVELLERS: Final[Mapping[str, type]] = MappingProxyType(
    {
        name: value
        for module in MODULES
        for name, value in vars(module).items()
        if dataclasses.is_dataclass(value)
        and isinstance(value, type)
        and value.__module__ == module.__name__
        and name in message_names()
    }
)

_NAMES: Final = {
    "HostName": r"[a-z0-9][a-z0-9-]{0,31}",
    "HostId": r"[0-9a-f]{32}",
    "SessionName": r"[a-z0-9][a-z0-9-]{0,47}",
    "MountPath": r"/[A-Za-z0-9_-]{1,48}\.(ogg|opus|flac|mp3)",
    "ProcName": r"(link-[a-z0-9]{1,32}|source-[a-z0-9]{1,9}\.ogg|mixdown)",
    "Address": r"([a-z]{1,20}|192\.168\.1\.[1-9]|\[fe80::[1-9]\]):[1-9][0-9]{0,3}",
    "Certificate": (
        r"-----BEGIN CERTIFICATE-----\n([A-Za-z0-9+/]{1,64}\n){1,3}"
        r"-----END CERTIFICATE-----\n"
    ),
    "JoinMark": r"[0-9a-f]{64}",
    "TokenId": r"[hov][0-9a-f]{24}",
}

Hint = Any
"""A type hint; hints have no type of their own."""

_FINITE: Final = st.floats(allow_nan=False, allow_infinity=False)
# protobuf has no half of a surrogate pair, and neither has UTF-8.
_TEXT: Final = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


def any_of(cls: type) -> st.SearchStrategy[Any]:
    """Any valid value of a dataclass that travels."""
    hints = get_type_hints(cls)
    return st.builds(
        cls, **{f.name: _any(hints[f.name], f.name) for f in dataclasses.fields(cls)}
    )


def _any(hint: Hint, name: str) -> st.SearchStrategy[Any]:
    if hint is NoneType:
        return st.none()
    if get_origin(hint) in {Union, UnionType}:
        return st.one_of(*(_any(part, name) for part in get_args(hint)))
    if get_origin(hint) is not None:
        return _many(hint, name)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return any_of(hint)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return st.sampled_from(hint)
    return _scalar(hint)


def _many(hint: Hint, name: str) -> st.SearchStrategy[Any]:
    parts = [_any(part, name) for part in get_args(hint) if part is not ...]
    origin: Hint = get_origin(hint)
    if origin is tuple:
        return st.lists(parts[0], max_size=3).map(tuple)
    if origin is frozenset:
        return st.frozensets(parts[0], max_size=3)
    return st.dictionaries(*parts, max_size=3).map(MappingProxyType)


def _scalar(hint: Hint) -> st.SearchStrategy[Any]:
    name = hint.__name__
    if name in _NAMES:
        return st.from_regex(_NAMES[name], fullmatch=True)
    if name == "UdpPort":
        return st.integers(0, 65535)
    if name == "Decibels":
        return _FINITE | st.just(-math.inf)
    plain: Hint = hint.__supertype__ if isinstance(hint, NewType) else hint
    choices: Mapping[type, st.SearchStrategy[Any]] = {
        str: _TEXT,
        int: st.integers(0, bounds.LARGEST_INT),
        float: _FINITE,
        bool: st.booleans(),
        bytes: st.binary(max_size=bounds.LONGEST_BYTES),
    }
    return choices[plain]
