"""Carry the project's frozen values into protobuf messages and back.

One converter serves every type, because names agree: a dataclass and its message
share their name, an attribute and its field too. What differs is a table:

    Python                      protobuf
    str, int, float, bool       string, uint64, double, bool
    bytes                       bytes; few, for proofs and their nonces
    a NewType of one of them    the same; its pattern is checked on the way in
    Seconds                     double; the field's name ends in ``_s`` or ``seconds``
    StrEnum, IntEnum            string, its text; uint64
    X | None                    optional; a message is optional anyway
    tuple, frozenset            repeated (a set is sent in order)
    Mapping                     map
    dataclass                   message of that name
    A | B of dataclasses        message with one oneof; fields are named a, b

On the way in nothing is trusted: unknown texts, missing messages, names that break
their pattern and over-long values are Refused. A message or an enum's text that an
older sender doesn't know of is missing: the attribute's default stands in for it.

Each dataclass is looked at once; its codec is kept. No dataclass is special here.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from functools import cache
from importlib import import_module
from re import sub
from types import MappingProxyType, NoneType, UnionType
from typing import Any, Final, NewType, TypeVar, Union, get_args, get_origin
from typing import get_type_hints as hints_of

from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from sessiond.core.spec import MountSpec
from sessiond.errors import Refused
from sessiond.wire import bounds

T = TypeVar("T")

Hint = Any
"""A type hint; hints have no type of their own."""

Value = Any
"""Whatever an attribute may hold; its codec knows."""

Class = Any
"""A dataclass; mypy takes a plain ``type`` for unhashable."""

Held = Any
"""A message, or what a field of it holds; those classes are made at run time."""

Descriptor = Any
"""A field's description; protobuf has a class for each of its implementations."""

# Each is loaded when a name was in none before it: people's calls never need the
# later ones, and start the quicker for it.
_FILES: Final = ("session", "status", "agent", "peer", "election", "state", "join")

_SECONDS: Final = frozenset({"Seconds", "WallSeconds"})

# The one place where "*" stands for a host.
_OTHER_TYPE: Final[Mapping[tuple[type, str], str]] = MappingProxyType(
    {(MountSpec, "sources"): "HostNameOrEveryone"}
)


@dataclasses.dataclass(frozen=True, slots=True)
class _Kind:
    """How one type travels.

    Attributes:
        put: Returns what a message's constructor takes.
        take: Returns the checked value of what a message holds.
    """

    put: Callable[[Any], Any]
    take: Callable[[Any], Any]


@dataclasses.dataclass(frozen=True, slots=True)
class _Field:
    """One attribute and its field.

    Attributes:
        can_be_absent: Whether presence is known (``HasField``).
        absent: Returns what stands for an absent field, or refuses.
        blank: Whether an empty text means absent too, as it does for an enum.
    """

    name: str
    wire: str
    kind: _Kind
    can_be_absent: bool
    blank: bool
    absent: Callable[[], Any]


@dataclasses.dataclass(frozen=True, slots=True)
class _Codec:
    cls: type
    message: type[Message]
    fields: tuple[_Field, ...]

    def put(self, value: Value) -> Message:
        return self.message(
            **{
                field.wire: None if part is None else field.kind.put(part)
                for field in self.fields
                for part in (getattr(value, field.name),)
            }
        )

    def take(self, message: Held) -> Value:
        parts = {field.name: _take_field(field, message) for field in self.fields}
        try:
            return self.cls(**parts)
        except ValueError as e:
            raise Refused(f"{self.cls.__name__} is not valid: {e}.") from e


def to_wire(value: object) -> Message:
    """Return the message of a dataclass; a type without one is a bug."""
    cls: Class = type(value)
    return _codec(cls).put(value)


def from_wire(cls: type[T], message: Message) -> T:
    """Return the checked value of a message.

    Raises:
        Refused: Something in it is missing, unknown, too long or misnamed.
    """
    known: Class = cls
    value: T = _codec(known).take(message)
    return value


def encode(value: object) -> bytes:
    """Return the bytes of a dataclass's message."""
    return to_wire(value).SerializeToString()


def decode(cls: type[T], content: bytes) -> T:
    """Return the checked value of a message's bytes.

    Raises:
        Refused: They are no such message, or as in `from_wire`.
    """
    try:
        message = _message_class(cls.__name__).FromString(content)
    except DecodeError as e:
        raise Refused(f"What came is no {cls.__name__}.") from e
    return from_wire(cls, message)


def _take_field(field: _Field, message: Held) -> Value:
    if field.can_be_absent and not message.HasField(field.wire):
        return field.absent()
    value = getattr(message, field.wire)
    return field.absent() if field.blank and value == "" else field.kind.take(value)


# ── reading a dataclass once ────────────────────────────────────────────────────────


def message_names() -> frozenset[str]:
    """Return the name of every message, for the tests' completeness."""
    return frozenset(name for file in _FILES for name in _messages_of(file))


@cache
def _messages_of(file: str) -> Mapping[str, Any]:
    module = import_module(f"sessiond.v1.{file}_pb2")
    names: Mapping[str, Any] = module.DESCRIPTOR.message_types_by_name
    return names


@cache
def _message_class(name: str) -> type[Message]:
    for file in _FILES:
        if name in _messages_of(file):
            return GetMessageClass(_messages_of(file)[name])
    raise TypeError(f"proto/sessiond/v1 has no message {name}")


@cache
def _codec(cls: Class) -> _Codec:
    message = _message_class(cls.__name__)
    wires = message.DESCRIPTOR.fields_by_name
    hints = hints_of(cls)
    fields = tuple(
        _field(cls, field, hints[field.name], wires)
        for field in dataclasses.fields(cls)
    )
    left = set(wires) - {field.wire for field in fields}
    if left:
        raise TypeError(f"{cls.__name__} lacks what its message has: {left}")
    return _Codec(cls, message, fields)


def _field(
    cls: type,
    field: "dataclasses.Field[Any]",
    hint: Hint,
    wires: Mapping[str, Descriptor],
) -> _Field:
    where = f"{cls.__name__}.{field.name}"
    inner, optional = _without_none(hint)
    bare = _name_of(inner) in _SECONDS and not field.name.endswith(("_s", "seconds"))
    wire = f"{field.name}_s" if bare else field.name
    if wire not in wires:
        raise TypeError(f"message {cls.__name__} has no field {wire}")
    type_name = _OTHER_TYPE.get((cls, field.name), "")
    return _Field(
        name=field.name,
        wire=wire,
        kind=_kind(inner, wires[wire], where, type_name),
        can_be_absent=wires[wire].has_presence,
        blank=_is_enum(inner),
        absent=_absent(field, where, optional=optional),
    )


def _absent(
    field: "dataclasses.Field[Any]", where: str, *, optional: bool
) -> Callable[[], Any]:
    def default() -> object:
        return field.default

    def refuse() -> object:
        raise Refused(f"{where} is missing.")

    if optional:
        return lambda: None
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory
    return refuse if field.default is dataclasses.MISSING else default


def _without_none(hint: Hint) -> tuple[Hint, bool]:
    """Return the hint without None, and whether None was in it."""
    if not _is_union(hint):
        return hint, False
    parts = tuple(part for part in get_args(hint) if part is not NoneType)
    inner = parts[0] if len(parts) == 1 else Union[parts]  # noqa: UP007  at run time
    return inner, len(parts) < len(get_args(hint))


def _is_union(hint: object) -> bool:
    return get_origin(hint) in {Union, UnionType}


def _is_enum(hint: object) -> bool:
    return isinstance(hint, type) and issubclass(hint, Enum)


def _name_of(hint: object) -> str:
    return hint.__name__ if isinstance(hint, NewType) else ""


# ── the kinds of the table above ────────────────────────────────────────────────────


def _kind(
    hint: Hint,
    wire: Descriptor,
    where: str,
    type_name: str = "",
) -> _Kind:
    if _is_union(hint):
        return _one_of(hint, wire, where)
    origin: Hint = get_origin(hint)
    if origin is None:
        return _single(hint, where, type_name)
    if origin in {tuple, frozenset}:
        item = _kind(get_args(hint)[0], wire, where, type_name)
        return _repeated(origin, item, where)
    return _table(hint, wire, where)


def _single(hint: Hint, where: str, type_name: str) -> _Kind:
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        # By name at the first use: a message may hold itself.
        return _Kind(to_wire, lambda message: _codec(hint).take(message))
    if _is_enum(hint):
        return _enum(hint, where)
    return _scalar(hint, where, type_name or _name_of(hint))


def _same(value: Value) -> Value:
    return value


def _scalar(hint: Hint, where: str, type_name: str) -> _Kind:
    plain = hint.__supertype__ if isinstance(hint, NewType) else hint
    if plain is str:
        return _Kind(_same, bounds.text_check(where, type_name))
    if plain is int:
        return _Kind(_same, bounds.int_check(where, type_name))
    if plain is float:
        return _Kind(_same, bounds.float_check(where, type_name))
    if plain is bool:
        return _Kind(_same, _same)
    if plain is bytes:
        return _Kind(_same, bounds.bytes_check(where))
    raise TypeError(f"{where} has a type that can't travel: {hint}")


def _enum(hint: Hint, where: str) -> _Kind:
    plain = str if issubclass(hint, str) else int
    members = {plain(member.value): member for member in hint}

    def take(value: str | int) -> object:
        if value not in members:
            known = ", ".join(map(str, members))
            raise Refused(
                f"{where} is unknown: {bounds.shown(str(value))}.",
                f"Known are: {known}.",
            )
        return members[value]

    return _Kind(plain, take)


def _repeated(origin: type, item: _Kind, where: str) -> _Kind:
    def put(values: Iterable[Any]) -> list[Any]:
        ordered = sorted(values) if origin is frozenset else values
        return [item.put(value) for value in ordered]

    def take(values: Held) -> Value:
        bounds.count_check(where, len(values))
        return origin(map(item.take, values))

    return _Kind(put, take)


def _table(hint: Hint, wire: Descriptor, where: str) -> _Kind:
    parts = zip(get_args(hint), ("key", "value"), strict=True)
    fields = wire.message_type.fields_by_name
    key, value = (_kind(part, fields[name], where) for part, name in parts)

    def put(values: Mapping[Any, Any]) -> dict[Any, Any]:
        return {key.put(k): value.put(v) for k, v in values.items()}

    def take(values: Held) -> Value:
        bounds.count_check(where, len(values))
        return MappingProxyType({key.take(k): value.take(v) for k, v in values.items()})

    return _Kind(put, take)


def _one_of(hint: Hint, wire: Descriptor, where: str) -> _Kind:
    holder = GetMessageClass(wire.message_type)
    (choice,) = wire.message_type.oneofs_by_name
    classes: dict[str, type] = {_snake(part.__name__): part for part in get_args(hint)}
    strays = set(classes) ^ set(wire.message_type.fields_by_name)
    if strays:
        raise TypeError(f"{where} and its oneof differ: {strays}")

    def put(value: object) -> Message:
        return holder(**{_snake(type(value).__name__): to_wire(value)})

    def take(message: Held) -> Value:
        name = message.WhichOneof(choice)
        if name is None:
            raise Refused(f"{where} holds nothing that this version knows.")
        return _codec(classes[name]).take(getattr(message, name))

    return _Kind(put, take)


@cache
def _snake(name: str) -> str:
    return sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
