"""Who leads, and who may broadcast: a pure state machine, stepped by its driver.

``step(state, event, now) -> (state, effects)`` does no I/O, reads no clock and draws
no lots: `now` is the host's monotonic clock, and the same history gives the same
outcome. `leadership(state, now)` is all that the rest of the host needs to know.

Theory
======
The commonest session is two musicians, where a quorum engine stops when one of them
dies. But a broadcast has a third party already: Icecast accepts one source a mount,
so it is the lock and the witness. Hence *Icecast decides who is on the air; votes
decide who should be.*

Members come from the document. At most seven of them vote (`members`); they change
one a stamp, each change confirmed before the next, so that any two majorities meet
(`stamping`). A leader sends heartbeats in a star; whoever hears none says hello to
the voters. A host that misses the leader asks first whether a majority would vote for
it (pre-vote), then enters a new term and asks for votes (`rounds`); better ranks ask
earlier. A voter protects the leader that it heard within the lease, unless that one
is suspect *and* the voter itself sees the mount free or stalled; a mount that
progresses while its agent is silent means that the agent crashed and will adopt its
sources, so everyone waits longer (`evidence`). A leader without a majority's recent
acks loses its rights, not its role, while it is on the air (`leading`).

The right to broadcast (`right`) belongs to the leader, and to a *caretaker*: a leader
without acks, or a host whose pre-vote round fewer than a majority answered, on a mount
that is free or stalled. When the network heals, a leader that is not on the air hands
over to the caretaker that is: nobody stops and nobody moves.

Every message carries its sender's term and stamp. A higher term always wins; whoever
has the newer document gives it to whoever has the older (`receive`). A caretaker may
stamp an *edit*, which any newer leader's stamp beats; the loser is kept and shown.

A step whose `Persist` fails must not have happened: its driver drops the new state and
all effects. That is no more than a lost message, which the machine bears.

Invariants
==========
1. At most one leader is elected a term.
2. A host's term never falls, also across a crash between any two writes.
3. Never two accepted sources on a mount: this host tries a PUT only with a grant, once,
   and a grant comes only with the right.
4. No kill without a majority of a stream that moved a byte in the 2 s before (fencing
   is the rim's; `Leadership.fence` names the source whose time has come).
5. If faults stop, and Icecast and one able host are reachable, exactly one host
   broadcasts, and it stays.
6. A stamp that was confirmed is never lost.
7. A healed loser is off the mount before the winner's first byte: it yields, and the
   winner's PUT waits for Icecast to free the mount.
8. No clock step changes a term: only this host's monotonic clock counts, and no
   instant of another host's clock is ever compared with it.
"""

from sessiond.core.election.effects import (
    AnswerHandover,
    ConfirmStamp,
    Effect,
    KeepConflict,
    Persist,
    Persisted,
    Rejection,
    RejectStamp,
    Send,
    WakeAt,
)
from sessiond.core.election.events import (
    AbilityChanged,
    CreateRequested,
    Event,
    Evidence,
    HandoverRequested,
    MessageReceived,
    MountWitnessed,
    SourceAccepted,
    SourceAdopted,
    SourceLost,
    SourceRefused,
    StampRequested,
    Woke,
)
from sessiond.core.election.leadership import Leadership, leadership, watching
from sessiond.core.election.messages import (
    DocumentOffer,
    DocumentStored,
    HandoverOrder,
    Heartbeat,
    HeartbeatAck,
    Hello,
    MemberSeen,
    Message,
    Presence,
    PreVoteAnswer,
    PreVoteRequest,
    Refusal,
    VoteAnswer,
    VoteRequest,
)
from sessiond.core.election.state import ElectionState, ElectorConfig, Why
from sessiond.core.election.step import start, step
from sessiond.core.holder import HolderLabel, Role
from sessiond.core.liveness import Liveness

__all__ = [
    "AbilityChanged",
    "AnswerHandover",
    "ConfirmStamp",
    "CreateRequested",
    "DocumentOffer",
    "DocumentStored",
    "Effect",
    "ElectionState",
    "ElectorConfig",
    "Event",
    "Evidence",
    "HandoverOrder",
    "HandoverRequested",
    "Heartbeat",
    "HeartbeatAck",
    "Hello",
    "HolderLabel",
    "KeepConflict",
    "Leadership",
    "Liveness",
    "MemberSeen",
    "Message",
    "MessageReceived",
    "MountWitnessed",
    "Persist",
    "Persisted",
    "PreVoteAnswer",
    "PreVoteRequest",
    "Presence",
    "Refusal",
    "RejectStamp",
    "Rejection",
    "Role",
    "Send",
    "SourceAccepted",
    "SourceAdopted",
    "SourceLost",
    "SourceRefused",
    "StampRequested",
    "VoteAnswer",
    "VoteRequest",
    "WakeAt",
    "Why",
    "Woke",
    "leadership",
    "start",
    "step",
    "watching",
]
