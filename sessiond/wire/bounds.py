"""What a text or number from the network may be, by its type.

The patterns are those of the files (`core.namerules`, checked by a test); they
stand here too so that the border needs nothing but itself to turn a caller away.
"""

import math
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from sessiond.core.spec import EVERYONE
from sessiond.core.stamped import MOST_PEOPLE, MOST_USED
from sessiond.errors import Refused

# The longest true text is a doctor's sentence or a plan's line; 1 MiB bounds the rest.
LONGEST_TEXT: Final = 4096

# A proof has 32 bytes, a nonce 16.
LONGEST_BYTES: Final = 64

# Hundreds of hosts are meant to fit; a mesh of 64 has 2,016 links.
MOST_ITEMS: Final = 4096

# What each member keeps and sends on with every document.
MOST_OF: Final[Mapping[str, int]] = MappingProxyType(
    {"StampedSpec.people": MOST_PEOPLE, "StampedSpec.used": MOST_USED}
)

# As much of a wrong text as tells it apart.
LONGEST_SHOWN: Final = 48

# Exact in a double, so in JSON too; a term this high is no accident.
LARGEST_INT: Final = 2**53 - 1
_LAST_PORT: Final = 65535

_HOST_NAME: Final = r"[a-z0-9][a-z0-9-]{0,31}"
# Thirty lines are below 2 KiB, and a P-256 certificate of ours has ten. Exactly one:
# whatever stands in a list of roots is trusted.
_CERTIFICATE: Final = (
    r"-----BEGIN CERTIFICATE-----\n([A-Za-z0-9+/]{1,64}={0,2}\n){1,30}"
    r"-----END CERTIFICATE-----\n?"
)
_PORT: Final = (
    r"(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[0-9]{1,4})"
)
_ADDRESS: Final = (
    rf"(\[[0-9A-Fa-f:.]{{2,45}}\]|[A-Za-z0-9_][A-Za-z0-9._-]{{0,252}}):{_PORT}"
)

# Keys are NewTypes' names: that is what remains of them at run time.
_PATTERNS: Final[Mapping[str, tuple[str, re.Pattern[str]]]] = MappingProxyType(
    {
        "HostName": ("a host name", re.compile(_HOST_NAME)),
        "HostNameOrEveryone": (
            f'a host name or "{EVERYONE}"',
            re.compile(rf"{_HOST_NAME}|{re.escape(EVERYONE)}"),
        ),
        "HostId": ("a host id", re.compile(r"[0-9a-f]{32}")),
        "SessionName": ("a session name", re.compile(r"[a-z0-9][a-z0-9-]{0,47}")),
        "MountPath": (
            "a mount path",
            re.compile(r"/[A-Za-z0-9_-]{1,48}\.(ogg|opus|flac|mp3)"),
        ),
        "ProcName": ("a proc name", re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")),
        "Address": ("HOST:PORT", re.compile(_ADDRESS)),
        "Certificate": ("a certificate", re.compile(_CERTIFICATE)),
        "JoinMark": ("a join secret's mark", re.compile(r"[0-9a-f]{64}")),
        "TokenId": ("an invitation's id", re.compile(r"[hov][0-9a-f]{24}")),
    }
)

Check = Callable[[object], object]
"""Returns the value as it is, or raises Refused."""


def shown(text: str) -> str:
    """Return as much of a text as tells it apart."""
    return repr(text[:LONGEST_SHOWN])


# A session's names come by again and again: several on every heartbeat.
@lru_cache(maxsize=4096)
def _fits(type_name: str, text: str) -> bool:
    return _PATTERNS[type_name][1].fullmatch(text) is not None


def text_check(where: str, type_name: str) -> Check:
    """Return the check of a text of this type; any other type is free text."""

    def name(value: object) -> object:
        text = str(value)
        if not _fits(type_name, text[: LONGEST_TEXT + 1]):
            must = _PATTERNS[type_name][0]
            raise Refused(f"{where} is not {must}: {shown(text)}.")
        return value

    def free(value: object) -> object:
        if len(str(value)) > LONGEST_TEXT:
            raise Refused(f"{where} is longer than {LONGEST_TEXT} characters.")
        return value

    return name if type_name in _PATTERNS else free


def bytes_check(where: str) -> Check:
    """Return the check of bytes that no name or number stands for."""

    def check(value: object) -> object:
        if not isinstance(value, bytes) or len(value) > LONGEST_BYTES:
            raise Refused(f"{where} is longer than {LONGEST_BYTES} bytes.")
        return value

    return check


def int_check(where: str, type_name: str) -> Check:
    """Return the check of a whole number: never negative on the wire."""
    largest = _LAST_PORT if type_name == "UdpPort" else LARGEST_INT

    def check(value: object) -> object:
        if not isinstance(value, int) or value > largest:
            raise Refused(f"{where} is more than {largest}.")
        return value

    return check


def float_check(where: str, type_name: str) -> Check:
    """Return the check of a number: finite, but for the decibels of silence."""
    silence = type_name == "Decibels"

    def check(value: object) -> object:
        number = value if isinstance(value, float) else math.nan
        if math.isfinite(number) or (silence and number == -math.inf):
            return value
        raise Refused(f"{where} is not a finite number.")

    return check


def count_check(where: str, count: int) -> None:
    """Refuse a list or table that is longer than any true one."""
    most = MOST_OF.get(where, MOST_ITEMS)
    if count > most:
        raise Refused(f"{where} has more than {most} entries.")
