"""Who hears whom: follow every host's sound through wires and links, as JACK sums it.

Each host plays itself into its inputs; a port carries a count of each host's sound.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from sessiond.core.configfile import AudioConfig
from sessiond.core.plan import HostPlan, plan_host
from sessiond.core.stamped import StampedSpec
from sessiond.core.wires import strip
from sessiond.units import HostName, PortName
from tests.core.examples import view

Sound = Counter[HostName]
Place = tuple[HostName, PortName]
"""A port of a host."""


@dataclass
class Jam:
    """All hosts of a session, each doing what its own plan says."""

    plans: Mapping[HostName, HostPlan]
    audio: Mapping[HostName, AudioConfig]
    ports: dict[Place, Sound] = field(default_factory=dict)

    def settle(self) -> None:
        """Let sound flow until nothing new arrives anywhere."""
        # The longest way is input, hub, output; a loop would never settle.
        for _ in range(8):
            before = self.ports
            self.ports = self._flowed()
            if self.ports == before:
                return
        raise AssertionError("the sound runs in a circle")

    def heard_by(self, host: HostName) -> list[Sound]:
        """Return what sounds at each of a host's outputs."""
        return [self.at(host, port) for port in self.audio[host].outputs]

    def mixed_by(self, host: HostName, whom: HostName) -> list[Sound]:
        """Return what arrives in both sides of a strip."""
        return [self.at(host, port) for port in strip(whom)]

    def at(self, host: HostName, port: PortName) -> Sound:
        return self.ports.get((host, port), Sound())

    def _flowed(self) -> dict[Place, Sound]:
        arriving: dict[Place, Sound] = {}
        for host, plan in self.plans.items():
            for wire in plan.wires:
                sound = self._out_of(host, wire.source)
                place = (host, wire.destination)
                arriving[place] = arriving.get(place, Sound()) + sound
        return arriving

    def _out_of(self, host: HostName, port: PortName) -> Sound:
        if port in self.audio[host].inputs:
            return Sound([host])
        client, _, name = port.partition(":")
        if client.startswith("link-") and name.startswith("receive_"):
            peer = HostName(client.removeprefix("link-"))
            return self.at(
                peer, PortName(f"link-{host}:{name.replace('receive', 'send')}")
            )
        return Sound()


def play(
    doc: StampedSpec,
    *,
    leader: HostName | None,
    standby: HostName | None,
    audio: Mapping[HostName, AudioConfig] | None = None,
) -> Jam:
    """Return the session in full sound."""
    names = doc.spec.host_names
    given = {name: (audio or {}).get(name, AudioConfig()) for name in names}
    plans = {
        name: plan_host(
            view(name, doc, leader=leader, standby=standby, audio=given[name])
        )
        for name in names
    }
    jam = Jam(plans=plans, audio=given)
    jam.settle()
    return jam
