"""What the hosts' rims do about Icecast: look, PUT, stand by, fence.

As `agent` does it, with the times that were measured there.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from sessiond.core import election as el
from sessiond.core.election.members import timers
from sessiond.core.spec import StandbyMode
from sessiond.units import HostName
from tests.sim.documents import SESSION
from tests.sim.net import BreachError, Host, Net
from tests.sim.station import BURST_ENDS, STALL_SEEN, End, Seat, Stream

# Field notes, "FFmpeg" and "Icecast": a cold start, a PUT from a warm encoder, and
# how long after a killsource the mount is free.
ENCODER_START = 0.35
WARM_PUT = 0.05
KILL_TAKES = (0.02, 0.3)
SEND_STALL = 5.0
# After this long an agent ends a source of its own that sends nothing.
STUCK_SEEN = (2.0, 3.0)
AGENT_SILENT = 10.0
LOOK_EVERY = 0.25
STEER_EVERY = 0.1
# Whose source flows is told of what changes; it looks now and then all the same.
IDLE = 1.0
# A hidden mount ends once its host's own primary has something to play.
SETTLED_AFTER = 3.0
PLAYS_AFTER = 0.5
# A hand-over that was asked for may take this long.
ASKED_WITHIN = 8.0
# A host was well if nothing happened to it for longer than any patience of another's.
WELL_SINCE = 15.0


@dataclass(frozen=True, kw_only=True)
class Put:
    """An accepted PUT on the primary mount, and what it followed."""

    at: float
    host: HostName
    role: el.Role
    before: Stream | None
    undisturbed: bool
    needless: bool
    parted: bool

    @property
    def is_switch(self) -> bool:
        """Whether another host held the mount before."""
        return self.before is not None and self.before.label.host != self.host

    @property
    def took(self) -> float:
        """From the last byte before to this PUT."""
        return 0.0 if self.before is None else self.at - self.before.last_byte


class Air(Net, ABC):
    """The sources of all hosts."""

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
        self.streams = 0
        self.asked_at = -100.0
        self.may_kill = True
        self.last: Stream | None = None
        self.puts: list[Put] = []
        self.kills: list[tuple[float, HostName]] = []

    @abstractmethod
    def feed(self, host: Host, event: el.Event) -> None:
        """Step a host's elector."""

    # Looking

    def look_in(self, host: Host, wait: float) -> None:
        """Look again after a while; this replaces the look that was due."""
        host.looks += 1
        host.look_at = self.now + wait
        self.after(wait, self.look, host, host.looks)

    def hurry(self, host: Host) -> None:
        """Look soon: the elector changed its mind."""
        if host.look_at > self.now + LOOK_EVERY:
            self.look_in(host, LOOK_EVERY)

    def look(self, host: Host, number: int) -> None:
        """Let an agent look at its sources, at itself and at Icecast."""
        if host.looks != number or host.state is None:
            return
        if host.paused_until > self.now:
            self.look_in(host, host.paused_until - self.now)
            return
        self.look_in(host, LOOK_EVERY)
        self.tend(host)
        self.notice_ability(host)
        if host.state is not None and el.watching(host.state, self.clock(host)):
            self.feed(host, self.witness(host))
        if host.state is not None:
            self.obey(host)
            self.bring_back(host)
            self.fence(host, host.state)
        if host.state is not None:
            self.look_in(host, self.pause_after(host, host.state))

    def pause_after(self, host: Host, state: el.ElectionState) -> float:
        """Return how long until the next look; idle hosts need few."""
        if state.right and host.stream is None:
            return STEER_EVERY
        if state.right and host.stream is not None:
            well = host.stream.flowing and host.hidden is None
            return IDLE if well and not self.station.moved else LOOK_EVERY
        if state.contact is None:
            return LOOK_EVERY
        watching_from = state.contact + 2 * timers(state).heartbeat
        return max(LOOK_EVERY, watching_from - self.clock(host))

    def notice(self, host: Host) -> None:
        """Let an agent notice that something changed."""
        self.hurry(host)
        self.notice_ability(host)

    def notice_ability(self, host: Host) -> None:
        """Let an agent notice whether it could broadcast."""
        able = host.willing and self.reaches(host)
        if able == host.able or host.state is None or host.paused_until > self.now:
            return
        host.able = able
        self.feed(host, el.AbilityChanged(able=able))

    def witness(self, host: Host) -> el.MountWitnessed:
        """Return what this host's own listener and Icecast's status show."""
        if not self.reaches(host):
            return el.MountWitnessed(evidence=el.Evidence.UNREACHABLE)
        holder = self.holder
        if holder is None:
            return el.MountWitnessed(evidence=el.Evidence.FREE)
        since = max(host.listening_since, holder.since)
        heard = max(holder.moved_at(self.now), since)
        evidence = el.Evidence.PROGRESSING
        if self.now - heard >= STALL_SEEN:
            evidence = el.Evidence.STALLED
        elif heard - since < BURST_ENDS:
            evidence = el.Evidence.UNKNOWN
        return el.MountWitnessed(
            evidence=evidence,
            holder=holder.label,
            stream_start=str(holder.number),
        )

    # A source process, behind

    def tend(self, host: Host) -> None:
        """Let the source processes see their connections, their agent, their sends."""
        for stream in (host.stream, host.hidden):
            if stream is None:
                continue
            silent = self.now - stream.agent_seen >= AGENT_SILENT
            stuck = not stream.flowing and self.now - stream.last_byte >= SEND_STALL
            stream.agent_seen = self.now
            if silent or stuck or (stream.end is not None and self.reaches(host)):
                self.end_stream(host, stream, End.FENCED_ITSELF)
                if stream.seat is Seat.PRIMARY:
                    self.feed(host, el.SourceLost())

    def source_dies(self, host: Host) -> None:
        """Kill a host's source; its agent sees it within a moment."""
        stream = host.stream
        if stream is None:
            return
        self.changed_at = self.now
        self.end_stream(host, stream, End.DIED)
        host.encoding = False
        self.after(self.random.uniform(0.0, 0.2), self.miss_source, host, host.epoch)

    def miss_source(self, host: Host, epoch: int) -> None:
        """Let an agent see that its source has ended."""
        if host.epoch == epoch:
            self.feed(host, el.SourceLost())

    def source_stops(self, host: Host) -> None:
        """Let a source live and send nothing; its agent ends it in the end."""
        stream = host.stream
        if stream is None:
            return
        self.changed_at = host.trouble_at = self.now
        stream.stuck = True
        self.refresh(host)
        self.watch_flow(host, stream)

    def watch_flow(self, host: Host, stream: Stream) -> None:
        """Let an agent see in time that a source of its own is stuck."""
        if stream.stuck:
            seen = self.random.uniform(*STUCK_SEEN)
            self.after(seen, self.end_stuck, host, stream)

    def end_stuck(self, host: Host, stream: Stream) -> None:
        """Let an agent end the source that sends nothing."""
        if host.stream is stream and host.state is not None:
            self.source_dies(host)

    def wake_sources(self, host: Host) -> None:
        """Let the sources look at their lease before the first write after a pause."""
        for stream in (host.stream, host.hidden):
            if stream is not None and self.now - stream.agent_seen >= AGENT_SILENT:
                self.end_stream(host, stream, End.FENCED_ITSELF)
                if stream.seat is Seat.PRIMARY:
                    self.feed(host, el.SourceLost())

    def orphan(self, host: Host, epoch: int) -> None:
        """Let sources end whose agent has been silent for too long."""
        if host.state is None and host.epoch == epoch:
            for stream in (host.stream, host.hidden):
                if stream is not None:
                    self.end_stream(host, stream, End.FENCED_ITSELF)

    def end_stream(self, host: Host, stream: Stream, end: End) -> None:
        """End a source process; Icecast learns of it only if the FIN gets there."""
        if stream.seat is Seat.PRIMARY:
            host.stream = None
            self.note(f"{host.name} off the air")
        else:
            host.hidden = None
        if self.reaches(host):
            self.station.close(stream, end, self.now)
        else:
            self.flow(stream, flowing=False)

    # What the leadership wants

    def obey(self, host: Host) -> None:
        """Start or stop the sources as the election says."""
        state = host.state
        if state is None:
            return
        if not state.right and host.stream is not None:
            self.end_stream(host, host.stream, End.BY_WORD)
            self.feed(host, el.SourceLost())
            return
        if state.right and state.grant != host.tried and host.stream is None:
            host.tried = state.grant
            if not host.putting:
                host.putting = True
                wait = WARM_PUT if host.encoding else ENCODER_START
                self.after(wait, self.put, host, host.epoch)
        self.stand_by(host, state)

    def put(self, host: Host, epoch: int) -> None:
        """Try the PUT, the encoder being ready."""
        if host.epoch != epoch or host.state is None:
            return
        if host.paused_until > self.now:
            self.after(host.paused_until - self.now, self.put, host, epoch)
            return
        host.putting, host.encoding = False, True
        if not host.state.right or not self.reaches(host):
            self.feed(host, el.SourceLost())
            return
        if self.holder is not None:
            self.feed(host, el.SourceRefused())
            return
        lead = el.leadership(host.state, self.clock(host))
        role = lead.my_role or el.Role.CARETAKER
        host.stream = self.connect(host, Seat.PRIMARY, lead, role)
        self.record(host, host.stream)
        self.last = host.stream
        self.note(f"{host.name} on the air as {role} of term {lead.term}")
        self.feed(host, el.SourceAccepted())

    def connect(
        self, host: Host, seat: Seat, lead: el.Leadership, role: el.Role
    ) -> Stream:
        """Connect a source to a free seat."""
        self.streams += 1
        label = el.HolderLabel(
            session=SESSION, host=host.name, term=lead.term, role=role
        )
        stream = Stream(
            number=self.streams,
            seat=seat,
            label=label,
            since=self.now,
            agent_seen=self.now,
            last_byte=self.now,
        )
        self.station.accept(stream, self.now)
        return stream

    def record(self, host: Host, stream: Stream) -> None:
        """Remember a PUT, and whether the switch was needed."""
        old, needless, parted = self.last, False, False
        if old is not None and old.label.host != host.name:
            owner = self.hosts[old.label.host]
            well = min(old.last_byte, self.now) - owner.trouble_at > WELL_SINCE
            asked = old.last_byte - self.asked_at < ASKED_WITHIN
            needless = well and not asked and owner.state is not None
            parted = old.last_byte - owner.parted_at < 2 * WELL_SINCE
        put = Put(
            at=self.now,
            host=host.name,
            role=stream.label.role,
            before=old,
            undisturbed=old is not None and self.changed_at <= old.last_byte + 1e-3,
            needless=needless,
            parted=parted,
        )
        self.puts.append(put)

    # Standing by

    def stand_by(self, host: Host, state: el.ElectionState) -> None:
        """Feed the hidden mount, or stop; move the listeners off a stalled primary."""
        named = state.bulletin is not None and state.bulletin.standby == host.name
        if host.hidden is None and not named:
            return
        lead = el.leadership(state, self.clock(host))
        hidden = host.hidden
        if not self.hidden_wanted(host, lead):
            if hidden is not None:
                self.end_stream(host, hidden, End.BY_WORD)
        elif hidden is None:
            self.feed_hidden(host, lead)
        elif not lead.right:
            self.move_listeners(host, lead)

    def hidden_wanted(self, host: Host, lead: el.Leadership) -> bool:
        """Return whether a host should feed the hidden mount (`core.seats`)."""
        document = lead.stamped
        if document is None or document.stopped:
            return False
        if document.spec.broadcast.standby is not StandbyMode.HOT:
            return False
        taken, own = host.hidden is not None, host.stream
        if lead.right:
            return taken and (own is None or self.now - own.since < SETTLED_AFTER)
        return lead.standby == host.name and (taken or lead.broadcaster is not None)

    def feed_hidden(self, host: Host, lead: el.Leadership) -> None:
        """Start the encoder, then take the hidden mount once it is free."""
        if not host.encoding:
            host.encoding = True
        elif self.reaches(host) and self.station.holder(Seat.HIDDEN) is None:
            # It claims no right, so any role serves as its label.
            host.hidden = self.connect(host, Seat.HIDDEN, lead, el.Role.CARETAKER)

    def move_listeners(self, host: Host, lead: el.Leadership) -> None:
        """Move the listeners when the leader is suspect and its mount stalls."""
        state, ago = host.state, lead.heard_leader_ago
        if state is None or ago is None or not self.reaches(host):
            return
        seen = self.witness(host).evidence
        if self.station.moved and seen is el.Evidence.PROGRESSING:
            self.station.move_listeners(self.now, hide=False)
        elif seen is el.Evidence.STALLED and ago >= timers(state).suspect:
            self.station.move_listeners(self.now, hide=True)

    def bring_back(self, host: Host) -> None:
        """Move the listeners to a mount that plays, from another's hidden mount."""
        own = host.stream
        if own is None or host.hidden is not None or not self.station.moved:
            return
        if self.now - own.since >= PLAYS_AFTER and self.reaches(host):
            self.station.move_listeners(self.now, hide=False)

    # Fencing, in front

    def fence(self, host: Host, state: el.ElectionState) -> None:
        """Kill the very source that was judged, if it is still there (invariant 4)."""
        if not state.right or host.stream or host.killing or not self.may_kill:
            return
        lead = el.leadership(state, self.clock(host))
        holder = self.holder
        if holder is None or lead.fence != str(holder.number) or not self.reaches(host):
            return
        moves = self.now - holder.moved_at(self.now) < STALL_SEEN
        if moves and lead.my_role is not el.Role.LEADER:
            sentence = f"{host.name} kills a stream that moves, without a majority"
            raise BreachError(4, sentence)
        host.killing = True
        self.kills.append((self.now, host.name))
        self.note(f"{host.name} kills the source of {holder.label.host}")
        self.after(self.random.uniform(*KILL_TAKES), self.killed, host, holder)

    def killed(self, host: Host, stream: Stream) -> None:
        """Free the mount of a killed source."""
        host.killing = False
        self.station.close(stream, End.KILLED, self.now)
        self.hurry(self.hosts[stream.label.host])
