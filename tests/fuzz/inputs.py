"""Inputs that nobody meant: bytes, mutated messages and files, hostile values.

Hypothesis chooses a seed; what comes of it is made by a plain generator of random
numbers, because that is a hundred times faster. A failure shows the input itself.
"""

import json
import math
import os
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from random import Random
from types import MappingProxyType
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

import sessiond.wire
from sessiond.wire.methods import Method

INPUTS: Final = int(os.environ.get("FUZZ_INPUTS", "2000"))
"""How many inputs all tests here make together, or some more."""

BATCH: Final = 20
"""How many come of one of hypothesis's examples."""

# What has broken parsers, terminals, shells, formats and paths elsewhere.
TEXTS: Final[tuple[str, ...]] = (
    "",
    " ",
    "\0",
    "\n",
    "\r\n[icecast]\r\nhost = 1",
    "../../etc/passwd",
    "/etc/shadow",
    "/mix.ogg/../../admin",
    "-J",
    "--help",
    "$(reboot)",
    "`reboot`; reboot | reboot & reboot",
    "%s%n%x",
    "{0.__class__}",
    "http://source:hackme@radio.local:8000/mix.ogg",
    "jam://a:1/b?key=c&t=d.e",
    "192.168.1.20:99999",
    "[::1]:7700",
    "[fe80::1%eth0]:1",
    "*",
    "alice",
    "/mix.ogg",
    "0123456789abcdef" * 2,
    "\x1b]0;owned\x07\x1b[2J",
    "\u202egpj.exe",
    "é" * 300,
    "😀",
    "\ufeff",
    "\uffff",
    "<!ENTITY x SYSTEM 'file:///etc/passwd'>",
    "' OR 1=1 --",
    '"""',
    "'''",
    "a" * 33,
    "x" * 5000,
    "on",
    "vorbis",
    "jackd",
)

NUMBERS: Final = (0, 1, 2, 255, 4464, 48000, 65535, 65536, 2**31, 2**53, 2**64 - 1)
REALS: Final = (0.0, -0.0, 1.5, -1.0, 1e308, 5e-324, math.inf, -math.inf, math.nan)

# A message of ours holds others five deep; what goes deeper is refused or ignored.
DEEPEST: Final = 7


Descriptor = Any
"""A field's description; protobuf has a class for each of its implementations."""


def examples(kinds: int, share: int) -> int:
    """Return how many of hypothesis's examples each of `kinds` tests takes.

    Args:
        kinds: How many tests there are.
        share: How many thirds of all inputs they make together; rounded up.
    """
    return math.ceil(INPUTS * share / 3 / kinds / BATCH)


def methods() -> Mapping[str, Method[Any, Any]]:
    """Return every method of every service by its path, whichever module has it."""
    found: dict[str, Method[Any, Any]] = {}
    tables = pkgutil.iter_modules(sessiond.wire.__path__)
    for table in (module.name for module in tables if "methods" in module.name):
        names = vars(import_module(f"sessiond.wire.{table}"))
        found |= {m.path: m for m in names.values() if isinstance(m, Method)}
    return MappingProxyType(found)


def travellers() -> Mapping[str, type]:
    """Return whatever a method takes or gives, by name."""
    both = ((m.request, m.reply) for m in methods().values())
    return {cls.__name__: cls for pair in both for cls in pair}


def arbitrary(random: Random) -> bytes:
    """Return bytes, most of them few."""
    return random.randbytes(random.choice((0, 1, 2, 8, 64, 700)))


def mutated(random: Random, content: bytes) -> bytes:
    """Return bytes that were a message, or the like, until a moment ago."""
    for _ in range(random.randint(1, 6)):
        at, end = sorted(random.randint(0, len(content)) for _ in range(2))
        change = random.choice(_CHANGES)
        content = content[:at] + change(random, content[at:end]) + content[end:]
    return content[:100_000]


Change = Callable[[Random, bytes], bytes]

_CHANGES: Final[tuple[Change, ...]] = (
    lambda _, part: b"",
    lambda _, part: part + part,
    lambda _, part: part[::-1],
    lambda random, part: part + random.randbytes(1),
    lambda random, part: bytes([random.choice((0, 0x7F, 0x80, 0xFF))]) + part[1:],
    lambda random, part: (
        bytes([part[0] ^ 1 << random.randrange(8)]) + part[1:] if part else b"\x08"
    ),
    lambda random, part: random.choice(TEXTS).encode() + part,
)


def fill(random: Random, message: Message, depth: int = 0) -> None:
    """Set some of a message's fields to values of the right type and the wrong kind."""
    for field in message.DESCRIPTOR.fields:
        if random.random() < (0.85 if depth < 3 else 0.4):
            _fill_field(random, message, field, depth)


def _fill_field(
    random: Random, message: Message, field: Descriptor, depth: int
) -> None:
    many = random.choice((0, 1, 1, 2, 5)) if field.is_repeated else 1
    held = getattr(message, field.name)
    for _ in range(many):
        if field.message_type is None and field.is_repeated:
            held.append(_scalar(random, field))
        elif field.message_type is None:
            setattr(message, field.name, _scalar(random, field))
        elif field.message_type.GetOptions().map_entry:
            parts = field.message_type.fields_by_name
            held[_scalar(random, parts["key"])] = _scalar(random, parts["value"])
        elif depth < DEEPEST:
            inner = held.add() if field.is_repeated else held
            if not field.is_repeated:
                inner.SetInParent()
            fill(random, inner, depth + 1)


def _scalar(random: Random, field: Descriptor) -> Any:  # noqa: ANN401
    choices: Mapping[int, Callable[[], Any]] = {
        FieldDescriptor.CPPTYPE_STRING: lambda: _text(random, field),
        FieldDescriptor.CPPTYPE_UINT64: lambda: random.choice(NUMBERS),
        FieldDescriptor.CPPTYPE_DOUBLE: lambda: random.choice(REALS),
        FieldDescriptor.CPPTYPE_BOOL: lambda: random.random() < 0.5,
    }
    return choices[field.cpp_type]()


def _text(random: Random, field: Descriptor) -> str | bytes:
    text = random.choice(TEXTS)
    return text.encode() if field.type == FieldDescriptor.TYPE_BYTES else text


def texts_in(value: object) -> Iterator[str]:
    """Yield every text that a decoded value holds, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, held in value.items():
            yield from texts_in(key)
            yield from texts_in(held)
    elif isinstance(value, tuple | frozenset | list):
        for held in value:
            yield from texts_in(held)
    elif hasattr(value, "__dataclass_fields__"):
        for name in value.__dataclass_fields__:
            yield from texts_in(getattr(value, name))


# ── files ───────────────────────────────────────────────────────────────────────────


def scrambled(random: Random, file: str, keys: tuple[str, ...]) -> str:
    """Return a file with lines moved, doubled, cut and set to something else."""
    lines = file.splitlines()
    for _ in range(random.randint(1, 8)):
        at = random.randrange(len(lines) + 1)
        change = random.randrange(5)
        if change == 0:
            lines.insert(at, random.choice(lines) if lines else "[")
        elif change == 1:
            del lines[at : at + random.randint(1, 3)]
        elif change == 2:
            lines.insert(at, f"{random.choice(keys)} = {toml(random)}")
        elif change == 3:
            lines.insert(at, random.choice(("[", "[[")) + random.choice(keys) + "]")
        else:
            whole = "\n".join(lines).encode("utf-8", "surrogateescape")
            cut = mutated(random, whole).decode("utf-8", "surrogateescape")
            lines = cut.splitlines()
    return "\n".join(lines) + random.choice(("\n", "", "\r\n", "\0"))


def toml(random: Random, depth: int = 0) -> str:
    """Return any TOML value, or nearly one."""
    if depth < 4 and random.random() < 0.3:
        return _nested(random, depth + 1)
    return random.choice(_SCALARS)(random)


_SCALARS: Final[tuple[Callable[[Random], str], ...]] = (
    lambda random: json.dumps(random.choice(TEXTS), ensure_ascii=False),
    lambda random: f"'{random.choice(TEXTS)}'",
    lambda random: random.choice(("nan", "-inf", "1e400", "0x_", "1_0", "true", "T")),
    lambda random: str(random.choice(NUMBERS) * random.choice((1, -1))),
    lambda random: random.choice(("1979-05-27", "07:32:00", "1979-05-27T00:32:00Z")),
    lambda random: "9" * random.choice((20, 5000)),
)


def _nested(random: Random, depth: int) -> str:
    if random.random() < 0.3:
        key = random.choice(("a", "alice", '"x y"'))
        return f"{{ {key} = {toml(random, depth)} }}"
    items = ", ".join(toml(random, depth) for _ in range(random.randint(0, 3)))
    return f"[{items}]"
