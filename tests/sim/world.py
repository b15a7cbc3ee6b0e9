"""A simulated network of electors: their steps, disks and messages, and the checks."""

from sessiond.core import election as el
from sessiond.core.election.state import Leading
from sessiond.core.stamped import StampedSpec
from sessiond.units import HostName, Seconds, Term
from tests.sim.air import AGENT_SILENT, Air
from tests.sim.documents import SESSION
from tests.sim.net import BreachError, Host
from tests.sim.station import End

# As `agent.elect` does.
DISK_RETRY = 0.25


def outcome_differs(old: el.ElectionState, new: el.ElectionState) -> bool:
    """Return whether a host must act on a step: cheap, for it is asked every time."""
    return (
        old.right is not new.right
        or old.grant != new.grant
        or old.source is not new.source
        or old.leader != new.leader
        or type(old.mode) is not type(new.mode)
        or old.persisted is not new.persisted
    )


class World(Air):
    """Hosts with their agents, and what the invariants need to remember."""

    def __init__(
        self,
        *,
        seed: int,
        names: tuple[HostName, ...],
        loss: float = 0.0,
        delay: tuple[float, float] = (0.001, 0.01),
        quiet: bool = False,
    ) -> None:
        super().__init__(seed=seed, names=names, loss=loss, delay=delay, quiet=quiet)
        self.leaders: dict[Term, HostName] = {}
        self.confirmed: set[int] = set()
        self.requests: dict[int, int] = {}
        self.conflicts: list[StampedSpec] = []
        self.last_shown: dict[HostName, str] = {}
        for name in names:
            self.boot(name)

    # Agents

    def boot(self, name: HostName) -> None:
        """Start a host's agent; it finds its disk, and adopts its stream."""
        host = self.hosts[name]
        self.changed_at = host.trouble_at = host.listening_since = self.now
        host.epoch += 1
        host.paused_until = self.now
        config = el.ElectorConfig(me=name, session=SESSION)
        host.state = el.start(config, host.disk, self.clock(host))
        host.able, host.tried, host.wake = False, 0, None
        host.putting = host.killing = False
        self.feed(host, el.Woke())
        self.tend(host)
        if host.stream is not None:
            stream, label = host.stream, host.stream.label
            self.feed(host, el.SourceAdopted(term=label.term, role=label.role))
            self.watch_flow(host, stream)
        self.refresh(host)
        self.look_in(host, 0.0)

    def kill(self, name: HostName, how: str) -> None:
        """End a host: its ``agent`` alone, ``all`` its processes, or its ``power``."""
        host = self.hosts[name]
        self.changed_at = host.trouble_at = self.now
        self.see_agent(host)
        host.epoch += 1
        host.state = None
        host.crash_at_persist = ""
        host.paused_until = self.now
        if how == "agent":
            self.refresh(host)
            self.after(AGENT_SILENT, self.orphan, host, host.epoch)
            return
        host.encoding = False
        for stream in (host.stream, host.hidden):
            if stream is not None and how == "all":
                self.end_stream(host, stream, End.DIED)
            elif stream is not None:
                self.flow(stream, flowing=False)
        if host.stream is not None:
            self.note(f"{name} silent")
        host.stream = host.hidden = None

    def set_willing(self, name: HostName, *, willing: bool) -> None:
        """Take a host's JACK away, or give it back."""
        host = self.hosts[name]
        self.changed_at = host.trouble_at = self.now
        host.willing = willing
        self.refresh(host)

    def feed(self, host: Host, event: el.Event) -> None:
        """Step a host's elector, later if the host is paused; do the effects."""
        before = host.state
        if before is None:
            return
        if host.paused_until > self.now:
            wait = host.paused_until - self.now
            self.after(wait, self.feed_in, host, host.epoch, event)
            return
        state, effects = el.step(before, event, self.clock(host))
        if host.disk_full and any(isinstance(e, el.Persist) for e in effects):
            # As if the event had been lost; the driver tries again soon.
            self.after(DISK_RETRY, self.feed_in, host, host.epoch, el.Woke())
            return
        host.state = state
        for effect in effects:
            if not self.perform(host, effect):
                return
        self.check_step(host, before, host.state)
        if not self.quiet:
            self.show(host, host.state)
        if outcome_differs(before, host.state):
            self.obey(host)
            self.hurry(host)

    def feed_in(self, host: Host, epoch: int, event: el.Event) -> None:
        """Step unless the agent was restarted meanwhile."""
        if host.epoch == epoch:
            self.feed(host, event)

    def perform(self, host: Host, effect: el.Effect) -> bool:
        """Do one effect; False when the host died of it."""
        match effect:
            case el.Send():
                self.send(host.name, effect.to, effect.message)
            case el.WakeAt():
                host.wake = max(effect.at - host.offset, self.now)
                wait = host.wake - self.now + 1e-6
                self.after(wait, self.ring, host, host.epoch, host.wake)
            case el.Persist():
                return self.persist(host, effect.persisted)
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

    def ring(self, host: Host, epoch: int, wake: float) -> None:
        """Wake a host, unless it was restarted or asked for another instant."""
        if host.epoch == epoch and host.wake == wake:
            self.feed(host, el.Woke())

    def send(self, a: HostName, b: HostName, message: el.Message) -> None:
        """Carry a message, unless it is lost or its way is cut."""
        if (a, b) in self.cut or b not in self.hosts:
            return
        if self.loss and self.random.random() < self.loss:
            return
        wait = self.random.uniform(*self.delay)
        self.after(wait, self.arrive, a, b, message)

    def arrive(self, a: HostName, b: HostName, message: el.Message) -> None:
        """Deliver a message unless its way was cut meanwhile."""
        if (a, b) not in self.cut:
            self.feed(self.hosts[b], el.MessageReceived(sender=a, message=message))

    # Checks

    def show(self, host: Host, state: el.ElectionState) -> None:
        """Add to the transcript what changed in a host's leadership."""
        lead = el.leadership(state, self.clock(host))
        role = "-" if lead.my_role is None else str(lead.my_role)
        line = f"{host.name} {role} (leader {lead.leader}, term {lead.term})"
        if self.last_shown.get(host.name) != line:
            self.last_shown[host.name] = line
            self.note(line)

    def check_step(
        self, host: Host, before: el.ElectionState, state: el.ElectionState
    ) -> None:
        """Hold a step against invariants 1 and 2."""
        if state.persisted is not host.disk and state.persisted != host.disk:
            raise BreachError(2, f"{host.name} knows what its disk does not")
        if state.term < before.term:
            raise BreachError(2, f"{host.name} fell from {before.term} to {state.term}")
        if isinstance(state.mode, Leading):
            first = self.leaders.setdefault(state.term, host.name)
            if first != host.name:
                raise BreachError(1, f"{first} and {host.name} lead in {state.term}")

    # Wishes

    def create(self, name: HostName, first: StampedSpec) -> None:
        """Create the session at a host."""
        self.feed(self.hosts[name], el.CreateRequested(document=first))

    def request(self, host: HostName, change: int, wanted: StampedSpec) -> None:
        """Ask a host for a change of the document."""
        number = len(self.requests) + 1
        self.requests[number] = change
        self.feed(self.hosts[host], el.StampRequested(request=number, document=wanted))

    def ask_handover(self, host: HostName, to: HostName | None = None) -> None:
        """Ask a host for another broadcaster."""
        self.asked_at = self.now
        self.feed(self.hosts[host], el.HandoverRequested(request=0, to=to))

    def living(self) -> list[Host]:
        """Return the hosts whose agents run."""
        return [host for host in self.hosts.values() if host.state is not None]

    def lead(self, name: HostName) -> el.Leadership:
        """Return what a living host knows of the election."""
        host = self.hosts[name]
        assert host.state is not None
        return el.leadership(host.state, Seconds(self.clock(host)))
