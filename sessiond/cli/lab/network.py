"""The lab's cables: a switch in a namespace of its own, and one port for each host.

A lab may have a second network, as if in another house: the switch then is a router,
too, which hands on what is sent to one host, and nothing that is sent to all.

All of it is made and changed with batches of ``ip`` commands, entered by the pid of
the process that holds the namespace.
"""

import ctypes
import os
import socket
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sessiond.cli.lab.holder import CLONE_NEWNET
from sessiond.errors import Broken

BRIDGE: Final = "switch"
INTERFACE: Final = "eth0"
"""What every host calls its only interface."""

# The first two numbers of every host's address. Labs never see each other.
_LAB: Final = "10.77"

# The last number of the router's address in each of its networks.
_ROUTER: Final = 254

# A link-layer address that nobody has; frames sent to it end at the switch.
_NOBODY: Final = "02:00:00:00:de:ad"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlet:
    """Where a host's cable ends.

    Attributes:
        number: From 1; no two of a lab are alike.
        house: 0, or 1 in the second network.
        routed: There are two networks.
    """

    number: int
    house: int = 0
    routed: bool = False

    @property
    def address(self) -> str:
        """The address of the host there."""
        return f"{_LAB}.{self.house}.{self.number}"

    @property
    def bridge(self) -> str:
        """The switch's part that belongs to its network."""
        return f"{BRIDGE}{self.house or ''}"

    @property
    def way_out(self) -> str:
        """Its host's default route, as ``ip`` takes it."""
        # One that leads nowhere tells programs which interface is the main one.
        via = f"via {_router(self.house)} " if self.routed else ""
        return f"default {via}dev {INTERFACE}"


def _router(house: int) -> str:
    return f"{_LAB}.{house}.{_ROUTER}"


def _ip(pid: int, *commands: str) -> None:
    """Run ``ip`` commands in the network of a process, all or up to the first bad."""
    argv = ("nsenter", "-t", str(pid), "-n", "ip", "-batch", "-")
    done = subprocess.run(
        argv, input="\n".join(commands), text=True, capture_output=True, check=False
    )
    if done.returncode != 0:
        raise Broken(f"The lab's network could not be set up: {done.stderr.strip()}.")


def make_switch(switch: int) -> None:
    """Make the switch in the namespace that the process `switch` holds."""
    # Snooping forgets multicast groups after minutes, and mDNS with them.
    _ip(
        switch,
        f"link add {BRIDGE} type bridge mcast_snooping 0 forward_delay 0",
        f"link set {BRIDGE} up",
    )


def make_router(switch: int) -> None:
    """Give a switch a second network, and let it route between the two."""
    second = f"{BRIDGE}1"
    _ip(
        switch,
        f"link add {second} type bridge mcast_snooping 0 forward_delay 0",
        f"link set {second} up",
        f"addr add {_router(0)}/24 dev {BRIDGE}",
        f"addr add {_router(1)}/24 dev {second}",
    )
    # What is sent to a group stays: only a routing daemon would hand that on.
    enter = ("nsenter", "-t", str(switch), "-n", "sh", "-c")
    argv = (*enter, "echo 1 > /proc/sys/net/ipv4/ip_forward")
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Broken(f"The lab's router can't route: {done.stderr.strip()}.")


def plug_in(switch: int, holder: int, outlet: Outlet) -> None:
    """Lay a cable from the switch to the host that `holder` holds."""
    port = f"port{outlet.number}"
    _ip(
        switch,
        f"link add {port} type veth peer name {INTERFACE} netns {holder}",
        f"link set {port} master {outlet.bridge} up",
    )
    _ip(
        holder,
        "link set lo up",
        f"addr add {outlet.address}/24 dev {INTERFACE}",
        f"link set {INTERFACE} up",
        f"route add {outlet.way_out}",
    )


def cut(switch: int, outlet: Outlet) -> None:
    """Take a port off the switch: silence, as when a cable is pulled elsewhere."""
    _ip(switch, f"link set port{outlet.number} nomaster")


def heal(switch: int, outlet: Outlet) -> None:
    """Put a port back on the switch."""
    _ip(switch, f"link set port{outlet.number} master {outlet.bridge}")


def deafen(holder: int, to: str) -> None:
    """Let everything that this host sends to an address get lost."""
    link = f"lladdr {_NOBODY} nud permanent"
    _ip(holder, f"neigh replace {to} dev {INTERFACE} {link}")


def undeafen(holder: int, to: str) -> None:
    """Undo `deafen`."""
    _ip(holder, f"neigh del {to} dev {INTERFACE}")


def open_socket(holder: int, kind: socket.SocketKind) -> socket.socket:
    """Return a new IPv4 socket that belongs to the network of a process.

    A socket stays in the network that it was made in, whoever uses it. The move is
    made by a thread of its own, which ends with it.
    """
    made: list[socket.socket | OSError] = []
    thread = threading.Thread(target=lambda: made.append(_make(holder, kind)))
    thread.start()
    thread.join()
    match made[0]:
        case OSError() as error:
            raise error
        case opened:
            return opened


def _make(holder: int, kind: socket.SocketKind) -> socket.socket | OSError:
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        with Path(f"/proc/{holder}/ns/net").open("rb") as namespace:
            if libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
                number = ctypes.get_errno()
                return OSError(number, f"setns: {os.strerror(number)}")
        return socket.socket(socket.AF_INET, kind)
    except OSError as e:
        return e
