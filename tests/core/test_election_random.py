"""Any events in any order: what holds at every single step."""

from hypothesis import given
from hypothesis import strategies as st

from sessiond.core import election as el
from sessiond.core.stamped import Stamp
from sessiond.units import Seconds, Term
from tests.core.electing import ALICE, BOB, CAROL, THREE, Bench, stamped

TERMS = st.integers(0, 4).map(Term)
PEERS = st.sampled_from((ALICE, CAROL))
STAMPS = st.builds(Stamp, TERMS, st.integers(1, 3), st.integers(0, 1))
PRESENCES = st.builds(
    el.Presence,
    stamp=st.none() | STAMPS,
    able=st.booleans(),
    able_for=st.just(Seconds(9.0)),
    carrying=st.booleans(),
    leader=st.none() | PEERS,
)
WHEN = st.just(Seconds(100.0))
REFUSALS = st.none() | st.sampled_from(el.Refusal)
SAID = {"term": TERMS, "presence": PRESENCES}
MESSAGES = st.one_of(
    st.builds(el.Hello, **SAID, is_answer=st.booleans()),
    st.builds(el.Heartbeat, **SAID, sent_at=WHEN),
    st.builds(el.HeartbeatAck, **SAID, sent_at=WHEN),
    st.builds(
        el.PreVoteRequest, **SAID, ballot=st.integers(1, 3), by_order=st.booleans()
    ),
    st.builds(el.PreVoteAnswer, **SAID, ballot=st.integers(1, 3), refusal=REFUSALS),
    st.builds(el.VoteRequest, **SAID, sent_at=WHEN, by_order=st.booleans()),
    st.builds(el.VoteAnswer, **SAID, sent_at=WHEN, refusal=REFUSALS),
    st.builds(
        el.DocumentOffer,
        **SAID,
        document=st.builds(
            lambda stamp: stamped(
                *THREE, term=stamp.term, revision=stamp.revision, edit=stamp.edit
            ),
            STAMPS,
        ),
    ),
    st.builds(el.DocumentStored, **SAID),
    st.builds(el.HandoverOrder, **SAID),
)
EVENTS = st.one_of(
    st.builds(el.MessageReceived, sender=PEERS, message=MESSAGES),
    st.builds(el.MountWitnessed, evidence=st.sampled_from(el.Evidence)),
    st.builds(el.AbilityChanged, able=st.booleans()),
    st.sampled_from(
        (el.SourceAccepted(), el.SourceRefused(), el.SourceLost(), el.Woke())
    ),
    st.builds(el.HandoverRequested, request=st.just(1)),
    st.builds(el.StampRequested, request=st.just(1), document=st.just(stamped(*THREE))),
)


@given(st.lists(st.tuples(EVENTS, st.sampled_from((0.0, 0.1, 0.6, 4.0))), max_size=25))
def test_1_and_2_whatever_comes_terms_rise_and_a_vote_is_given_once(
    history: list[tuple[el.Event, float]],
) -> None:
    bench = Bench(BOB, stamped(*THREE))
    votes: dict[Term, set[str]] = {}
    for event, pause in history:
        stamp = bench.state.persisted.stamped
        bench.feed(event)
        bench.wait(pause)
        newer = bench.state.persisted.stamped
        assert stamp is None or (newer is not None and newer.stamp >= stamp.stamp)
        for disk in (e.persisted for e in bench.done(el.Persist)):
            if disk.voted_for is not None:
                votes.setdefault(disk.term, set()).add(disk.voted_for)
    assert all(len(names) == 1 for names in votes.values())
