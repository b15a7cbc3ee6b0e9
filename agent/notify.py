"""What the service manager that started us is told, and what it expects.

Source: sd_notify(3), sd_watchdog_enabled(3).
"""

import os
import socket
from collections.abc import MutableMapping
from typing import Final

import structlog

from sessiond.units import Seconds

READY: Final = "READY=1"
RELOADING: Final = "RELOADING=1"
STOPPING: Final = "STOPPING=1"
WATCHDOG: Final = "WATCHDOG=1"

_MICROSECONDS: Final = 1_000_000
_VARIABLES: Final = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")

_log = structlog.get_logger()


class Notifier:
    """The line to the service manager; without one, nothing is said.

    Args:
        environment: What concerns this line is taken out of it: jackd would otherwise
            tell the manager that the agent is ready.

    Attributes:
        taken: What was taken out, for an agent that takes this one's place.
    """

    def __init__(self, environment: MutableMapping[str, str] = os.environ) -> None:
        self.taken = {
            name: environment.pop(name) for name in _VARIABLES if name in environment
        }

    @property
    def watchdog(self) -> Seconds | None:
        """How long the manager waits for a sign of life; None when it does not."""
        period = self.taken.get("WATCHDOG_USEC", "")
        meant = self.taken.get("WATCHDOG_PID", str(os.getpid()))
        if not period.isdecimal() or meant != str(os.getpid()):
            return None
        return Seconds(int(period) / _MICROSECONDS)

    def tell(self, *lines: str) -> None:
        """Say something; a manager that can't take it now never holds the agent up."""
        address = self.taken.get("NOTIFY_SOCKET", "")
        if not address:
            return
        # An abstract name is written with an at sign for its leading zero byte.
        place = f"\0{address[1:]}" if address.startswith("@") else address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
                line.settimeout(0)
                line.sendto("\n".join(lines).encode(), place)
        except OSError as e:
            _log.warning("notify.failed", why=e.strerror)
