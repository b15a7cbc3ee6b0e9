"""Time servers of a test: three honest ones and one that lies by five seconds.

As a program (``python -m tests.support.falsetime``) it answers NTP questions on four
UDP ports of its host. `SERVERS` and `LIAR` are the ports.

Source: RFC 5905 section 7.3, the packet.
"""

import selectors
import socket
import struct
import sys
import time
from typing import Final

from sessiond.cli.lab import LabHost, Program
from tests.support.eventually import eventually

HONEST: Final = (12301, 12302, 12303)
LIAR: Final = 12304
SERVERS: Final = (*HONEST, LIAR)

_LIE_SECONDS: Final = 5

# Seconds from 1900, where NTP begins, to 1970.
_NTP_BEGIN: Final = 2_208_988_800
_PACKET: Final = struct.Struct("!BBbb3I8s8s8s8s")

# Version 4, a server's answer; 60 µs of root dispersion.
_SERVER: Final = 0x24
_DISPERSION: Final = 4


def start_servers(host: LabHost) -> Program:
    """Start all four on a host; they answer on return."""
    program = host.spawn((sys.executable, "-m", "tests.support.falsetime"), log="time")
    eventually(lambda: "ready" in program.text, within=10.0)
    return program


def _stamp(lie_seconds: int) -> bytes:
    now = time.time_ns() + lie_seconds * 10**9
    seconds, rest = divmod(now, 10**9)
    return struct.pack("!II", seconds + _NTP_BEGIN, (rest << 32) // 10**9)


def _answer(question: bytes, lie_seconds: int) -> bytes:
    came = _stamp(lie_seconds)
    asked = question[40:48]
    head = (_SERVER, 2, 6, -20, 0, _DISPERSION, 0)
    return _PACKET.pack(*head, came, asked, came, _stamp(lie_seconds))


def serve() -> None:
    """Answer for ever."""
    with selectors.DefaultSelector() as doors:
        for port in SERVERS:
            door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            door.bind(("0.0.0.0", port))
            doors.register(door, selectors.EVENT_READ, port)
        print("ready", flush=True)  # noqa: T201
        while True:
            for key, _ in doors.select():
                asking = key.fileobj
                assert isinstance(asking, socket.socket)
                question, sender = asking.recvfrom(512)
                lie = _LIE_SECONDS if key.data == LIAR else 0
                asking.sendto(_answer(question, lie), sender)


if __name__ == "__main__":
    serve()
