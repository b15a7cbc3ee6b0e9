"""Virtual time, hosts and the ways between them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from random import Random

from sessiond.core import election as el
from sessiond.units import HostName, Seconds
from tests.sim.station import SOURCE_TIMEOUT, End, Seat, Station, Stream

ICECAST = HostName("icecast")

# A look at Icecast follows a change within this time (election.md, "Evidence").
NOTICED_WITHIN = 0.25


@dataclass(eq=False)
class Host:
    """A host: its disk, its agent's state while that runs, its sources.

    Attributes:
        listening_since: When its own listener last connected.
        encoding: Its encoder runs, so a PUT needs no start.
        trouble_at: When something of its own last went wrong, or came right.
        parted_at: The same for its ways to other hosts.
    """

    name: HostName
    offset: float
    disk: el.Persisted = field(default_factory=el.Persisted)
    state: el.ElectionState | None = None
    epoch: int = 0
    paused_until: float = 0.0
    wake: float | None = None
    willing: bool = True
    able: bool = False
    tried: int = 0
    looks: int = 0
    look_at: float = 0.0
    listening_since: float = 0.0
    encoding: bool = False
    putting: bool = False
    killing: bool = False
    stream: Stream | None = None
    hidden: Stream | None = None
    crash_at_persist: str = ""
    disk_full: bool = False
    dead: bool = False
    trouble_at: float = -100.0
    parted_at: float = -100.0


@dataclass
class BreachError(AssertionError):
    """An invariant did not hold."""

    invariant: int | str
    sentence: str

    def __str__(self) -> str:
        return f"invariant {self.invariant}: {self.sentence}"


class Net:
    """Everything random comes from one seeded generator: a seed is a whole history.

    Each host's monotonic clock has an offset of its own: nothing may compare two.
    """

    def __init__(
        self,
        *,
        seed: int,
        names: tuple[HostName, ...],
        loss: float = 0.0,
        delay: tuple[float, float] = (0.001, 0.01),
        quiet: bool = False,
    ) -> None:
        # Reproducible on purpose, and no secret.
        self.random = Random(seed)  # noqa: S311
        self.seed, self.names, self.quiet = seed, names, quiet
        self.loss, self.delay = loss, delay
        self.now = 0.0
        self.queue: list[tuple[float, int, Callable[..., None], tuple[object, ...]]]
        self.queue = []
        self.counter = 0
        self.cut: set[tuple[HostName, HostName]] = set()
        self.station = Station()
        self.changed_at = 0.0
        self.log: list[str] = []
        self.hosts = {
            name: Host(name=name, offset=self.random.uniform(0, 1e6)) for name in names
        }

    # Time

    def after(
        self, wait: float, action: Callable[..., None], *arguments: object
    ) -> None:
        """Do something later."""
        self.counter += 1
        heappush(self.queue, (self.now + wait, self.counter, action, arguments))

    def run(self, until: float) -> None:
        """Let virtual time pass."""
        queue = self.queue
        while queue and queue[0][0] <= until:
            self.now, _, action, arguments = heappop(queue)
            action(*arguments)
        self.now = until

    def clock(self, host: Host) -> Seconds:
        """Return a host's own monotonic clock."""
        return Seconds(self.now + host.offset)

    def note(self, text: str) -> None:
        """Add a line to the transcript."""
        if not self.quiet:
            self.log.append(f"{self.now:7.3f} {text}")

    # Ways

    def reaches(self, host: Host) -> bool:
        """Return whether bytes get from a host to Icecast."""
        return self.station.up and (host.name, ICECAST) not in self.cut

    def separate(self, a: HostName, b: HostName, *, both: bool = True) -> None:
        """Cut the way from a to b, and back."""
        self.cut.add((a, b))
        if both:
            self.cut.add((b, a))
        self._changed(a, b)

    def heal(self, a: HostName, b: HostName) -> None:
        """Mend both ways."""
        self.cut -= {(a, b), (b, a)}
        self._changed(a, b)

    def _changed(self, a: HostName, b: HostName) -> None:
        self.changed_at = self.now
        for host in (self.hosts.get(a), self.hosts.get(b)):
            if host is not None and ICECAST in (a, b):
                host.trouble_at = host.listening_since = self.now
                self.refresh(host)
            elif host is not None:
                host.parted_at = self.now

    def pause(self, name: HostName, wait: float) -> None:
        """Stop a whole host for a while; everything it missed comes afterwards."""
        host = self.hosts[name]
        self.changed_at = host.trouble_at = self.now
        if host.state is not None and host.paused_until < self.now:
            self.see_agent(host)
        host.paused_until = max(host.paused_until, self.now + wait)
        self.refresh(host)
        self.after(wait, self.thaw, host)

    def thaw(self, host: Host) -> None:
        """Let a host go on, unless it is to pause for longer."""
        if host.paused_until > self.now:
            return
        self.changed_at = host.trouble_at = self.now
        self.wake_sources(host)
        self.refresh(host)

    def see_agent(self, host: Host) -> None:
        """Note that a host's sources hear from its agent."""
        for stream in (host.stream, host.hidden):
            if stream is not None:
                stream.agent_seen = self.now

    def wake_sources(self, host: Host) -> None:
        """Let the sources of a host that goes on look at their lease first."""

    # Bytes

    def refresh(self, host: Host) -> None:
        """Let a host's bytes flow, or not, as things are now."""
        flowing = self.reaches(host) and host.paused_until <= self.now
        for stream in (host.stream, host.hidden):
            if stream is not None:
                self.flow(stream, flowing=flowing and not stream.stuck)
        self.after(NOTICED_WITHIN, self.notice, host)

    def notice(self, host: Host) -> None:
        """Let an agent see how its host is now."""

    def flow(self, stream: Stream, *, flowing: bool) -> None:
        """Let a stream flow, or not; Icecast drops one that stays silent."""
        self.station.flow(stream, self.now, flowing=flowing)
        if not stream.flowing and stream.end is None:
            self.after(SOURCE_TIMEOUT + 1e-6, self.expire, stream)

    def expire(self, stream: Stream) -> None:
        """Drop a source that was silent for the source-timeout."""
        if not stream.flowing and self.now - stream.last_byte >= SOURCE_TIMEOUT:
            self.station.close(stream, End.TIMED_OUT, self.now)

    def icecast_dies(self) -> None:
        """End Icecast: every connection closes."""
        self.changed_at = self.now
        self.station.die(self.now)
        for host in self.hosts.values():
            self.after(NOTICED_WITHIN, self.notice, host)

    def icecast_starts(self) -> None:
        """Start Icecast again."""
        self.changed_at = self.now
        self.station.up = True
        for host in self.hosts.values():
            host.listening_since = self.now
            self.after(NOTICED_WITHIN, self.notice, host)

    @property
    def holder(self) -> Stream | None:
        """The source on the primary mount."""
        return self.station.holder(Seat.PRIMARY)
