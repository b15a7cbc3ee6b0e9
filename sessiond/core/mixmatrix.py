"""The mix as values: who is on which bus at what gain, and what was measured.

The theory is one line: ``Y = G · X``. X holds this period's strips (one a host, two
sides each), Y the buses (one a mount), G a factor for each pair. Left feeds left and
right feeds right; nothing here pans.

A change of strips or buses passes through a *crossing*, the union of the old and the
new layout in which everything on its way out fades to silence; only then is the layout
as wanted. So no order, however drastic, makes a click.

What runs this matrix is `agent.mixdown`; arrays and JACK stay there.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final

from sessiond.core.spec import MountSpec, SessionSpec
from sessiond.units import Decibels, Frames, Hertz, HostName, Seconds

# Strips and buses are stereo: a mono strip is wired to both of its inputs.
SIDES: Final = 2

# Long enough that a full-scale tone steps by no more than it does by itself, short
# enough to feel like a fader under the hand; the usual 10-20 ms of mixing desks.
FADE: Final = Seconds(0.015)

# How a mount begins: it covers the moment at which listeners come over to it, half a
# second after its source, and is no more than a musician takes to fade in.
FADE_IN: Final = Seconds(2.0)

SILENCE: Final = Decibels(-math.inf)


@dataclass(frozen=True, slots=True, kw_only=True)
class MixOrder:
    """What the mix-down is told to do.

    Attributes:
        strips: One a host; their order is the columns'.
        buses: Mount file names such as ``dj1.ogg``; their order is the rows'.
        gains_db: A row for each bus, a gain for each strip; None is not on this bus.
    """

    strips: tuple[HostName, ...] = ()
    buses: tuple[str, ...] = ()
    gains_db: tuple[tuple[Decibels | None, ...], ...] = ()

    def gain(self, bus: str, strip: HostName) -> Decibels | None:
        """Return the strip's gain on the bus; None also where either is missing."""
        if bus not in self.buses or strip not in self.strips:
            return None
        return self.gains_db[self.buses.index(bus)][self.strips.index(strip)]


@dataclass(frozen=True, slots=True, kw_only=True)
class MixLevels:
    """How loud a strip or bus was over the last half second, relative to full scale.

    Attributes:
        peak_db: Highest sample of both sides; `SILENCE` when there was none.
        rms_db: Mean power of both sides; a full-scale sine is −3 dB.
    """

    peak_db: Decibels
    rms_db: Decibels


@dataclass(frozen=True, slots=True, kw_only=True)
class MixReport:
    """What the mix-down process says of itself.

    Attributes:
        order: In force now; during a crossing, the union of old and new.
        settled: Nothing fades and no newer order waits.
        strips: In the order's order.
        buses: In the order's order.
        callbacks: Periods mixed since the start, or since the counts were forgotten;
            the three times are over these.
        xruns: JACK's, whoever caused them.
    """

    order: MixOrder
    settled: bool
    strips: tuple[MixLevels, ...]
    buses: tuple[MixLevels, ...]
    rate_hz: Hertz
    period_frames: Frames
    callbacks: int
    xruns: int
    callback_p50_us: int
    callback_p99_us: int
    callback_max_us: int

    def bus(self, name: str) -> MixLevels | None:
        """Return this bus's levels, or None if it is not in force."""
        if name not in self.order.buses:
            return None
        return self.buses[self.order.buses.index(name)]

    def strip(self, name: HostName) -> MixLevels | None:
        """Return this host's levels, or None if it has no strip."""
        if name not in self.order.strips:
            return None
        return self.strips[self.order.strips.index(name)]


def mix_order(
    spec: SessionSpec, present: Collection[HostName] | None = None
) -> MixOrder:
    """Return the mix that the spec asks for.

    Args:
        spec: The session's, as stamped.
        present: Hosts that get a strip; None means all of the session.

    Returns:
        Strips in the order of the session's hosts, also those on no bus (their levels
        are still shown); buses in the order of its mounts.
    """
    strips = tuple(n for n in spec.host_names if present is None or n in present)
    return MixOrder(
        strips=strips,
        buses=tuple(mount.file_name for mount in spec.mounts),
        gains_db=tuple(_row(spec, mount, strips) for mount in spec.mounts),
    )


def _row(
    spec: SessionSpec, mount: MountSpec, strips: tuple[HostName, ...]
) -> tuple[Decibels | None, ...]:
    heard = spec.heard_on(mount)
    return tuple(
        mount.gains_db.get(name, Decibels(0.0)) if name in heard else None
        for name in strips
    )


def next_order(in_force: MixOrder, wanted: MixOrder, *, settled: bool) -> MixOrder:
    """Return the order to go to now on the way to the wanted one.

    Args:
        in_force: What the matrix mixes or fades to at present.
        wanted: The newest order.
        settled: True once every gain of `in_force` has been reached.

    Returns:
        `in_force` itself when there is nothing to do but wait.
    """
    across = crossing(in_force, wanted)
    if across == in_force and settled:
        return wanted
    if len(across.strips) == len(wanted.strips) and len(across.buses) == len(
        wanted.buses
    ):
        return wanted
    return across


def crossing(before: MixOrder, after: MixOrder) -> MixOrder:
    """Return `after` with what only `before` has added behind it, at silence."""
    strips = after.strips + tuple(s for s in before.strips if s not in after.strips)
    buses = after.buses + tuple(b for b in before.buses if b not in after.buses)
    gains = tuple(tuple(after.gain(bus, strip) for strip in strips) for bus in buses)
    return MixOrder(strips=strips, buses=buses, gains_db=gains)


def port_names(name: str) -> tuple[str, ...]:
    """Return the JACK port names, without the client's, of a strip or a bus."""
    return tuple(f"{name}_{side}" for side in range(1, SIDES + 1))


def factor(gain_db: Decibels | None) -> float:
    """Return what samples are multiplied with; None and −inf are 0."""
    return 0.0 if gain_db is None else math.pow(10.0, gain_db / 20.0)


def decibels(amplitude: float) -> Decibels:
    """Return an amplitude relative to 1.0; 0 is `SILENCE`."""
    return Decibels(20.0 * math.log10(amplitude)) if amplitude > 0.0 else SILENCE


def hushed(order: MixOrder, buses: Collection[str]) -> MixOrder:
    """Return the order with these buses silent."""
    rows = zip(order.buses, order.gains_db, strict=True)
    silent = (None,) * len(order.strips)
    gains = tuple(silent if bus in buses else row for bus, row in rows)
    return replace(order, gains_db=gains)


def fade_periods(rate_hz: Hertz, period_frames: Frames, length: Seconds = FADE) -> int:
    """Return over how many periods a gain change is spread; at least one."""
    return max(1, round(length * rate_hz / period_frames))
