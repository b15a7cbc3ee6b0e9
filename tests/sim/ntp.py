"""Simulated wall clocks, and NTP servers that tell how far each is off.

A wall clock is nothing but its error: no elector ever sees one. What a host makes of
it is `core.clockcheck`'s verdict, and that it is not able where the session demands a
checked clock.
"""

from sessiond.core.clockcheck import ASK_EVERY, ClockVerdict, NtpSample, judge
from sessiond.core.spec import ClockSettings
from sessiond.core.status import Verdict
from sessiond.units import HostName, Seconds
from tests.sim.net import Host
from tests.sim.world import World

SERVERS = ("a.ntp", "b.ntp", "c.ntp", "d.ntp")
BOUND = Seconds(0.002)


class Clocks:
    """The wall clocks of all hosts.

    Attributes:
        steps: By how much a host's clock was set wrong, seconds.
    """

    def __init__(self, *, required: bool) -> None:
        self.settings = ClockSettings(required=required)
        self.steps: dict[HostName, float] = {}
        self.verdicts: dict[HostName, ClockVerdict] = {}

    def start(self, world: World) -> float:
        """Have every host ask its servers from now on; all have after this time."""
        for host in world.hosts.values():
            world.after(world.random.uniform(0.0, ASK_EVERY), self.ask, world, host)
        return ASK_EVERY + 1.0

    def ask(self, world: World, host: Host) -> None:
        """Ask all servers once, and again later."""
        world.after(ASK_EVERY, self.ask, world, host)
        now = world.clock(host)
        samples = [
            NtpSample(
                server=server,
                taken=now,
                offset=Seconds(
                    -self.steps.get(host.name, 0.0)
                    + world.random.uniform(-BOUND / 2, BOUND / 2)
                ),
                bound=BOUND,
            )
            for server in SERVERS
        ]
        verdict = judge(samples, now, self.settings)
        self.verdicts[host.name] = verdict
        willing = not self.settings.required or verdict.verdict is not Verdict.FAIL
        if willing != host.willing:
            world.set_willing(host.name, willing=willing)

    def wrong(self) -> list[HostName]:
        """Return whose clock fails."""
        return [
            name
            for name, verdict in self.verdicts.items()
            if verdict.verdict is Verdict.FAIL
        ]
