"""JACK's graph as values: ports, wires, and what is ours among them."""

from dataclasses import dataclass, field

from sessiond.units import Frames, Hertz, PortName


@dataclass(frozen=True, slots=True, order=True)
class Wire:
    """A JACK connection from an output port to an input port."""

    source: PortName
    destination: PortName


@dataclass(frozen=True, slots=True, kw_only=True)
class JackGraph:
    """A running JACK server at one moment.

    Attributes:
        ports: Every audio port of every client.
        refused: Wires that the server would not make lately: a client has ports before
            it takes part (JackTrip's server until its peer calls). Left alone for now.
        xruns: Since we joined the server.
        dsp_load: 0…1.
        frame: JACK's own clock, which wraps at 2^32; it stands still when JACK does.
    """

    rate_hz: Hertz
    period_frames: Frames
    ports: frozenset[PortName] = frozenset()
    wires: frozenset[Wire] = frozenset()
    refused: frozenset[Wire] = frozenset()
    xruns: int = 0
    dsp_load: float = 0.0
    frame: int = field(default=0, compare=False)
