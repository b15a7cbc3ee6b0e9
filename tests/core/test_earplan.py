"""Which host listens, and how its ear is started."""

from dataclasses import replace

import pytest

from sessiond.core.earplan import EAR, ear_procs
from sessiond.core.election import Leadership, Liveness
from sessiond.core.hearing import SilenceRule
from sessiond.core.plan import plan_host
from sessiond.core.proc import ProcPlan, Program, SocketAnswers, Stage
from sessiond.core.view import SessionView
from sessiond.units import Decibels, HostName, Seconds
from tests.core.examples import (
    ALICE,
    BOB,
    CAROL,
    TRIO,
    document,
    mount,
    session,
    setup,
    view,
)


def seen_by(
    me: HostName,
    *,
    leader: HostName | None = ALICE,
    standby: HostName | None = BOB,
    broadcaster: HostName | None = ALICE,
    hears: bool = False,
) -> SessionView:
    made = view(me, leader=leader, standby=standby, listening=hears)
    lead = made.leadership
    assert isinstance(lead, Leadership)
    return replace(made, leadership=replace(lead, broadcaster=broadcaster))


def ears(made: SessionView) -> tuple[ProcPlan, ...]:
    doc = made.running
    assert doc is not None
    return ear_procs(made, doc)


def who_listens(**fields: object) -> list[HostName]:
    return [me for me in TRIO if ears(seen_by(me, **fields))]  # type: ignore[arg-type]


def test_the_standby_listens() -> None:
    assert who_listens() == [BOB]
    assert who_listens(standby=CAROL) == [CAROL]


def test_the_leader_listens_where_nobody_can_stand_by() -> None:
    """Who is only not heard yet, or named in a moment, is waited for."""
    alone = seen_by(ALICE, standby=None)
    assert not ears(alone)
    gone = dict.fromkeys((BOB, CAROL), Liveness.GONE)
    assert ears(replace(alone, liveness=gone))
    assert not ears(replace(alone, liveness={**gone, BOB: Liveness.SUSPECT}, facts={}))
    unable = {name: replace(alone.facts[name], able=False) for name in (BOB, CAROL)}
    assert ears(replace(alone, facts=unable))
    assert not ears(replace(seen_by(BOB, standby=None), liveness=gone))


def test_an_ear_outlives_the_agents() -> None:
    """Agents that start anew know no leader at first, then one without a standby."""
    anew = seen_by(BOB, standby=None, hears=True)
    assert ears(anew)
    assert ears(replace(anew, leadership=None))


def test_nobody_begins_before_somebody_is_on_the_air() -> None:
    assert who_listens(broadcaster=None) == []
    assert who_listens(leader=None, standby=None, broadcaster=None) == []


@pytest.mark.parametrize("standby", [BOB, None])
def test_whoever_listens_goes_on_while_nobody_leads(standby: HostName | None) -> None:
    """In a takeover there is no leader for a moment, and what was heard counts."""
    lost = seen_by(BOB, leader=None, standby=standby, broadcaster=None, hears=True)
    assert ears(lost)
    moved = seen_by(BOB, leader=BOB, standby=CAROL, broadcaster=BOB, hears=True)
    assert not ears(moved)


def test_without_mounts_station_or_leadership_there_is_nothing_to_hear() -> None:
    made = seen_by(BOB)
    assert not ear_procs(made, document(session(mounts=())))
    assert not ear_procs(made, replace(document(), station=None))
    assert not ear_procs(replace(made, leadership=None), document())


def test_its_arguments_name_every_mount_and_no_secret() -> None:
    doc = document(session(mounts=(mount(), mount("/dj1.ogg", ALICE))))
    rule = SilenceRule(below_db=Decibels(-50), after=Seconds(7.5))
    made = replace(seen_by(BOB), setup=replace(setup(BOB), silence=rule), stamped=doc)
    (found,) = ears(made)
    assert (found.name, found.program, found.stage) == (EAR, Program.EAR, Stage.STATION)
    assert found.ready == SocketAnswers()
    assert " ".join(found.argv) == (
        "/venv/bin/python -m agent.ear --name ear --socket /state/run/ear.sock "
        "--server default --mixdown /state/run/mixdown.sock --silent-below -50 "
        "--silent-after 7.5 http://radio.local:8000/mix.ogg "
        "http://radio.local:8000/dj1.ogg"
    )
    assert found in plan_host(made).procs
