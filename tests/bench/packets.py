"""When the audio of each peer arrives on a host, as its network interface sees it.

    python -m tests.bench.packets ADDRESS…

Prints ``ready``, then a line ``ADDRESS SECONDS`` for each peer once its packets go on
arriving; ends when all have. Needs the right to open packet sockets.
"""

import socket
import sys
import time
from collections import Counter
from collections.abc import Iterable
from typing import Final

ETH_P_IP: Final = 0x0800
UDP: Final = 17

# JackTrip's ports; whatever else comes over UDP (mDNS, NTP) is no audio.
PORTS: Final = range(4464, 5465)

# One packet says that the peer is there, some more that it goes on.
UP_AFTER: Final = 5


def sender(packet: bytes) -> str | None:
    """Return who sent an IPv4 packet of audio; None for any other packet."""
    head = (packet[0] & 0x0F) * 4
    if packet[9] != UDP or len(packet) < head + 8:
        return None
    port = int.from_bytes(packet[head + 2 : head + 4], "big")
    return socket.inet_ntoa(packet[12:16]) if port in PORTS else None


def watch(peers: Iterable[str]) -> None:
    """Print when each of these addresses is up."""
    missing = set(peers)
    counts: Counter[str] = Counter()
    kind = socket.htons(ETH_P_IP)
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, kind) as door:
        print("ready", flush=True)  # noqa: T201
        while missing:
            packet, where = door.recvfrom(2048)
            peer = sender(packet)
            if where[2] == socket.PACKET_OUTGOING or peer not in missing:
                continue
            counts[peer] += 1
            if counts[peer] == UP_AFTER:
                missing.remove(peer)
                print(peer, time.monotonic(), flush=True)  # noqa: T201


if __name__ == "__main__":
    watch(sys.argv[1:])
