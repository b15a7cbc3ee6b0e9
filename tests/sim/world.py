"""A simulated network of electors, one Icecast, and virtual time.

Everything random comes from one seeded generator, so a seed is a whole history.
Each host's monotonic clock has an offset of its own: nothing may compare two.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from random import Random

from sessiond.core import election as el
from sessiond.core.election.state import Leading
from sessiond.core.spec import (
    BroadcastSettings,
    Codec,
    HostRef,
    MountSpec,
    NetworkProfile,
    SessionSpec,
)
from sessiond.core.stamped import Member, Stamp, StampedSpec
from sessiond.units import HostName, Kbps, MountPath, Seconds, SessionName, Term

SESSION = SessionName("jam")
ICECAST = HostName("icecast")

# As measured with the real programs: field notes, "Icecast" and "FFmpeg".
SOURCE_TIMEOUT = 10.0
ENCODER_START = 0.35
STALL_SEEN = 2.0
SEND_STALL = 5.0
AGENT_SILENT = 10.0
LOOK_EVERY = 0.25


def document(
    names: tuple[HostName, ...],
    *,
    mounts: bool = True,
    network: NetworkProfile = NetworkProfile.LAN,
    never: frozenset[HostName] = frozenset(),
) -> StampedSpec:
    """Return a session's document before its first stamp."""
    mix = MountSpec(
        path=MountPath("/mix.ogg"), codec=Codec.VORBIS, bitrate_kbps=Kbps(128)
    )
    spec = SessionSpec(
        name=SESSION,
        hosts=tuple(HostRef(name=name) for name in names),
        broadcast=BroadcastSettings(network=network, never=never),
        mounts=(mix,) if mounts else (),
    )
    members = tuple(Member(name=name) for name in names)
    return StampedSpec(stamp=Stamp(Term(0), 0), spec=spec, members=members)


def edited(old: StampedSpec, change: int) -> StampedSpec:
    """Return the document with one more change written into its mount."""
    (mix,) = old.spec.mounts
    mix = replace(mix, description=f"{mix.description}<{change}>")
    return replace(old, spec=replace(old.spec, mounts=(mix,)))


def with_members(old: StampedSpec, names: tuple[HostName, ...]) -> StampedSpec:
    """Return the document for other members."""
    spec = replace(old.spec, hosts=tuple(HostRef(name=name) for name in names))
    return replace(old, spec=spec, members=tuple(Member(name=n) for n in names))


def outcome(state: el.ElectionState | None) -> object:
    """Return what a host acts on: cheap to compare after every step."""
    if state is None:
        return None
    source = state.source.on_air
    return state.right, state.grant, state.mode, state.leader, state.term, source


@dataclass
class Stream:
    """A source process of a host, with its connection to Icecast."""

    number: int
    label: el.HolderLabel
    last_byte: float
    agent_seen: float
    open: bool = True


@dataclass
class Host:
    """A host: its disk, its agent's state while that runs, its source."""

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
    starting: bool = False
    stream: Stream | None = None
    crash_at_persist: str = ""
    dead: bool = False


@dataclass
class BreachError(AssertionError):
    """An invariant did not hold."""

    invariant: int
    sentence: str

    def __str__(self) -> str:
        return f"invariant {self.invariant}: {self.sentence}"


@dataclass
class World:
    """Hosts, network, Icecast, time, and what the invariants need to remember."""

    seed: int
    names: tuple[HostName, ...]
    loss: float = 0.0
    delay: tuple[float, float] = (0.001, 0.01)
    now: float = 0.0
    queue: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    counter: int = 0
    cut: set[tuple[HostName, HostName]] = field(default_factory=set)
    icecast_up: bool = True
    holder: Stream | None = None
    streams: int = 0
    leaders: dict[Term, HostName] = field(default_factory=dict)
    confirmed: set[int] = field(default_factory=set)
    requests: dict[int, int] = field(default_factory=dict)
    takeovers: list[tuple[float, HostName]] = field(default_factory=list)
    conflicts: list[StampedSpec] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    last_shown: dict[HostName, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Reproducible on purpose, and no secret.
        self.random = Random(self.seed)  # noqa: S311
        self.hosts = {
            name: Host(name=name, offset=self.random.uniform(0, 1e6))
            for name in self.names
        }
        for host in self.hosts.values():
            self.boot(host.name)

    # Time

    def after(self, wait: float, action: Callable[[], None]) -> None:
        """Do something later."""
        self.counter += 1
        heappush(self.queue, (self.now + wait, self.counter, action))

    def run(self, until: float) -> None:
        """Let virtual time pass."""
        while self.queue and self.queue[0][0] <= until:
            at, _, action = heappop(self.queue)
            self.now = at
            action()
        self.now = until

    def note(self, text: str) -> None:
        """Add a line to the transcript."""
        self.log.append(f"{self.now:7.3f} {text}")

    # Faults

    def boot(self, name: HostName) -> None:
        """Start a host's agent; it finds its disk, and adopts its stream."""
        host = self.hosts[name]
        host.epoch += 1
        host.paused_until = self.now
        config = el.ElectorConfig(me=name, session=SESSION)
        host.state = el.start(config, host.disk, self.clock(host))
        host.able, host.tried, host.starting, host.wake = False, 0, False, None
        self.feed(host, el.Woke())
        stream = host.stream
        if stream is not None:
            label = stream.label
            self.feed(host, el.SourceAdopted(term=label.term, role=label.role))
        self.look(host, host.epoch)

    def kill(self, name: HostName, how: str) -> None:
        """End a host: its ``agent`` alone, ``all`` its processes, or its ``power``."""
        host = self.hosts[name]
        host.epoch += 1
        host.state = None
        host.crash_at_persist = ""
        host.paused_until = self.now
        if how == "agent":
            self.orphan(host, host.epoch)
        else:
            self.end_stream(host, says_goodbye=how == "all")

    def orphan(self, host: Host, epoch: int) -> None:
        """Let a stream without an agent end itself when its time is over."""
        stream = host.stream
        if stream is None or host.state is not None or host.epoch != epoch:
            return
        if self.now - stream.agent_seen >= AGENT_SILENT:
            self.end_stream(host, says_goodbye=True)
            return
        self.flow(host)
        self.after(LOOK_EVERY, lambda: self.orphan(host, epoch))

    def pause(self, name: HostName, wait: float) -> None:
        """Stop a whole host for a while; everything it missed comes afterwards."""
        host = self.hosts[name]
        host.paused_until = max(host.paused_until, self.now + wait)

    def separate(self, a: HostName, b: HostName, *, both: bool = True) -> None:
        """Cut the way from a to b, and back."""
        self.cut.add((a, b))
        if both:
            self.cut.add((b, a))

    def heal(self, a: HostName, b: HostName) -> None:
        """Mend both ways."""
        self.cut -= {(a, b), (b, a)}

    def icecast_dies(self) -> None:
        """End Icecast: every connection closes."""
        self.icecast_up = False
        if self.holder is not None:
            self.holder.open = False
            self.holder = None

    # Agents

    def clock(self, host: Host) -> Seconds:
        """Return a host's own monotonic clock."""
        return Seconds(self.now + host.offset)

    def feed(self, host: Host, event: el.Event) -> None:
        """Step a host's elector, later if the host is paused; do the effects."""
        if host.state is None:
            return
        if host.paused_until > self.now:
            epoch = host.epoch
            wait = host.paused_until - self.now
            self.after(wait, lambda: self.feed_in(host, epoch, event))
            return
        before = host.state
        host.state, effects = el.step(before, event, self.clock(host))
        for effect in effects:
            if not self.perform(host, effect):
                return
        self.check_step(host, before)
        if outcome(host.state) != outcome(before):
            self.obey(host)

    def feed_in(self, host: Host, epoch: int, event: el.Event) -> None:
        """Step unless the agent was restarted meanwhile."""
        if host.epoch == epoch:
            self.feed(host, event)

    def perform(self, host: Host, effect: el.Effect) -> bool:
        """Do one effect; False when the host died of it."""
        match effect:
            case el.Persist():
                return self.persist(host, effect.persisted)
            case el.Send():
                self.send(host.name, effect.to, effect.message)
            case el.WakeAt():
                self.wake_at(host, effect.at)
            case el.ConfirmStamp() if effect.by_majority:
                change = self.requests.get(effect.request)
                if change is not None:
                    self.confirmed.add(change)
            case el.KeepConflict():
                self.conflicts.append(effect.stamped)
            case _:
                pass
        return True

    def persist(self, host: Host, persisted: el.Persisted) -> bool:
        """Write to the disk, or die just before or just after it."""
        if host.crash_at_persist == "before":
            self.kill(host.name, "all")
            return False
        if persisted.term < host.disk.term:
            raise BreachError(2, f"{host.name} fell from {host.disk.term}")
        if (
            persisted.term == host.disk.term
            and host.disk.voted_for is not None
            and persisted.voted_for != host.disk.voted_for
        ):
            raise BreachError(1, f"{host.name} voted twice in {persisted.term}")
        host.disk = persisted
        if host.crash_at_persist == "after":
            self.kill(host.name, "all")
            return False
        return True

    def wake_at(self, host: Host, at: Seconds) -> None:
        """Set the one timer of a host."""
        wake = max(at - host.offset, self.now)
        host.wake = wake
        epoch = host.epoch

        def ring() -> None:
            if host.epoch == epoch and host.wake == wake:
                self.feed(host, el.Woke())

        self.after(wake - self.now + 1e-6, ring)

    def send(self, a: HostName, b: HostName, message: el.Message) -> None:
        """Carry a message, unless it is lost or its way is cut."""
        if (a, b) in self.cut or b not in self.hosts:
            return
        if self.loss and self.random.random() < self.loss:
            return
        wait = self.random.uniform(*self.delay)
        event = el.MessageReceived(sender=a, message=message)

        def arrive() -> None:
            if (a, b) not in self.cut:
                self.feed(self.hosts[b], event)

        self.after(wait, arrive)

    def look(self, host: Host, epoch: int) -> None:
        """Let an agent look at Icecast and at its own ability, again and again."""
        if host.epoch != epoch or host.state is None:
            return
        self.after(LOOK_EVERY, lambda: self.look(host, epoch))
        if host.paused_until > self.now:
            return
        self.tend_stream(host)
        able = host.willing and self.reaches(host)
        if able != host.able:
            host.able = able
            self.feed(host, el.AbilityChanged(able=able))
        if host.state is not None and el.watching(host.state, self.clock(host)):
            self.feed(host, self.witness(host))

    def witness(self, host: Host) -> el.MountWitnessed:
        """Return what this host sees of the mount."""
        if not self.reaches(host):
            return el.MountWitnessed(evidence=el.Evidence.UNREACHABLE)
        self.settle_icecast()
        holder = self.holder
        if holder is None:
            return el.MountWitnessed(evidence=el.Evidence.FREE)
        stalled = self.now - holder.last_byte >= STALL_SEEN
        return el.MountWitnessed(
            evidence=el.Evidence.STALLED if stalled else el.Evidence.PROGRESSING,
            holder=holder.label,
            stream_start=str(holder.number),
        )

    # Sources and Icecast

    def reaches(self, host: Host) -> bool:
        """Return whether bytes get from a host to Icecast."""
        return self.icecast_up and (host.name, ICECAST) not in self.cut

    def flow(self, host: Host) -> None:
        """Send what a stream has to send."""
        stream = host.stream
        if stream is not None and stream.open and self.reaches(host):
            stream.last_byte = self.now

    def settle_icecast(self) -> None:
        """Let streams that live flow, and drop the holder after its timeout."""
        for host in self.hosts.values():
            if host.paused_until <= self.now:
                self.flow(host)
        holder = self.holder
        if holder is not None and self.now - holder.last_byte >= SOURCE_TIMEOUT:
            holder.open = False
            self.holder = None

    def tend_stream(self, host: Host) -> None:
        """Let the source process see its connection, its agent and its sends."""
        stream = host.stream
        self.settle_icecast()
        if stream is None:
            return
        silent = self.now - stream.agent_seen >= AGENT_SILENT
        stalled = self.now - stream.last_byte >= SEND_STALL
        stream.agent_seen = self.now
        if silent or stalled or (not stream.open and self.reaches(host)):
            self.end_stream(host, says_goodbye=True)
            self.feed(host, el.SourceLost())

    def end_stream(self, host: Host, *, says_goodbye: bool) -> None:
        """End a source process; Icecast learns of it only if the FIN gets there."""
        stream = host.stream
        if stream is None:
            return
        host.stream = None
        self.note(f"{host.name} off the air")
        if says_goodbye and self.reaches(host):
            stream.open = False
            if self.holder is stream:
                self.holder = None

    def obey(self, host: Host) -> None:
        """Start or stop the source as the leadership says."""
        if host.state is None:
            return
        lead = el.leadership(host.state, self.clock(host))
        self.show(host, lead)
        if not lead.right and host.stream is not None:
            self.end_stream(host, says_goodbye=True)
            self.feed(host, el.SourceLost())
            return
        if lead.right and lead.grant != host.tried and host.stream is None:
            host.tried = lead.grant
            if not host.starting:
                host.starting = True
                epoch = host.epoch
                self.after(ENCODER_START, lambda: self.put(host, epoch))

    def put(self, host: Host, epoch: int) -> None:
        """Try the PUT with a warm encoder."""
        if host.epoch != epoch or host.state is None:
            return
        if host.paused_until > self.now:
            self.after(host.paused_until - self.now, lambda: self.put(host, epoch))
            return
        host.starting = False
        lead = el.leadership(host.state, self.clock(host))
        if not lead.right or not self.reaches(host):
            self.feed(host, el.SourceLost())
            return
        self.settle_icecast()
        if self.holder is not None:
            self.feed(host, el.SourceRefused())
            return
        self.streams += 1
        role = lead.my_role or el.Role.CARETAKER
        label = el.HolderLabel(
            session=SESSION, host=host.name, term=lead.term, role=role
        )
        host.stream = self.holder = Stream(
            number=self.streams, label=label, last_byte=self.now, agent_seen=self.now
        )
        self.takeovers.append((self.now, host.name))
        self.note(f"{host.name} on the air as {role} of term {lead.term}")
        self.feed(host, el.SourceAccepted())

    # Checks

    def show(self, host: Host, lead: el.Leadership) -> None:
        """Add to the transcript what changed in a host's leadership."""
        role = "-" if lead.my_role is None else str(lead.my_role)
        line = f"{host.name} {role} (leader {lead.leader}, term {lead.term})"
        if self.last_shown.get(host.name) != line:
            self.last_shown[host.name] = line
            self.note(line)

    def check_step(self, host: Host, before: el.ElectionState) -> None:
        """Hold a step against invariants 1 and 2."""
        state = host.state
        if state is None:
            return
        if state.persisted != host.disk:
            raise BreachError(2, f"{host.name} knows what its disk does not")
        if state.term < before.term:
            raise BreachError(2, f"{host.name} fell from {before.term} to {state.term}")
        if isinstance(state.mode, Leading):
            first = self.leaders.setdefault(state.term, host.name)
            if first != host.name:
                raise BreachError(1, f"{first} and {host.name} lead in {state.term}")

    def request(self, host: HostName, change: int, wanted: StampedSpec) -> None:
        """Ask a host for a change of the document."""
        number = len(self.requests) + 1
        self.requests[number] = change
        self.feed(self.hosts[host], el.StampRequested(request=number, document=wanted))

    def living(self) -> list[Host]:
        """Return the hosts whose agents run."""
        return [host for host in self.hosts.values() if host.state is not None]
