"""Time servers of a test: three honest ones and one that lies by five seconds.

`start_servers` gives a host of the lab four more addresses, those of `servers_of`, and
starts this module there as a program: it answers NTP questions on each of them.

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

# The last numbers of the addresses; the lab counts its hosts from 1.
_LAST: Final = (101, 102, 103, 104)
_NTP: Final = 123

_LIE_SECONDS: Final = 5

# Seconds from 1900, where NTP begins, to 1970.
_NTP_BEGIN: Final = 2_208_988_800
_PACKET: Final = struct.Struct("!BBbb3I8s8s8s8s")

# Version 4, a server's answer; 60 µs of root dispersion.
_SERVER: Final = 0x24
_DISPERSION: Final = 4


def servers_of(host: LabHost) -> tuple[str, ...]:
    """Return the addresses of a host's time servers; the last one lies."""
    network = host.address.rpartition(".")[0]
    return tuple(f"{network}.{last}" for last in _LAST)


def start_servers(host: LabHost) -> Program:
    """Start all four on a host without another time server; they answer on return."""
    servers = servers_of(host)
    for address in servers:
        host.run(("ip", "addr", "add", f"{address}/24", "dev", "eth0"))
    argv = (sys.executable, "-m", "tests.support.falsetime", *servers)
    program = host.spawn(argv, log="time")
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


def serve(addresses: list[str]) -> None:
    """Answer for ever; the last of the addresses lies."""
    with selectors.DefaultSelector() as doors:
        for address in addresses:
            door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            door.bind((address, _NTP))
            lie = _LIE_SECONDS if address == addresses[-1] else 0
            doors.register(door, selectors.EVENT_READ, lie)
        print("ready", flush=True)  # noqa: T201
        while True:
            for key, _ in doors.select():
                asked = key.fileobj
                assert isinstance(asked, socket.socket)
                question, sender = asked.recvfrom(512)
                asked.sendto(_answer(question, key.data), sender)


if __name__ == "__main__":
    serve(sys.argv[1:])
