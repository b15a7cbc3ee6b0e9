"""Which JACK ports are wired to which, and which existing wires are ours to take away.

Musicians hear `link-*:receive_N → outputs` directly; JACK sums. The mix-down is in
the broadcast path only.
"""

from collections.abc import Iterable, Sequence

from sessiond.core.argv import link_client
from sessiond.core.configfile import AudioConfig
from sessiond.core.jackgraph import Wire
from sessiond.core.spec import MountSpec
from sessiond.units import HostName, PortName

MIXDOWN = "mixdown"


def link_send(peer: HostName, channels: int) -> tuple[PortName, ...]:
    """Return the ports into which we play what `peer` should hear."""
    return tuple(
        PortName(f"{link_client(peer)}:send_{n}") for n in range(1, channels + 1)
    )


def link_receive(peer: HostName, channels: int) -> tuple[PortName, ...]:
    """Return the ports out of which `peer` sounds."""
    return tuple(
        PortName(f"{link_client(peer)}:receive_{n}") for n in range(1, channels + 1)
    )


def strip(host: HostName) -> tuple[PortName, PortName]:
    """Return a strip's two ports into the mix-down."""
    return PortName(f"{MIXDOWN}:{host}_1"), PortName(f"{MIXDOWN}:{host}_2")


def bus(mount: MountSpec) -> tuple[PortName, PortName]:
    """Return a bus's two ports out of the mix-down."""
    stem = f"{MIXDOWN}:{mount.file_name}"
    return PortName(f"{stem}_1"), PortName(f"{stem}_2")


def air_client(mount: MountSpec) -> str:
    """Return the JACK client name of a mount's encoder."""
    return f"air-{mount.file_name}"


def patch(sources: Sequence[PortName], sinks: Sequence[PortName]) -> frozenset[Wire]:
    """Wire one to one; a single port on either side serves all of the other.

    Of unequal sides that are both plural, the surplus ports fold onto the last one,
    so that nothing a musician plays is lost.
    """
    if not sources or not sinks:
        return frozenset()
    longer = max(len(sources), len(sinks))
    return frozenset(
        Wire(sources[min(n, len(sources) - 1)], sinks[min(n, len(sinks) - 1)])
        for n in range(longer)
    )


def ours(wire: Wire, audio: AudioConfig) -> bool:
    """Tell whether a wire is one of the kinds that we make.

    One end is a link or the mix-down and the other is too, or is a port that the
    owner gave us. Anything that somebody patched to other clients is theirs.
    """
    made_by_us = {_kind(wire.source), _kind(wire.destination)}
    if not made_by_us & {"link", MIXDOWN}:
        return False
    given = {*audio.inputs, *audio.outputs}
    return all(
        _kind(port) is not None or port in given
        for port in (wire.source, wire.destination)
    )


def _kind(port: PortName) -> str | None:
    client = port.partition(":")[0]
    if client == MIXDOWN:
        return MIXDOWN
    return next((k for k in ("link", "air") if client.startswith(f"{k}-")), None)


def missing(wanted: Iterable[PortName], present: Iterable[PortName]) -> list[PortName]:
    """Return the wanted ports that are not there, in their order."""
    there = frozenset(present)
    return [port for port in wanted if port not in there]
