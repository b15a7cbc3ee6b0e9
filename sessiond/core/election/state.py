"""The elector's state: what it is doing, whom it heard, what it saw."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from sessiond.core.election.effects import Persisted
from sessiond.core.election.events import Evidence
from sessiond.core.election.messages import Heartbeat, Presence, Refusal
from sessiond.core.holder import HolderLabel
from sessiond.core.spec import NetworkProfile
from sessiond.core.stamped import Stamp
from sessiond.units import HostName, Seconds, SessionName, Term

# A crashed agent is restarted by its supervisor and adopts its sources; a source
# without an agent stops by itself after the same time (election.md, "Fencing").
ADOPTION_GRACE: Final = Seconds(10.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ElectorConfig:
    """Who this elector is, and how long an orphaned source may play on."""

    me: HostName
    session: SessionName
    adoption_grace: Seconds = ADOPTION_GRACE


@dataclass(frozen=True, slots=True, kw_only=True)
class Timers:
    """All durations of a network profile.

    Attributes:
        heartbeat: Between two heartbeats, or two hellos.
        suspect: A host unheard for so long is suspect.
        lease: For so long after hearing a leader a voter elects no other.
        rights: A leader without a majority's acks for so long loses its rights.
        rank_step: The candidate delay of one rank.
        ballot: How long a round waits for answers.
        gone: A host unheard for so long counts as gone: two leases.
        verdict_age: Evidence older than this proves nothing.
        put_retry: Between two tries of a refused PUT.
        handover: How long an ordered hand-over may take.
    """

    heartbeat: Seconds = Seconds(0.5)
    suspect: Seconds = Seconds(1.5)
    lease: Seconds = Seconds(3.0)
    rights: Seconds = Seconds(2.25)
    rank_step: Seconds = Seconds(0.15)
    ballot: Seconds = Seconds(0.25)
    gone: Seconds = Seconds(6.0)
    verdict_age: Seconds = Seconds(1.0)
    put_retry: Seconds = Seconds(0.25)
    handover: Seconds = Seconds(3.0)


LAN: Final = Timers()

# Twice the LAN's, but what depends on Icecast alone stays as it is.
WIFI: Final = Timers(
    heartbeat=Seconds(1.0),
    suspect=Seconds(3.0),
    lease=Seconds(6.0),
    rights=Seconds(4.5),
    rank_step=Seconds(0.3),
    ballot=Seconds(0.5),
    gone=Seconds(12.0),
    handover=Seconds(6.0),
)

TIMERS: Final[Mapping[NetworkProfile, Timers]] = MappingProxyType(
    {NetworkProfile.LAN: LAN, NetworkProfile.WIFI: WIFI}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Following:
    """Neither leads nor asks for votes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sounding:
    """Asks the voters whether they would vote for it: the pre-vote round."""

    ballot: int
    ends: Seconds
    by_order: bool = False
    answers: Mapping[HostName, Refusal | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Asks for votes in its term, its own given."""

    since: Seconds
    ends: Seconds
    by_order: bool = False
    granted: frozenset[HostName] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """The leader ordered `to` to take over; forgotten at `ends` if nothing came."""

    to: HostName
    ends: Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Leading:
    """Elected in its term, or resuming that by adoption.

    Attributes:
        acked: For each voter when the newest heartbeat that it acked was sent.
        standby: Whom it names to take over; kept while that host is able.
        confirmed: The newest stamp of this leadership that a majority stored.
    """

    since: Seconds
    acked: Mapping[HostName, Seconds] = field(default_factory=dict)
    standby: HostName | None = None
    confirmed: Stamp | None = None
    handover: Handover | None = None


Mode = Following | Sounding | Standing | Leading


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A member's last message: when, what it said, since when its ability stands."""

    at: Seconds
    presence: Presence
    ability_since: Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The newest look at the mount; `since` is the first look that said the same."""

    evidence: Evidence
    holder: HolderLabel | None
    stream_start: str | None
    since: Seconds
    at: Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Our own source on the primary mount.

    Attributes:
        on_air: Icecast accepted it and it has not ended.
        ended_at: When it last ended; None if it never was on the air.
        next_try: No PUT before this instant, after a refusal or a loss.
        yielding: It gives way to the leader that this host made way for.
    """

    on_air: bool = False
    ended_at: Seconds | None = None
    next_try: Seconds | None = None
    yielding: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered:
    """Fewer than a majority answered the last rounds.

    Attributes:
        since: When the first of them ended.
        no_majority_elsewhere: The silent voters are too few to elect without us.
    """

    since: Seconds
    no_majority_elsewhere: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A stamp that waits for a majority; `request` None is the leader's own."""

    request: int | None
    stamp: Stamp


class Why(StrEnum):
    """The reason for having, or not having, the right to broadcast."""

    NOT_IN_SESSION = "not-in-session"
    STOPPED = "stopped"
    NO_MOUNTS = "no-mounts"
    BARRED = "barred"
    LEADS = "leads"
    LEADS_ALONE = "leads-alone"
    CARRIES_ON = "carries-on"
    TAKES_THE_MOUNT = "takes-the-mount"
    YIELDS = "yields"
    FOLLOWS = "follows"
    NOT_ABLE = "not-able"
    WAITS = "waits"


@dataclass(frozen=True, slots=True, kw_only=True)
class ElectionState:
    """Everything `step` goes by; read it through `leadership`.

    Attributes:
        joined_at: When the agent started in the session, or got its first document.
        leader: The last one known, or the host that got this one's vote.
        contact: The last sign of a leader: its heartbeat, a vote given, or, after a
            restart inside a session, the start; None when none was ever known.
        voting_from: No vote before; one lease after a restart inside a session.
        heard: The members heard since the start.
        bulletin: The leader's last heartbeat, with `bulletin_at`.
        stand_not_before: The earliest next pre-vote round after a failed one.
        creating_until: While this host may lift its first document over an old
            session's stopped one.
        unmerged: This host's document holds an edit that no leader has seen.
        beat_at: When the next heartbeat or hello is due.
        right: May feed the mounts; `grant` counts the permissions to PUT.
    """

    config: ElectorConfig
    persisted: Persisted
    started_at: Seconds
    joined_at: Seconds
    mode: Mode = Following()
    leader: HostName | None = None
    contact: Seconds | None = None
    voting_from: Seconds | None = None
    able: bool = False
    able_since: Seconds = Seconds(0)
    heard: Mapping[HostName, Heard] = field(default_factory=dict)
    bulletin: Heartbeat | None = None
    bulletin_at: Seconds = Seconds(0)
    verdict: Verdict | None = None
    source: Source = Source()
    unanswered: Unanswered | None = None
    ballots: int = 0
    stand_not_before: Seconds | None = None
    pending: tuple[Pending, ...] = ()
    creating_until: Seconds | None = None
    unmerged: bool = False
    beat_at: Seconds = Seconds(0)
    right: bool = False
    why: Why = Why.NOT_IN_SESSION
    grant: int = 0
    wake_at: Seconds | None = None

    @property
    def me(self) -> HostName:
        """This host's name."""
        return self.config.me

    @property
    def term(self) -> Term:
        """The highest term that this host knows."""
        return self.persisted.term
