"""A stranger's datagrams for JackTrip, sent from whatever address it likes.

    python -m tests.support.forger KIND SOURCE:PORT TARGET:PORT SECONDS

Sends 50 a second with a raw socket, so that the source may be somebody else's; needs
root in its network. The first goes out at once.
"""

import ipaddress
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

# Field notes on JackTrip 1.7: this ends a stream.
_STOP: Final = b"\xff" * 63

# Small enough for one frame of Ethernet: a raw socket sends no fragments.
PERIOD_FRAMES: Final = 256
# JackTrip's header names the rate and the depth by these.
_CHANNELS: Final = 2
_RATE_48000: Final = 3
_BYTES_A_SAMPLE: Final = 2

_EVERY: Final = 0.02


def stop(_: int) -> bytes:
    """Return the packet by which JackTrip says that it ends."""
    return _STOP


def garbage(number: int) -> bytes:
    """Return bytes of every length, also of none, that are no packet."""
    return bytes((number * 37 + place) & 0xFF for place in range(number * 61 % 1400))


def audio(number: int) -> bytes:
    """Return a packet of full-scale noise that JackTrip takes for its peer's."""
    header = struct.pack(
        "<QHHBBBB",
        number * 10_000,
        number & 0xFFFF,
        PERIOD_FRAMES,
        _RATE_48000,
        _BYTES_A_SAMPLE,
        _CHANNELS,
        _CHANNELS,
    )
    samples = PERIOD_FRAMES * _CHANNELS
    return header + struct.pack(f"<{samples}h", *([32767, -32768] * (samples // 2)))


KINDS: Final[Mapping[str, Callable[[int], bytes]]] = MappingProxyType(
    {"stop": stop, "garbage": garbage, "audio": audio}
)

Place = tuple[str, int]


def datagram(source: Place, target: Place, content: bytes) -> bytes:
    """Return a whole IPv4 packet (RFC 791, RFC 768); the kernel fills checksums in.

    A UDP checksum of zero says that there is none.
    """
    udp = struct.pack("!HHHH", source[1], target[1], 8 + len(content), 0)
    ends = (ipaddress.IPv4Address(host).packed for host, _ in (source, target))
    length = 20 + len(udp) + len(content)
    udp_number = socket.IPPROTO_UDP
    ip = struct.pack("!BBHHHBBH", 0x45, 0, length, 0, 0, 64, udp_number, 0)
    return ip + b"".join(ends) + udp + content


def _place(text: str) -> Place:
    host, _, port = text.rpartition(":")
    return host, int(port)


def main() -> None:
    """Send them all."""
    kind, source, target, seconds = sys.argv[1:]
    ends = time.monotonic() + float(seconds)
    at, pause, number = _place(target), threading.Event(), 0
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        while time.monotonic() < ends:
            content = KINDS[kind](number)
            raw.sendto(datagram(_place(source), at, content), (at[0], 0))
            number += 1
            pause.wait(_EVERY)
    sys.stdout.write(f"{number}\n")


if __name__ == "__main__":
    main()
