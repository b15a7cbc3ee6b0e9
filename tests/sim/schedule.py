"""Random histories: faults for a while, then peace, and what must hold then."""

from collections.abc import Callable
from functools import partial
from random import Random

from sessiond.core import election as el
from sessiond.core.spec import NetworkProfile, StandbyMode
from sessiond.units import HostName
from tests.sim.documents import awaiting, document, edited, joined, with_members
from tests.sim.net import ICECAST, BreachError, Host
from tests.sim.peace import CALM, judge
from tests.sim.results import Result, result_of
from tests.sim.world import World

PEOPLE = tuple(
    HostName(name)
    for name in (
        "alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi",
        "ivan", "judy", "karl", "lena", "mike", "nina", "otto", "petra",
    )
)  # fmt: skip

# Most sessions are small, and most mistakes show in small ones; but some have more
# hosts than vote by far, and some as many as the design allows for.
CROWD, CROWD_EVERY = 30, 500
HALL, HALL_EVERY = 200, 2500

# A source that stopped was ended and began anew by then.
REPAIRED = 4.0


def size(seed: int, random: Random) -> int:
    """Return how many hosts a seed's session has."""
    small = random.choice((2, 2, 2, 3, 3, 3, 4, 5, 7, 9))
    if seed % HALL_EVERY == HALL_EVERY - 1:
        return HALL
    return CROWD if seed % CROWD_EVERY == CROWD_EVERY - 1 else small


def people(count: int) -> tuple[HostName, ...]:
    """Return so many host names."""
    more = (HostName(f"host-{number}") for number in range(len(PEOPLE), count))
    return (*PEOPLE, *more)[:count]


class Schedule:
    """One seed's history."""

    def __init__(self, seed: int, *, quiet: bool = False) -> None:
        # Reproducible on purpose, and no secret.
        self.random = Random(f"schedule {seed}")  # noqa: S311
        count = size(seed, self.random)
        crowd = people(count + 1)
        self.names, self.spare = crowd[:count], crowd[count:]
        self.wifi = self.random.random() < 0.15
        self.mounts = self.random.random() < 0.95
        self.hot = self.random.random() < 0.5
        loss = self.random.choice((0.0, 0.0, 0.02, 0.1))
        self.world = World(
            seed=seed,
            names=self.names + self.spare,
            loss=loss,
            delay=self.random.choice(((0.001, 0.01), (0.001, 0.06))),
            quiet=quiet,
        )
        self.usual_delay = self.world.delay
        self.changes = 0
        self.last_fault = 0.0
        self.end = self.random.uniform(8.0, 25.0)
        # Links are sent out, and one after the other opens theirs.
        self.by_links = self.random.random() < 0.3

    def play(self) -> Result:
        """Run it to its end."""
        breach, settled = "", -1.0
        world = self.world
        try:
            self.create()
            while world.now < self.end:
                world.run(world.now + self.random.expovariate(0.5))
                self.random.choice(self.faults())()
            self.make_peace()
            patience = CALM * (2 if self.wifi else 1)
            settled = judge(world, mounts=self.mounts, patience=patience)
        except BreachError as e:
            breach = str(e)
        return result_of(
            world,
            row="25",
            hosts=len(self.names),
            hot=self.hot,
            wifi=self.wifi,
            breach=breach,
            settled_after=settled,
        )

    def create(self) -> None:
        """Create the session at one of its hosts."""
        world = self.world
        world.run(0.5)
        network = NetworkProfile.WIFI if self.wifi else NetworkProfile.LAN
        never = frozenset(self.names[1:2]) if self.random.random() < 0.1 else None
        first = document(
            self.names,
            mounts=self.mounts,
            network=network,
            never=never or frozenset(),
            standby=StandbyMode.HOT if self.hot else StandbyMode.COLD,
        )
        creator = self.random.choice(self.names)
        if self.by_links:
            first = awaiting(first, frozenset(self.names) - {creator})
        world.create(creator, first)
        world.run(self.random.choice((1.0, 4.0)))

    # Faults

    def faults(self) -> tuple[Callable[[], None], ...]:
        """Return what may go wrong next."""
        return (
            self.cut_link,
            self.cut_link,
            self.cut_one_way,
            self.split,
            self.cut_off_icecast,
            self.kill,
            self.kill,
            self.kill_at_persist,
            self.fill_disk,
            self.pause,
            self.icecast_restarts,
            self.lose_ability,
            self.change_document,
            self.change_document,
            self.change_members,
            *((self.join, self.join, self.join) if self.by_links else ()),
            self.hand_over,
            self.kill_all_agents,
            self.harm_source,
            self.slow_down,
        )

    def some(self) -> HostName:
        """Return any host of the world."""
        return self.random.choice(self.names)

    def note(self, text: str) -> None:
        """Write a fault into the transcript."""
        self.world.note(f"-- {text}")

    def cut_link(self) -> None:
        """Cut two hosts from each other for a while."""
        a, b = self.random.sample(self.names, 2)
        self.note(f"{a} and {b} cut")
        self.world.separate(a, b)
        self.later(0.5, 12, lambda: self.world.heal(a, b))

    def cut_one_way(self) -> None:
        """Lose everything that goes from one host to another."""
        a, b = self.random.sample(self.names, 2)
        self.note(f"{a} to {b} lost")
        self.world.separate(a, b, both=False)
        self.later(0.5, 12, lambda: self.world.heal(a, b))

    def split(self) -> None:
        """Part the network in two; Icecast stays with both, or with one."""
        names = list(self.world.hosts)
        self.random.shuffle(names)
        cut = self.random.randint(1, len(names) - 1)
        pairs = [(a, b) for a in names[:cut] for b in names[cut:]]
        if self.random.random() < 0.5:
            pairs += [(a, ICECAST) for a in names[:cut]]
        self.note(f"split {names[:cut]} | {names[cut:]}, {len(pairs)} ways")
        for a, b in pairs:
            self.world.separate(a, b)

        def back() -> None:
            for a, b in pairs:
                self.world.heal(a, b)

        self.later(1, 20, back)

    def cut_off_icecast(self) -> None:
        """Keep one host from Icecast."""
        name = self.some()
        self.note(f"{name} cut from icecast")
        self.world.separate(name, ICECAST)
        self.later(0.5, 15, lambda: self.world.heal(name, ICECAST))

    def kill(self) -> None:
        """Kill a host in one of three ways, and start it again later."""
        name = self.some()
        how = self.random.choice(("agent", "all", "power"))
        self.note(f"{name} killed: {how}")
        if self.world.hosts[name].state is not None:
            self.world.kill(name, how)
        self.restart_later(name)

    def kill_at_persist(self) -> None:
        """Kill a host between two steps of its next write."""
        name = self.some()
        host = self.world.hosts[name]
        host.crash_at_persist = self.random.choice(("before", "after"))
        self.note(f"{name} dies {host.crash_at_persist} its next write")
        self.restart_later(name)

    def fill_disk(self) -> None:
        """Let a host's disk be full for a while."""
        name = self.some()
        host = self.world.hosts[name]
        self.note(f"{name}'s disk is full")
        host.disk_full = True

        def back() -> None:
            host.disk_full = False

        self.later(0.5, 8, back)

    def kill_all_agents(self) -> None:
        """Kill all agents together and restart them together."""
        self.note("all agents killed")
        for name in self.names:
            if self.world.hosts[name].state is not None:
                self.world.kill(name, "agent")
        wait = self.random.uniform(0.2, 12)
        for name in self.names:
            self.world.after(wait, partial(self.restart, name))

    def restart_later(self, name: HostName) -> None:
        """Boot a host after a while."""
        self.later(0.2, 15, lambda: self.restart(name))

    def restart(self, name: HostName) -> None:
        """Boot a host that is down."""
        host = self.world.hosts[name]
        host.crash_at_persist = ""
        if host.state is None and not host.dead:
            self.note(f"{name} boots")
            self.world.boot(name)

    def pause(self) -> None:
        """Stop a host for a while."""
        name, wait = self.some(), self.random.uniform(0.5, 14)
        self.note(f"{name} pauses for {wait:.1f} s")
        self.world.pause(name, wait)
        self.last_fault = max(self.last_fault, self.world.now + wait)

    def icecast_restarts(self) -> None:
        """End Icecast, and start it again."""
        self.note("icecast dies")
        self.world.icecast_dies()

        self.later(0.5, 6, self.world.icecast_starts)

    def slow_down(self) -> None:
        """Let every message take long for a while, and overtake each other."""
        self.note("the network is slow")
        usual = self.usual_delay
        self.world.delay = (0.05, self.random.choice((0.3, 1.0, 2.0)))

        def back() -> None:
            self.world.delay = usual

        self.later(0.5, 6, back)

    def harm_source(self) -> None:
        """Kill or stop the broadcaster's source alone."""
        holder = self.world.holder
        if holder is None:
            return
        host = self.world.hosts[holder.label.host]
        self.last_fault = max(self.last_fault, self.world.now + REPAIRED)
        if self.random.random() < 0.5:
            self.note(f"the source of {host.name} dies")
            self.world.source_dies(host)
        else:
            self.note(f"the source of {host.name} stops")
            self.world.source_stops(host)

    def lose_ability(self) -> None:
        """Take a host's JACK away for a while."""
        name = self.some()
        self.note(f"{name} not able")
        self.world.set_willing(name, willing=False)
        self.later(0.5, 12, lambda: self.world.set_willing(name, willing=True))

    def later(self, least: float, most: float, action: Callable[[], None]) -> None:
        """End a fault after a random while."""
        wait = self.random.uniform(least, most)
        self.last_fault = max(self.last_fault, self.world.now + wait)
        self.world.after(wait, action)

    # Wishes

    def someone_up(self) -> Host | None:
        """Return a host that can be asked."""
        up = [
            host
            for host in self.world.living()
            if host.disk.stamped is not None and host.paused_until <= self.world.now
        ]
        leaders = [h for h in up if self.leads(h)]
        return self.random.choice(leaders or up) if up else None

    def leads(self, host: Host) -> bool:
        """Return whether a host takes itself for the leader, or the caretaker."""
        state = host.state
        if state is None:
            return False
        return el.leadership(state, self.world.clock(host)).my_role is not None

    def change_document(self) -> None:
        """Ask for a change."""
        host = self.someone_up()
        if host is None or host.disk.stamped is None or not self.mounts:
            return
        self.changes += 1
        wanted = edited(host.disk.stamped, self.changes)
        self.note(f"change {self.changes} at {host.name}")
        self.world.request(host.name, self.changes, wanted)

    def join(self) -> None:
        """Have the next host of the spec take its place, if one has not."""
        host = self.someone_up()
        if host is None or host.disk.stamped is None or not self.mounts:
            return
        old = host.disk.stamped
        name = next((m.name for m in old.members if m.id is None), None)
        if name is None:
            return
        self.changes += 1
        self.note(f"{name} joins at {host.name}")
        self.world.request(
            host.name, self.changes, joined(edited(old, self.changes), name)
        )

    def change_members(self) -> None:
        """Add or remove the spare host."""
        host = self.someone_up()
        if host is None or host.disk.stamped is None or not self.spare:
            return
        old = host.disk.stamped
        added = all(old.member(name) is None for name in self.spare)
        names = self.names + self.spare if added else self.names
        self.note(f"members at {host.name}: {len(names)}")
        for name in self.spare:
            self.world.hosts[name].trouble_at = self.world.now
        self.changes += 1
        wanted = with_members(edited(old, self.changes), names) if self.mounts else old
        self.world.request(host.name, self.changes, wanted)

    def hand_over(self) -> None:
        """Ask for another broadcaster."""
        host = self.someone_up()
        if host is not None:
            self.note(f"hand-over at {host.name}")
            self.world.ask_handover(host.name)

    # The end

    def make_peace(self) -> None:
        """End all faults; some hosts may stay dead, one able host lives."""
        world = self.world
        world.run(max(self.last_fault, world.now) + 0.001)
        some_die = self.random.random() < 0.4
        survivors = self.random.randint(1, len(self.names))
        able = self.able_names()
        keep = set(self.random.sample(self.names, survivors)) | {
            self.random.choice(able)
        }
        for name in self.names:
            host = world.hosts[name]
            host.crash_at_persist = ""
            if some_die and name not in keep:
                host.dead = True
                if host.state is not None:
                    self.note(f"{name} dies for good")
                    world.kill(name, self.random.choice(("all", "power")))
            else:
                self.restart(name)
        self.note("peace")
        world.loss = 0.0

    def able_names(self) -> tuple[HostName, ...]:
        """Return who may broadcast."""
        never = {
            name
            for host in self.world.hosts.values()
            if host.disk.stamped is not None
            for name in host.disk.stamped.spec.broadcast.never
        }
        return tuple(name for name in self.names if name not in never)
