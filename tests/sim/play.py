"""One history of one row: forming the session, and what may be expected of it."""

from dataclasses import replace
from random import Random

from sessiond.core.spec import ClockSettings, NetworkProfile, StandbyMode
from sessiond.units import HostName
from tests.sim.documents import document
from tests.sim.net import BreachError, Host
from tests.sim.peace import unsettled
from tests.sim.schedule import people
from tests.sim.station import Seat
from tests.sim.world import World


class Play:
    """One history of one row.

    Attributes:
        mark: When the fault began; the session was settled then.
    """

    world: World

    def __init__(self, row: str, seed: int, *, quiet: bool) -> None:
        # Reproducible on purpose, and no secret.
        self.random = Random(f"row {row} {seed}")  # noqa: S311
        self.row, self.seed, self.quiet = row, seed, quiet
        self.hot = seed % 2 == 0
        self.mark = 0.0
        self.terms = 0
        self.puts = 0

    def form(
        self,
        least: int,
        most: int,
        *,
        wifi: bool = False,
        loss: float | None = None,
        delay: tuple[float, float] = (0.001, 0.01),
        clock: ClockSettings | None = None,
    ) -> None:
        """Put a session on the air, with its standby, and let it settle.

        Every third network loses messages now and then, unless told how many.
        """
        names = people(self.random.randint(least, most))
        if loss is None:
            loss = self.random.choice((0.0, 0.0, 0.02))
        self.world = world = World(
            seed=self.seed, names=names, loss=loss, delay=delay, quiet=self.quiet
        )
        world.run(1.0)
        first = document(
            names,
            network=NetworkProfile.WIFI if wifi else NetworkProfile.LAN,
            standby=StandbyMode.HOT if self.hot else StandbyMode.COLD,
        )
        spec = replace(first.spec, clock=clock or ClockSettings())
        world.create(self.random.choice(names), replace(first, spec=spec))
        while not self.formed():
            self.expect(world.now < 30.0, "the session does not form")
            world.run(world.now + 0.5)
        world.run(world.now + 3.0 + self.random.random())
        self.begin()

    def formed(self) -> bool:
        """Return whether the session is as it should be before the fault."""
        world = self.world
        if world.holder is None or unsettled(world) is not None:
            return False
        if len(world.names) == 1:
            return True
        if world.lead(world.holder.label.host).standby is None:
            return False
        return not self.hot or world.station.holder(Seat.HIDDEN) is not None

    def begin(self) -> None:
        """Let what is measured begin now."""
        self.world.note("-- the fault begins")
        self.mark = self.world.now
        self.terms = len(self.world.leaders)
        self.puts = len(self.world.puts)

    # Who and what

    @property
    def on_air(self) -> Host:
        """The broadcaster."""
        holder = self.world.holder
        if holder is None:
            raise BreachError(self.row, "nobody broadcasts")
        return self.world.hosts[holder.label.host]

    @property
    def standby(self) -> HostName:
        """The named standby."""
        standby = self.world.lead(self.on_air.name).standby
        if standby is None:
            raise BreachError(self.row, "there is no standby")
        return standby

    def others(self, name: HostName) -> list[HostName]:
        """Return everybody else, in random order."""
        names = [other for other in self.world.names if other != name]
        self.random.shuffle(names)
        return names

    def run(self, seconds: float) -> None:
        """Let time pass."""
        self.world.run(self.world.now + seconds)

    def some(self, least: float, most: float) -> float:
        """Return any time between two."""
        return self.random.uniform(least, most)

    def part(self, a: list[HostName], b: list[HostName]) -> None:
        """Cut two groups from each other."""
        for one in a:
            for other in b:
                self.world.separate(one, other)

    def rejoin(self, a: list[HostName], b: list[HostName]) -> None:
        """Mend what `part` cut."""
        for one in a:
            for other in b:
                self.world.heal(one, other)

    # What it must show

    def expect(self, holds: bool, sentence: str) -> None:
        """Fail unless it holds."""
        if not holds:
            raise BreachError(self.row, sentence)

    def expect_silence(self, *, hot: float, cold: float) -> None:
        """Bound the longest time without bytes since the fault began."""
        silence = self.world.station.silence(self.mark, self.world.now)
        limit = hot if self.hot else cold
        self.expect(silence <= limit + 1e-6, f"{silence:.2f} s without bytes")

    def expect_puts(self, most: int) -> None:
        """Bound how often the primary was taken since the fault began."""
        puts = self.world.puts[self.puts :]
        self.expect(len(puts) <= most, f"{[put.host for put in puts]} took the mount")

    def expect_terms(self, most: int) -> None:
        """Bound the changes of term since the fault began."""
        terms = len(self.world.leaders) - self.terms
        self.expect(terms <= most, f"{terms} changes of term")

    def expect_held_within(self, hot: float, cold: float) -> None:
        """Bound how long the primary was without bytes."""
        puts = self.world.puts[self.puts :]
        self.expect(bool(puts), "nobody took the mount")
        self.expect(
            puts[0].took <= (hot if self.hot else cold),
            f"the mount was taken after {puts[0].took:.2f} s",
        )
