"""The lab's cables: a switch in a namespace of its own, and one port for each host.

All of it is made and changed with batches of ``ip`` commands, entered by the pid of
the process that holds the namespace.
"""

import ctypes
import os
import socket
import subprocess
import threading
from pathlib import Path
from typing import Final

from sessiond.cli.lab.holder import CLONE_NEWNET
from sessiond.errors import Broken

BRIDGE: Final = "switch"
INTERFACE: Final = "eth0"
"""What every host calls its only interface."""

# The first three numbers of every host's address. Labs never see each other.
_SUBNET: Final = "10.77.0"

# A link-layer address that nobody has; frames sent to it end at the switch.
_NOBODY: Final = "02:00:00:00:de:ad"


def address_of(port: int) -> str:
    """Return the address of the host on a port of the switch; ports count from 1."""
    return f"{_SUBNET}.{port}"


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


def plug_in(switch: int, holder: int, port: int) -> None:
    """Lay a cable from a port of the switch to the host that `holder` holds."""
    _ip(
        switch,
        f"link add port{port} type veth peer name {INTERFACE} netns {holder}",
        f"link set port{port} master {BRIDGE} up",
    )
    _ip(
        holder,
        "link set lo up",
        f"addr add {address_of(port)}/24 dev {INTERFACE}",
        f"link set {INTERFACE} up",
        # Leads nowhere; it tells the programs which interface is the main one.
        f"route add default dev {INTERFACE}",
    )


def cut(switch: int, port: int) -> None:
    """Take a port off the switch: silence, as when a cable is pulled elsewhere."""
    _ip(switch, f"link set port{port} nomaster")


def heal(switch: int, port: int) -> None:
    """Put a port back on the switch."""
    _ip(switch, f"link set port{port} master {BRIDGE}")


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
