"""A computer that announces thousands of agents which are nowhere.

    python -m tests.faults.announcing ADDRESS NUMBER

ADDRESS is its own. They come as fast as a listener's socket takes them, a few thousand
a second; each is as zeroconf would announce it, and none of them is ever withdrawn.
"""

import socket
import sys
import threading
from typing import Final

from zeroconf import ServiceInfo, const
from zeroconf._protocol.outgoing import DNSOutgoing

from agent.adapters.mdns import GROUP, SERVICE

_AT_ONCE: Final = 50
_PAUSE: Final = 0.01


def announcement(number: int) -> bytes:
    """Return one fake agent's records, in one packet."""
    instance = f"f{number}-{number:08x}"
    address = f"10.{67 + number // 65536}.{number // 256 % 256}.{number % 256}"
    info = ServiceInfo(
        SERVICE,
        f"{instance}.{SERVICE}",
        port=7700,
        addresses=[socket.inet_aton(address)],
        properties={"v": "1", "id": f"{number:08x}" * 4, "name": f"f{number}"},
        server=f"{instance}.local.",
    )
    out = DNSOutgoing(const._FLAGS_QR_RESPONSE | const._FLAGS_AA)
    records = (info.dns_pointer(), info.dns_service(), info.dns_text())
    for record in (*records, *info.dns_addresses()):
        out.add_answer_at_time(record, 0)
    return out.packets()[0]


def main() -> None:
    """Announce them all."""
    here, number = sys.argv[1], int(sys.argv[2])
    pause = threading.Event()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as loud:
        loud.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        loud.bind((here, GROUP[1]))
        interface = socket.inet_aton(here)
        loud.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, interface)
        for fake in range(number):
            loud.sendto(announcement(fake), GROUP)
            if fake % _AT_ONCE == 0:
                pause.wait(_PAUSE)


if __name__ == "__main__":
    main()
