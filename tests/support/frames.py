"""HTTP/2 by hand, for callers that no library lets one be.

Source: RFC 9113 (frames), RFC 7541 section 6.2.2 (headers as plain literals).
"""

import socket
import ssl
import struct
from functools import cache
from tempfile import NamedTemporaryFile
from typing import Final

from sessiond.wire.identity import Identity

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA: Final = 0x0
HEADERS: Final = 0x1
RESET: Final = 0x3
SETTINGS: Final = 0x4
PING: Final = 0x6
CONTINUATION: Final = 0x9

ACK: Final = 0x1
END_STREAM: Final = 0x1
END_HEADERS: Final = 0x4


def frame(kind: int, stream: int, payload: bytes = b"", *, flags: int = 0) -> bytes:
    """Return one frame; its length is what the payload has."""
    length = struct.pack(">I", len(payload))[1:]
    return length + bytes((kind, flags)) + struct.pack(">I", stream) + payload


GREETING: Final = PREFACE + frame(SETTINGS, 0)
"""What a client says first."""

POLITE: Final = GREETING + frame(SETTINGS, 0, flags=ACK)
"""What it says until it has something to ask."""


def call(path: str, stream: int) -> bytes:
    """Return the headers of a gRPC call; its request is still to come."""
    headers = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": "agent",
        "te": "trailers",
        "content-type": "application/grpc",
    }
    block = b"".join(literal(name, value) for name, value in headers.items())
    return frame(HEADERS, stream, block, flags=END_HEADERS)


def message(content: bytes, stream: int) -> bytes:
    """Return a gRPC message as the last frame of a call."""
    prefixed = b"\0" + struct.pack(">I", len(content)) + content
    return frame(DATA, stream, prefixed, flags=END_STREAM)


def literal(name: str, value: str) -> bytes:
    """Return a header that nobody has to remember; both below 127 characters."""
    texts = (text.encode() for text in (name, value))
    return b"\0" + b"".join(bytes((len(text),)) + text for text in texts)


def dial(address: str, first: bytes = b"") -> socket.socket:
    """Open a connection to ``HOST:PORT``, say the first words, and keep it."""
    host, _, port = address.rpartition(":")
    line = socket.create_connection((host, int(port)), timeout=5)
    if first:
        line.sendall(first)
    return line


def dial_secure(address: str, identity: Identity, first: bytes = b"") -> ssl.SSLSocket:
    """As `dial`, encrypted, as somebody; who answers is not looked at."""
    line = _shows(identity).wrap_socket(dial(address), server_hostname="sessiond")
    if first:
        line.sendall(first)
    return line


@cache
def _shows(identity: Identity) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    with NamedTemporaryFile() as file:
        file.write(f"{identity.key}{identity.certificate}".encode())
        file.flush()
        context.load_cert_chain(file.name)
    return context


def is_open(line: socket.socket) -> bool:
    """Tell whether the other side has not hung up; what it says is dropped."""
    line.setblocking(False)
    try:
        while line.recv(65536):
            pass
    except (BlockingIOError, ssl.SSLWantReadError):
        return True
    except OSError:
        return False
    return False
