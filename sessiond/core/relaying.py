"""Where a relay server gets its mounts from: another Icecast, the origin.

A relay is a listener of the origin with listeners of its own. It needs no password, and
the origin needs not know of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sessiond.core.namerules import split_address
from sessiond.core.xmltext import element
from sessiond.errors import Refused
from sessiond.units import MountPath

_SCHEME: Final = "http://"
_PORT: Final = 80

_HINT: Final = "Write http://HOST:PORT, such as http://radio.local:8000."

# Whoever asks a relay for a mount that the origin doesn't have gets a 404, and so does
# everybody else for the next 120 s, by default, even when the mount has come meanwhile.
# Source: Icecast 2.4.4, ``start_relay_stream``.
_RETRY_SECONDS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The Icecast that sources feed."""

    host: str
    port: int


def parse_origin(url: str) -> Origin:
    """Return which Icecast an address names; without a port it is HTTP's, 80.

    Raises:
        Refused: It is no such address. Icecast 2.4 relays over plain HTTP alone.
    """
    scheme = url[: len(_SCHEME)].lower()
    if url.lower().startswith("https://"):
        raise Refused("Icecast relays nothing over TLS.", _HINT)
    host = url[len(_SCHEME) :].removesuffix("/")
    found = split_address(host) or split_address(f"{host}:{_PORT}")
    if scheme != _SCHEME or found is None:
        raise Refused(f"{url!r} is no address of an Icecast.", _HINT)
    return Origin(host=found[0], port=found[1])


def relay_lines(path: MountPath, origin: Origin) -> Iterator[str]:
    """Yield the element that relays a mount under its own name.

    On demand: without listeners here, nothing is fetched there.
    """
    yield "  <relay>"
    yield element("server", origin.host, depth=2)
    yield element("port", str(origin.port), depth=2)
    yield element("mount", path, depth=2)
    yield element("local-mount", path, depth=2)
    # The titles of MP3; others carry theirs in the stream.
    yield element("relay-shoutcast-metadata", "1", depth=2)
    yield element("on-demand", "1", depth=2)
    yield "  </relay>"


RETRY: Final = element("master-update-interval", str(_RETRY_SECONDS))
"""How soon a relay asks again for what the origin didn't have."""
