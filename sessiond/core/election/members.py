"""Who belongs, who votes, who was heard, and who ranks before whom."""

from collections.abc import Callable, Container, Iterable, Mapping
from itertools import islice
from typing import Final

from sessiond.core.election.messages import MemberSeen, Presence
from sessiond.core.election.state import LAN, TIMERS, ElectionState, Leading, Timers
from sessiond.core.liveness import Liveness
from sessiond.core.stamped import StampedSpec
from sessiond.units import HostName, Seconds

# More voters make rounds slower and no safer: seven survive three losses.
MOST_VOTERS: Final = 7


def timers(state: ElectionState) -> Timers:
    """Return the durations of the running document's network profile."""
    document = state.persisted.stamped
    return LAN if document is None else TIMERS[document.spec.broadcast.network]


def running(state: ElectionState) -> StampedSpec | None:
    """Return the document if its session goes on and this host is a member."""
    document = state.persisted.stamped
    if document is None or document.stopped or document.member(state.me) is None:
        return None
    return document


def others(document: StampedSpec, me: HostName) -> tuple[HostName, ...]:
    """Return the members and the voters but `me`, members first."""
    names = [member.name for member in document.members]
    names += [name for name in document.voters if name not in names]
    return tuple(name for name in names if name != me)


def barred(document: StampedSpec, name: HostName) -> bool:
    """Return whether this host must not broadcast; it may still vote, and stamp."""
    return document.member(name) is None or _unwanted(document, name)


def _unwanted(document: StampedSpec, member: HostName) -> bool:
    """Return whether the operator keeps this member off the air."""
    return bool(document.spec.mounts) and member in document.spec.broadcast.never


def preference(document: StampedSpec) -> tuple[HostName, ...]:
    """Return the members, best first, by what the operator prefers alone.

    The computer that runs the station ranks last unless it is preferred by name:
    losing it costs the show anyway, so it should not carry the mix as well.
    """
    spec = document.spec
    wanted = {name: place for place, name in enumerate(spec.preference)}
    station = None if document.station is None else document.station.host

    def key(name: HostName) -> tuple[bool, bool, int, str]:
        is_station = name == station and name not in spec.broadcast.prefer
        place = wanted.get(name, len(wanted))
        return _unwanted(document, name), is_station, place, name

    return tuple(sorted((member.name for member in document.members), key=key))


def has_joined(document: StampedSpec, name: HostName) -> bool:
    """Return whether a host of that name has come: the spec may name it long before."""
    member = document.member(name)
    return member is not None and member.id is not None


def _joined(document: StampedSpec) -> tuple[HostName, ...]:
    """Return the members that have joined, best first."""
    return tuple(n for n in preference(document) if has_joined(document, n))


def first_voters(document: StampedSpec) -> tuple[HostName, ...]:
    """Return the voters of a new session; who has not joined is none."""
    return _joined(document)[:MOST_VOTERS]


def next_voters(
    document: StampedSpec, present: Container[HostName]
) -> tuple[HostName, ...]:
    """Return the voters one change nearer to what they should be.

    Voters are sticky: they change only when a voter is no member any more, or when
    there is room for a member that has joined. The last voter stays until there is
    another: a document without voters could never change again.

    Args:
        document: The running one.
        present: Who answers the leader now: another's vote would only cost it the
            majority that it has.
    """
    voters = document.voters
    for name in voters:
        if not has_joined(document, name) and len(voters) > 1:
            return tuple(voter for voter in voters if voter != name)
    if len(voters) >= MOST_VOTERS:
        return voters
    new = (n for n in _joined(document) if n not in voters and n in present)
    return (*voters, *islice(new, 1))


def majority(document: StampedSpec) -> int:
    """Return how many voters decide; of two, both."""
    return len(document.voters) // 2 + 1


def carrying(state: ElectionState) -> bool:
    """Return whether this host is on the air and means to go on."""
    return state.source.on_air and not state.source.yielding


def presence(state: ElectionState, now: Seconds) -> Presence:
    """Return what this host says of itself."""
    document = state.persisted.stamped
    return Presence(
        stamp=None if document is None else document.stamp,
        able=state.able,
        able_for=Seconds(now - state.able_since),
        carrying=carrying(state),
        leader=state.leader,
    )


def hears(state: ElectionState, name: HostName, now: Seconds) -> bool:
    """Return whether a member's own messages arrived lately."""
    heard = state.heard.get(name)
    return heard is not None and now - heard.at < timers(state).suspect


def seen(state: ElectionState, name: HostName, now: Seconds) -> MemberSeen:
    """Return what is known of a member, first hand or from the leader's heartbeat."""
    return _seen(state, name, _passed_on(state, now), now)


def all_seen(
    state: ElectionState, names: Iterable[HostName], now: Seconds
) -> dict[HostName, MemberSeen]:
    """Return what is known of these members, in their order."""
    passed_on = _passed_on(state, now)
    return {name: _seen(state, name, passed_on, now) for name in names}


def _seen(
    state: ElectionState,
    name: HostName,
    passed_on: Mapping[HostName, MemberSeen],
    now: Seconds,
) -> MemberSeen:
    if name == state.me:
        return MemberSeen(
            name=name,
            liveness=Liveness.ALIVE,
            able=state.able,
            carrying=carrying(state),
        )
    heard = state.heard.get(name)
    if name in passed_on and not hears(state, name, now):
        return passed_on[name]
    at = state.joined_at if heard is None else heard.at
    return MemberSeen(
        name=name,
        liveness=_liveness(state, Seconds(now - at), never=heard is None),
        able=heard is not None and heard.presence.able,
        carrying=heard is not None and heard.presence.carrying,
    )


def _passed_on(state: ElectionState, now: Seconds) -> Mapping[HostName, MemberSeen]:
    """Return the leader's word on each member while it is fresh."""
    bulletin = state.bulletin
    if bulletin is None or now - state.bulletin_at >= timers(state).lease:
        return {}
    return {entry.name: entry for entry in bulletin.seen}


def _liveness(state: ElectionState, silent: Seconds, *, never: bool) -> Liveness:
    """Return the word for a silence; a member never heard is suspect at once."""
    if silent >= timers(state).gone:
        return Liveness.GONE
    if never or silent >= timers(state).suspect:
        return Liveness.SUSPECT
    return Liveness.ALIVE


def fit(
    state: ElectionState, document: StampedSpec, name: HostName, now: Seconds
) -> bool:
    """Return whether a host may be expected to broadcast."""
    if document.member(name) is None:
        return False
    return _fit(state, document, seen(state, name, now), now)


def _fit(
    state: ElectionState, document: StampedSpec, entry: MemberSeen, now: Seconds
) -> bool:
    """Return whether this member may be expected to broadcast.

    A member that had no time yet to be heard is given the benefit of the doubt, or
    a new session's hosts would all take themselves for the best. One that has not
    joined can't be there.
    """
    if _unwanted(document, entry.name):
        return False
    new = now - state.joined_at < timers(state).suspect
    if new and entry.name != state.me and entry.name not in state.heard:
        return has_joined(document, entry.name)
    return entry.able and entry.liveness is Liveness.ALIVE


def ranking(
    state: ElectionState, document: StampedSpec, now: Seconds
) -> tuple[HostName, ...]:
    """Return the members, best first: fit, on the air, named standby, preferred.

    The standby has its mix-down and its sources running already.
    """
    key = _rank_key(state, document, now)
    return tuple(sorted(preference(document), key=key))


def place(
    state: ElectionState,
    document: StampedSpec,
    order: tuple[HostName, ...],
    now: Seconds,
    most: int,
) -> int:
    """Return how many rank before this host, counted no further than `most`.

    `order` is the document's `preference`.
    """
    key = _rank_key(state, document, now)
    mine, own_place, count = key(state.me), order.index(state.me), 0
    for at, name in enumerate(order):
        if (key(name), at) < (mine, own_place):
            count += 1
            if count == most:
                break
    return count


def named_standby(state: ElectionState) -> HostName | None:
    """Return whom the leader named to take over, or names."""
    if isinstance(state.mode, Leading):
        return state.mode.standby
    return None if state.bulletin is None else state.bulletin.standby


def _rank_key(
    state: ElectionState, document: StampedSpec, now: Seconds
) -> Callable[[HostName], tuple[bool, bool, bool]]:
    """Return what sorts the preferred order by who is fit, on the air, standby."""
    standby, passed_on = named_standby(state), _passed_on(state, now)

    def key(name: HostName) -> tuple[bool, bool, bool]:
        entry = _seen(state, name, passed_on, now)
        is_fit = _fit(state, document, entry, now)
        return not is_fit, not entry.carrying, name != standby

    return key


def rights_end(
    state: ElectionState, mode: Leading, document: StampedSpec, now: Seconds
) -> Seconds:
    """Return until when a leader has its rights; in the past when it has none.

    Acks count from when their heartbeat was *sent*: what arrives late was
    answered early.
    """
    needed = majority(document) - (state.me in document.voters)
    if needed <= 0:
        return Seconds(now + timers(state).rights)
    acked = sorted(
        (mode.acked[name] for name in document.voters if name in mode.acked),
        reverse=True,
    )
    last = (
        acked[needed - 1] if len(acked) >= needed else mode.since - timers(state).gone
    )
    return Seconds(last + timers(state).rights)


def has_rights(state: ElectionState, now: Seconds) -> bool:
    """Return whether this host leads with a majority's recent acks."""
    document, mode = state.persisted.stamped, state.mode
    if document is None or not isinstance(mode, Leading):
        return False
    return now < rights_end(state, mode, document, now)
