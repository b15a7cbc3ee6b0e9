"""What names, addresses and free texts may look like, in whichever file they stand."""

import ipaddress
import re
from typing import Final

from sessiond.core.mistakes import TextRule, is_printable, nearest

# Lengths of interfaces.md: both fit a DNS label, a JACK client's name and a path.
_HOST_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_SESSION_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,47}")

# RFC 1123 section 2.1, and the underscore that home networks use all the same.
_DNS_NAME: Final = re.compile(
    r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?"
)
_LONGEST_DNS_NAME: Final = 253
_HOST_CHARACTERS: Final = re.compile(r"[A-Za-z0-9_.:%-]+")
_PORT: Final = re.compile(r"[1-9][0-9]{0,4}")
_LAST_PORT: Final = 65535
_SCHEME: Final = re.compile(r"^[a-z][a-z+]*://|/.*$")

# RFC 7617 section 2: a user name in basic authentication has no colon.
_USER: Final = re.compile(r"[!-9;-~]{1,64}")

# What an ending promises is in `mountfile`.
_ENDINGS: Final = ("ogg", "opus", "flac", "mp3")
_MOUNT: Final = re.compile(r"/[A-Za-z0-9_-]{1,48}\.(ogg|opus|flac|mp3)")

# Above +24 dB every music clips; below −120 dB is below 16 bits' and any ear's floor.
_LOUDEST_DB: Final = 24.0
_FAINTEST_DB: Final = -120.0

# Icecast 2.4 takes 4 KiB a header line; players cut titles far earlier.
LONGEST_TEXT: Final = 256


def _as_name(text: str) -> str:
    """Return the text in small letters with everything else as single dashes."""
    return re.sub(r"[^a-z0-9]+", "-", text.casefold()).strip("-")


def host_name_from(text: str) -> str:
    """Return the host name that a computer's own name suggests; may be empty."""
    return _as_name(text.partition(".")[0])[:32].rstrip("-")


def is_internet_host(text: str) -> bool:
    """Tell whether a text is a DNS name or a bare IPv4 or IPv6 address."""
    if not _HOST_CHARACTERS.fullmatch(text):  # ipaddress lets anything follow a "%"
        return False
    try:
        ipaddress.ip_address(text)
    except ValueError:
        # Digits and dots alone would be a mistyped IPv4 address, not a name.
        numeric = re.fullmatch(r"[0-9.]+", text) is not None
        fits = len(text) <= _LONGEST_DNS_NAME and not numeric
        return fits and _DNS_NAME.fullmatch(text) is not None
    return True


def split_address(text: str) -> tuple[str, int] | None:
    """Return host (an IPv6 one without its brackets) and port, or None if it is bad."""
    host, colon, port = text.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not colon or not _PORT.fullmatch(port) or int(port) > _LAST_PORT:
        return None
    if (":" in bare) != (bare != host) or not is_internet_host(bare):
        return None
    return bare, int(port)


def _with_port(text: str) -> str:
    host = _SCHEME.sub("", text.strip())
    return host if split_address(host) else f"{host}:7700"


def _path_guess(text: str) -> str:
    stem, dot, ending = text.strip().lstrip("/").rpartition(".")
    clean = re.sub(r"[^A-Za-z0-9_-]+", "-", stem if dot else ending).strip("-")
    near = nearest(ending, _ENDINGS) if dot else ""
    return f"/{clean}.{near or 'ogg'}"


def is_gain(decibels: float) -> bool:
    """Tell whether a fader may stand there; −inf is silence."""
    return decibels == float("-inf") or _FAINTEST_DB <= decibels <= _LOUDEST_DB


HOST_NAME: Final = TextRule(
    accepts=_HOST_NAME.fullmatch,
    must='a host name: at most 32 of a–z, 0–9 and "-", not "-" first',
    repair=lambda text: _as_name(text)[:32],
)
SESSION_NAME: Final = TextRule(
    accepts=_SESSION_NAME.fullmatch,
    must='a session name: at most 48 of a–z, 0–9 and "-", not "-" first',
    repair=lambda text: _as_name(text)[:48],
)
INTERNET_HOST: Final = TextRule(
    accepts=is_internet_host,
    must="a host name or IP address, without port or http://",
    repair=lambda text: _SCHEME.sub("", text.strip()).partition(":")[0],
)
ADDRESS: Final = TextRule(
    accepts=split_address,
    must="HOST:PORT, an IPv6 address in brackets",
    repair=_with_port,
)
USER_NAME: Final = TextRule(
    accepts=_USER.fullmatch,
    must='at most 64 ASCII characters, without spaces and ":"',
    repair=str.strip,
)
FREE_TEXT: Final = TextRule(
    accepts=lambda text: len(text) <= LONGEST_TEXT and is_printable(text),
    must=f"at most {LONGEST_TEXT} characters on one line, none of them invisible",
    repair=lambda text: " ".join(text.split())[:LONGEST_TEXT],
)
FILE_NAME: Final = TextRule(
    accepts=lambda text: 0 < len(text) <= 4096 and is_printable(text),
    must="the name of a file",
)
MOUNT_PATH: Final = TextRule(
    accepts=_MOUNT.fullmatch,
    must='"/", 1 to 48 of A–Z, a–z, 0–9, "_" and "-", then .ogg, .opus, .flac or .mp3',
    repair=_path_guess,
)
GAIN_MUST: Final = f"from {_FAINTEST_DB:g} to {_LOUDEST_DB:g} dB, or -inf for silence"
