from dataclasses import replace

import pytest

from sessiond.core.election import Evidence, MountWitnessed
from sessiond.core.holder import HolderLabel, Role
from sessiond.core.onair import (
    Listening,
    ListenState,
    MountSeen,
    witness,
)
from sessiond.units import HostName, MountPath, Seconds, SessionName, Term

PATH = MountPath("/mix.ogg")
LABEL = HolderLabel(
    session=SessionName("friday-jam"),
    term=Term(3),
    host=HostName("alice"),
    role=Role.LEADER,
)
TAG = "[session=friday-jam term=3 host=alice role=leader]"
SEEN = MountSeen(path=PATH, description=f"Jam {TAG}", stream_start="t1")


def listening(
    *,
    state: ListenState = ListenState.OPEN,
    since: float = 0,
    first_at: float | None = None,
    moved_at: float | None = None,
) -> Listening:
    return Listening(
        path=PATH,
        state=state,
        since=Seconds(since),
        first_at=None if first_at is None else Seconds(first_at),
        moved_at=None if moved_at is None else Seconds(moved_at),
    )


@pytest.mark.parametrize(
    ("heard", "evidence"),
    [
        (listening(first_at=1, moved_at=9.5), Evidence.PROGRESSING),
        (listening(first_at=1, moved_at=8), Evidence.STALLED),
        (listening(first_at=9.2, moved_at=9.3), Evidence.UNKNOWN),
        (listening(first_at=7, moved_at=7.1), Evidence.STALLED),
        (listening(since=8), Evidence.UNKNOWN),
        (listening(since=5), Evidence.STALLED),
        (listening(state=ListenState.ABSENT), Evidence.UNKNOWN),
        (None, Evidence.UNKNOWN),
    ],
    ids=[
        "bytes move",
        "none for two seconds",
        "only the burst yet",
        "nothing after the burst",
        "nothing yet",
        "nothing at all",
        "no connection",
        "no listener",
    ],
)
def test_evidence_of_a_mount_with_a_source(
    heard: Listening | None, evidence: Evidence
) -> None:
    assert witness(heard, (SEEN,), path=PATH, now=Seconds(10)) == MountWitnessed(
        evidence=evidence, holder=LABEL, stream_start="t1"
    )


@pytest.mark.parametrize(
    ("heard", "answering_since", "evidence"),
    [
        (listening(first_at=1, moved_at=5), 8.5, Evidence.UNKNOWN),
        (listening(first_at=1, moved_at=5), 8.0, Evidence.STALLED),
        (listening(first_at=1, moved_at=9.5), 9.0, Evidence.PROGRESSING),
        (listening(since=1), 6.0, Evidence.UNKNOWN),
        (listening(since=1), 5.0, Evidence.STALLED),
    ],
)
def test_silence_counts_only_while_icecast_answers(
    heard: Listening, answering_since: float, evidence: Evidence
) -> None:
    seen = witness(
        heard,
        (SEEN,),
        path=PATH,
        now=Seconds(10),
        answering_since=Seconds(answering_since),
    )
    assert seen.evidence is evidence


def test_a_standbys_label_is_no_holders() -> None:
    tag = TAG.replace("role=leader", "role=standby")
    stray = MountSeen(path=PATH, description=tag, stream_start="t1")
    assert stray.label == replace(LABEL, role=Role.STANDBY)
    seen = witness(None, (stray,), path=PATH, now=Seconds(10))
    assert (seen.holder, seen.stream_start) == (None, "t1")


def test_a_mount_that_the_status_lacks_is_free_whatever_a_listener_hears() -> None:
    # It may hear the fallback.
    heard = listening(first_at=1, moved_at=10)
    other = MountSeen(path=MountPath("/other.ogg"))
    assert witness(heard, (other,), path=PATH, now=Seconds(10)) == MountWitnessed(
        evidence=Evidence.FREE
    )


def test_a_station_that_does_not_answer_is_unreachable() -> None:
    heard = listening(first_at=1, moved_at=10)
    assert witness(heard, None, path=PATH, now=Seconds(10)) == MountWitnessed(
        evidence=Evidence.UNREACHABLE
    )
