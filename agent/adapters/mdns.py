"""Agents on this network, through multicast DNS on one interface.

An instance is called ``<name>-<first 8 of id>``; the id makes it unique, so nothing is
probed for and a record that a killed agent left behind is simply replaced. What others
announce is checked and bounded: anyone on the network can announce anything.

Source: RFC 6762, RFC 6763.
"""

import asyncio
import errno
import ipaddress
import re
import socket
from asyncio import Future
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from zeroconf import (
    ServiceInfo,
    ServiceStateChange,
    Zeroconf,
)
from zeroconf.asyncio import (
    AsyncServiceBrowser,
    AsyncServiceInfo,
    AsyncZeroconf,
)

from agent.doors import Bell
from sessiond.core.status import HostSighting
from sessiond.errors import Unavailable
from sessiond.units import Address, HostId, HostName

SERVICE: Final = "_sessiond._tcp.local."
# 200 hosts is the largest session simulated; a flood of fakes stays below 100 KiB.
MAX_SIGHTINGS: Final = 256
# Answers come within 0.1 s; a record that was lost is asked for twice in this time.
RESOLVE_WITHIN_MS: Final = 1500
# Under a flood of incomplete announcements; the others are told of as they complete.
MAX_RESOLVING: Final = 16
TEXT_KEYS: Final = ("v", "id", "name")
IPV6: Final = 6
GROUP: Final = ("224.0.0.251", 5353)

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_ID: Final = re.compile(r"[0-9a-f]{32}")
_VERSION: Final = re.compile(r"[0-9A-Za-z.+-]{0,32}")


class MdnsDiscovery:
    """Registers this agent and browses for others (door `Discovery`).

    Args:
        name: This host's.
        id: This host's.
        address: Where this agent answers; its interface is the only one used.
        bell: Rung, on the event loop, when the sightings changed.
        version: This program's, for others to see.
    """

    def __init__(
        self,
        name: HostName,
        id: HostId,  # noqa: A002  the identity's own field
        address: Address,
        bell: Bell,
        version: str = "",
    ) -> None:
        self._instance = f"{name}-{id[:8]}"
        self._text = {"v": version, "id": id, "name": name}
        self._address = address
        self._bell = bell
        self._seen: dict[str, HostSighting] = {}
        self._zeroconf: AsyncZeroconf | None = None
        self._browser: AsyncServiceBrowser | None = None
        self._announcing: Future[None] | None = None
        self._resolving: dict[str, Future[bool]] = {}

    async def open(self) -> None:
        """Register this agent and browse; never fails for a name clash.

        Raises:
            Unavailable: The address is on no interface that can multicast.
        """
        host, port = await _located(self._address)
        try:
            _try_multicast(host)
            self._zeroconf = AsyncZeroconf(interfaces=[str(host)])
        except OSError as e:
            raise Unavailable(
                f"agents can't be looked for from {host}: {e.strerror}",
                "set advertise in agent.toml to this computer's address on the "
                "network, or name the other agents in peers",
            ) from e
        info = AsyncServiceInfo(
            SERVICE,
            f"{self._instance}.{SERVICE}",
            port=port,
            addresses=[host.packed],
            properties=self._text,
            server=f"{self._instance}.local.",
        )
        # Cooperating: the id in the name is what probing would find out.
        self._announcing = asyncio.ensure_future(
            await self._zeroconf.async_register_service(
                info, cooperating_responders=True
            )
        )
        self._browser = AsyncServiceBrowser(
            self._zeroconf.zeroconf, SERVICE, handlers=[self._changed]
        )

    def sightings(self) -> Sequence[HostSighting]:
        """Return the agents seen and not yet said to be gone, by name; bounded.

        This agent is among them, once the network has carried its own word back.
        """
        return sorted(self._seen.values(), key=lambda s: (s.name, s.id))

    async def close(self) -> None:
        """Unregister and stop browsing."""
        waiting: list[Future[Any]] = [*self._resolving.values()]
        if self._announcing is not None:
            waiting.append(self._announcing)
        for future in waiting:
            future.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        if self._browser is not None:
            await self._browser.async_cancel()
        if self._zeroconf is not None:
            await self._zeroconf.async_close()
        self._browser = self._zeroconf = self._announcing = None

    def _changed(
        self,
        zeroconf: Zeroconf,
        service_type: str,
        name: str,
        state_change: ServiceStateChange,
    ) -> None:
        if state_change is ServiceStateChange.Removed:
            if self._seen.pop(name, None) is not None:
                self._bell()
            return
        info = AsyncServiceInfo(service_type, name)
        if info.load_from_cache(zeroconf):
            self._learn(info)
        elif name not in self._resolving and len(self._resolving) < MAX_RESOLVING:
            self._resolve(zeroconf, info)

    def _resolve(self, zeroconf: Zeroconf, info: AsyncServiceInfo) -> None:
        """Ask for what an announcement left out."""
        asking = asyncio.ensure_future(info.async_request(zeroconf, RESOLVE_WITHIN_MS))
        self._resolving[info.name] = asking
        asking.add_done_callback(partial(self._resolved, info))

    def _resolved(self, info: AsyncServiceInfo, asked: Future[bool]) -> None:
        del self._resolving[info.name]
        if not asked.cancelled() and asked.result():
            self._learn(info)

    def _learn(self, info: ServiceInfo) -> None:
        sighting = _sighting(info)
        if sighting is None or self._seen.get(info.name) == sighting:
            return
        # An agent that lost its state folder comes back under another id.
        former = [
            instance
            for instance, other in self._seen.items()
            if (other.name, other.address) == (sighting.name, sighting.address)
        ]
        for instance in (*former, info.name):
            self._seen.pop(instance, None)
        self._seen[info.name] = sighting
        if len(self._seen) > MAX_SIGHTINGS:
            del self._seen[next(iter(self._seen))]
        self._bell()


IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


async def _located(address: Address) -> tuple[IpAddress, int]:
    """Return the IP address and the port of ``HOST:PORT``."""
    host, _, port = address.rpartition(":")
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host.strip("[]"), int(port), type=socket.SOCK_STREAM
        )
    except socket.gaierror as e:
        raise Unavailable(
            f"{host} has no address: {e.strerror}",
            "set advertise in agent.toml to this computer's address on the network",
        ) from e
    return ipaddress.ip_address(found[0][4][0]), int(port)


def _try_multicast(host: IpAddress) -> None:
    """Raise OSError unless this address of ours can send to a multicast group."""
    if host.is_loopback or host.is_unspecified:
        raise OSError(errno.ENETUNREACH, "that interface has no multicast")
    if host.version == IPV6:
        return  # its interface is looked up, and missed, by zeroconf
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
        trial.bind((str(host), 0))
        trial.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, host.packed)
        trial.connect(GROUP)


def _sighting(info: ServiceInfo) -> HostSighting | None:
    """Return what an announcement says; None if it is not an agent's."""
    text = {
        key: (value or b"").decode("ascii", "replace")
        for key, value in ((k, info.properties.get(k.encode())) for k in TEXT_KEYS)
    }
    addresses = info.parsed_scoped_addresses()
    sound = (
        _NAME.fullmatch(text["name"])
        and _ID.fullmatch(text["id"])
        and _VERSION.fullmatch(text["v"])
        and info.name.startswith(f"{text['name']}-{text['id'][:8]}")
    )
    if not sound or not addresses or not info.port:
        return None
    host = f"[{addresses[0]}]" if ":" in addresses[0] else addresses[0]
    return HostSighting(
        name=HostName(text["name"]),
        id=HostId(text["id"]),
        address=Address(
            f"[{host}]:{info.port}" if ":" in host else f"{host}:{info.port}"
        ),
        version=text["v"],
    )
