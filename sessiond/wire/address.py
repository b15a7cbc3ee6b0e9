"""Where an agent is reached: ``HOST:PORT`` or ``unix:PATH``."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sessiond.errors import Refused

_UNIX: Final = "unix:"

# sockaddr_un holds 108 bytes with the closing zero (unix(7)).
_LONGEST_SOCKET_PATH: Final = 107


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """A host, without brackets, and a port; port 0 lets the system choose."""

    host: str
    port: int

    def __str__(self) -> str:
        """``HOST:PORT``, an IPv6 host in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """A socket in the file system."""

    path: Path

    def __str__(self) -> str:
        """``unix:PATH``."""
        return f"{_UNIX}{self.path}"


WireAddress = TcpAddress | UnixAddress


def parse_address(text: str) -> WireAddress:
    """Read an address as people write it.

    Raises:
        Refused: It has neither form, or the path is longer than a socket's may be.
    """
    if text.startswith(_UNIX):
        return _unix(text.removeprefix(_UNIX))
    host, colon, port = text.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    good_port = port.isascii() and port.isdecimal() and int(port) <= 65535
    if not (bare and colon and good_port) or (":" in bare) != (bare != host):
        raise Refused(
            f"{text!r} is no agent's address.",
            "Write HOST:PORT or unix:/path/to/agent.sock.",
        )
    return TcpAddress(bare, int(port))


def _unix(path: str) -> UnixAddress:
    absolute = Path(path).expanduser().absolute()
    if not path or len(bytes(absolute)) > _LONGEST_SOCKET_PATH:
        raise Refused(
            f"{path!r} is no path for a socket.",
            f"It takes 1 to {_LONGEST_SOCKET_PATH} bytes.",
        )
    return UnixAddress(absolute)
