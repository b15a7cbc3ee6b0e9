"""Network time servers, one question at a time.

An answer is only passed on when its server is synchronised and says how far it may be
off; the bound is RFC 5905's root distance at the moment of the answer.

Source: RFC 5905 sections 7.3, 7.4 (kiss codes) and appendix A.5.5.2 (root distance).
"""

import math
from typing import Final

import ntplib

from agent.adapters import bounded
from agent.doors import Clock
from sessiond.core.clockcheck import NtpSample
from sessiond.errors import Unavailable
from sessiond.units import Seconds

PORT: Final = 123
NTP_VERSION: Final = 4
SERVER_MODE: Final = 4
UNSYNCHRONISED_LEAP: Final = 3
# Strata 1…15 are synchronised; 0 is a kiss of death and 16 is unsynchronised.
STRATA: Final = range(1, 16)
# RFC 5905 MAXDIST is 1 s: nobody synchronises to what may be further off.
MAX_DISTANCE: Final = 1.0


class NtpDoor:
    """Asks NTP servers through ntplib, in threads (door `Ntp`).

    Args:
        clock: The monotonic clock that samples are dated by.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def ask(self, server: str, within: Seconds) -> NtpSample:
        """Return one sample.

        Args:
            server: ``HOST`` or ``HOST:PORT``; an IPv6 address with a port in brackets.
            within: Includes finding the server's address.

        Raises:
            Unavailable: No usable answer came in time.
        """
        answer = await self._answer(server, within)
        flaw = _flaw(answer, within)
        if flaw:
            raise Unavailable(f"the time server {server} {flaw}")
        return NtpSample(
            server=server,
            taken=self._clock.now(),
            offset=Seconds(answer.offset),
            bound=Seconds(_distance(answer)),
        )

    async def _answer(self, server: str, within: Seconds) -> ntplib.NTPStats:
        host, port = _split(server)
        client = ntplib.NTPClient()
        question = bounded.begin(
            lambda: client.request(host, NTP_VERSION, port, within), "ntp"
        )
        try:
            return await bounded.wait(question, within)
        except (TimeoutError, ntplib.NTPException) as e:
            raise Unavailable(
                f"the time server {server} did not answer",
                "look at [clock] servers in agent.toml, and at UDP port 123",
            ) from e
        except OSError as e:
            raise Unavailable(
                f"the time server {server} can't be reached: {e.strerror}",
                "look at [clock] servers in agent.toml",
            ) from e
        except UnicodeError as e:
            raise Unavailable(f"{server!r} is no name of a time server") from e


def _split(server: str) -> tuple[str, int]:
    """Return host and port of ``HOST``, ``HOST:PORT``, ``[IPV6]:PORT`` or ``IPV6``."""
    host, colon, port = server.rpartition(":")
    if colon and port.isdigit() and (":" not in host or host.endswith("]")):
        return host.strip("[]"), int(port)
    return server.strip("[]"), PORT


def _flaw(answer: ntplib.NTPStats, within: Seconds) -> str:
    """Return why an answer is of no use; empty when it is of use."""
    trip = answer.dest_timestamp - answer.orig_timestamp
    if answer.mode != SERVER_MODE or not 0 <= trip <= within:
        return "sent something that answers no question of ours"
    if answer.stratum == 0:
        return f"told us to go away ({_kiss(answer.ref_id)})"
    if answer.stratum not in STRATA or answer.leap == UNSYNCHRONISED_LEAP:
        return "is not synchronised itself"
    distance = _distance(answer)
    if not (math.isfinite(answer.offset) and distance < MAX_DISTANCE):
        return f"may itself be {distance:.1f} s off"
    return ""


def _kiss(ref_id: int) -> str:
    """Return a kiss-o'-death packet's code, four letters."""
    letters = ref_id.to_bytes(4, "big").decode("ascii", "replace")
    return "".join(c for c in letters if c.isalnum()) or "no reason given"


def _distance(answer: ntplib.NTPStats) -> float:
    """Return how far the answer's offset may be off, in seconds."""
    delays = answer.root_delay + max(0.0, answer.delay)
    return float(answer.root_dispersion + delays / 2)
