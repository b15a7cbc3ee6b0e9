"""What a message changes, and its answer."""

from dataclasses import replace
from typing import assert_never

from sessiond.core.election.effects import Effect, Send
from sessiond.core.election.events import MessageReceived
from sessiond.core.election.leading import acknowledge, heartbeat
from sessiond.core.election.members import presence, running, timers
from sessiond.core.election.messages import (
    DocumentOffer,
    DocumentStored,
    HandoverOrder,
    Heartbeat,
    HeartbeatAck,
    Hello,
    Message,
    Presence,
    PreVoteAnswer,
    PreVoteRequest,
    VoteAnswer,
    VoteRequest,
)
from sessiond.core.election.rounds import (
    Outcome,
    collect,
    heed,
    opinion,
    sound,
    vote,
)
from sessiond.core.election.stamping import offer, receive, reject_pending
from sessiond.core.election.state import (
    ElectionState,
    Following,
    Heard,
    Leading,
    Sounding,
)
from sessiond.units import HostName, Seconds, Term

Request = Hello | Heartbeat | PreVoteRequest | VoteRequest | DocumentOffer


def take(state: ElectionState, event: MessageReceived, now: Seconds) -> Outcome:
    """Take a message in and answer it; offer our document to whoever lacks it."""
    sender, message = event.sender, event.message
    rejected: tuple[Effect, ...] = ()
    if _belongs(state, sender):
        state = _hear(state, sender, message, now)
        state, rejected = adopt(state, message.term, now)
        state, effects = _act(state, sender, message, now)
    elif isinstance(message, DocumentOffer):
        state, effects = _store(state, sender, message, now)
    else:
        effects = _greet(state, sender, message, now)
    effects = (*rejected, *effects)
    document, stamp = state.persisted.stamped, message.presence.stamp
    if document is not None and (stamp is None or stamp < document.stamp):
        effects = (*effects, *offer(state, document, (sender,), now))
    return state, effects


def _belongs(state: ElectionState, name: HostName) -> bool:
    """Return whether a host is another member of the document stored here."""
    document = state.persisted.stamped
    if document is None or name == state.me:
        return False
    return document.member(name) is not None or name in document.voters


def _hear(
    state: ElectionState, sender: HostName, message: Message, now: Seconds
) -> ElectionState:
    """Note that a member was heard, and since when its ability is as it is."""
    since = _ability_since(state, sender, message.presence, now)
    heard = Heard(at=now, presence=message.presence, ability_since=since)
    return replace(state, heard={**state.heard, sender: heard})


def _ability_since(
    state: ElectionState, sender: HostName, said: Presence, now: Seconds
) -> Seconds:
    """Return since when a member's ability is as it says.

    Whoever was silent may have slept, and not know yet what happened meanwhile: its
    word counts from now on. And what it said may overtake what it said before.
    """
    since, before = Seconds(now - said.able_for), state.heard.get(sender)
    if before is None:
        return since
    if now - before.at >= timers(state).suspect:
        return now
    same = before.presence.able is said.able
    return max(since, before.ability_since if same else before.at)


def adopt(state: ElectionState, term: Term, now: Seconds) -> Outcome:
    """Enter a higher term than ours: it always wins; nothing happens otherwise.

    A leader that ordered a hand-over owes its patience to whom it ordered, who stands
    now: another's message may bring the new term before that one asks for the vote.
    """
    if term <= state.term:
        return state, ()
    persisted = replace(state.persisted, term=term, voted_for=None)
    if isinstance(state.mode, Leading):
        heir = state.mode.handover
        to, contact = (None, None) if heir is None else (heir.to, now)
        state = replace(state, leader=to, contact=contact)
    state = replace(state, persisted=persisted, mode=Following())
    return reject_pending(state)


def _greet(
    state: ElectionState, sender: HostName, message: Message, now: Seconds
) -> tuple[Effect, ...]:
    """Answer a stranger's request with no more than what we are."""
    if not isinstance(message, Request):
        return ()
    if isinstance(message, Hello) and message.is_answer:
        return ()
    hello = Hello(term=state.term, presence=presence(state, now), is_answer=True)
    return (Send(to=sender, message=hello),)


def _act(
    state: ElectionState, sender: HostName, message: Message, now: Seconds
) -> Outcome:
    """Handle a member's message."""
    if isinstance(message, Request):
        return _answer(state, sender, message, now)
    match message:
        case HeartbeatAck():
            return acknowledge(state, sender, message), ()
        case PreVoteAnswer():
            return heed(state, sender, message, now)
        case VoteAnswer():
            return collect(state, sender, message, now), ()
        case DocumentStored():
            return _stored(state, sender, message), ()
        case HandoverOrder():
            return _obey(state, message, now)
        case _:
            assert_never(message)


def _answer(
    state: ElectionState, sender: HostName, request: Request, now: Seconds
) -> Outcome:
    """Handle what wants an answer."""
    match request:
        case Hello():
            return state, _welcome(state, sender, request, now)
        case Heartbeat():
            return _follow(state, sender, request, now)
        case PreVoteRequest():
            answer = PreVoteAnswer(
                term=state.term,
                presence=presence(state, now),
                ballot=request.ballot,
                refusal=opinion(state, sender, request, now),
            )
            return state, (Send(to=sender, message=answer),)
        case VoteRequest():
            return _vote(state, sender, request, now)
        case DocumentOffer():
            return _store(state, sender, request, now)
        case _:
            assert_never(request)


def _welcome(
    state: ElectionState, sender: HostName, hello: Hello, now: Seconds
) -> tuple[Effect, ...]:
    """Answer a hello; a leader answers with its heartbeat."""
    document = running(state)
    if isinstance(state.mode, Leading) and document is not None:
        beat = heartbeat(state, state.mode, document, now)
        return (Send(to=sender, message=beat),)
    return _greet(state, sender, hello, now)


def _follow(
    state: ElectionState, sender: HostName, beat: Heartbeat, now: Seconds
) -> Outcome:
    """Follow a leader of this term; an outdated one learns our term from the ack."""
    effects: tuple[Effect, ...] = ()
    document = state.persisted.stamped
    if beat.term == state.term and not isinstance(state.mode, Leading):
        ordered = isinstance(state.mode, Sounding) and state.mode.by_order
        state = replace(
            state,
            mode=state.mode if ordered else Following(),
            leader=sender,
            contact=now,
            bulletin=beat,
            bulletin_at=now,
            unanswered=None,
            stand_not_before=None,
            creating_until=None,
        )
        if state.unmerged and document is not None:
            effects = offer(state, document, (sender,), now)
    ack = HeartbeatAck(
        term=state.term, presence=presence(state, now), sent_at=beat.sent_at
    )
    return state, (Send(to=sender, message=ack), *effects)


def _vote(
    state: ElectionState, sender: HostName, request: VoteRequest, now: Seconds
) -> Outcome:
    """Vote, or refuse, in the sender's term."""
    state, no = vote(state, sender, request, now)
    answer = VoteAnswer(
        term=state.term,
        presence=presence(state, now),
        sent_at=request.sent_at,
        refusal=no,
    )
    return state, (Send(to=sender, message=answer),)


def _store(
    state: ElectionState, sender: HostName, message: DocumentOffer, now: Seconds
) -> Outcome:
    """Store the document if it is newer, and say which one lies here now."""
    state, effects = receive(state, message.document, now)
    if _belongs(state, sender):
        state = _hear(state, sender, message, now)
        state, _ = adopt(state, message.term, now)
        is_led = message.presence.leader == sender and message.term == state.term
        if is_led and not isinstance(state.mode, Leading):
            # A leader's document is as good a sign of it as its heartbeat.
            state = replace(state, leader=sender, contact=now)
    stored = DocumentStored(term=state.term, presence=presence(state, now))
    return state, (*effects, Send(to=sender, message=stored))


def _stored(
    state: ElectionState, sender: HostName, message: DocumentStored
) -> ElectionState:
    """Note that the leader has our edit; a voter that has caught up can be asked."""
    document, stamp = state.persisted.stamped, message.presence.stamp
    if document is None or stamp != document.stamp:
        return state
    if message.presence.leader == sender:
        return replace(state, unmerged=False)
    return replace(state, stand_not_before=None)


def _obey(state: ElectionState, order: HandoverOrder, now: Seconds) -> Outcome:
    """Stand by the leader's order, unless a round runs already."""
    document = running(state)
    if document is None or order.term != state.term:
        return state, ()
    if not isinstance(state.mode, Following):
        return state, ()
    return sound(state, document, now, by_order=True)
