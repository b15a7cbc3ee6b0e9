from dataclasses import replace

from sessiond.core.earplan import EAR
from sessiond.core.plan import HostPlan, plan_host
from sessiond.core.proc import ProcPlan, Settled, Stage, StationAnswers
from sessiond.core.stamped import Station
from sessiond.core.stationfile import StationConfig
from sessiond.core.stationorder import StationOrder
from sessiond.core.stationplan import FILLER, ICECAST
from sessiond.core.view import HostSetup, SessionView
from sessiond.units import HostName
from tests.core.examples import ALICE, document, leadership, mount, session, setup, view

HERE = Station(address="alice.local", port=8000, host=ALICE)
EMBEDDED = document(session(icecast=None), station=HERE)
KEPT = StationOrder(spec=session(icecast=None), station=HERE)


def keeping(**fields: object) -> HostSetup:
    given: dict[str, object] = {"keeps": StationConfig(music="/srv/music")}
    return replace(setup(ALICE), **(given | fields))  # type: ignore[arg-type]


def outside(**fields: object) -> HostPlan:
    return plan_host(SessionView(setup=keeping(**fields), kept=KEPT))


def filler(plan: HostPlan) -> ProcPlan:
    found = plan.proc(FILLER)
    assert found is not None
    return found


def test_a_station_goes_on_outside_a_session() -> None:
    plan = outside()
    assert [proc.name for proc in plan.procs] == [EAR, FILLER, ICECAST]
    assert plan.station is KEPT
    assert 'mount="/mix-filler.ogg"' in plan.radio


def test_a_station_that_has_served_nothing_yet_runs_nothing() -> None:
    assert plan_host(SessionView(setup=keeping())) == HostPlan()


def test_a_host_without_a_station_of_its_own_keeps_nothing() -> None:
    assert plan_host(SessionView(setup=setup(ALICE), kept=KEPT)) == HostPlan()


def test_nothing_of_the_station_changes_when_its_session_begins_and_ends() -> None:
    live = replace(view(ALICE, EMBEDDED), setup=keeping(), kept=KEPT)
    over = replace(EMBEDDED, stopped=True)
    ended = replace(live, stamped=over, leadership=leadership(over))
    plans = [outside(), plan_host(live), plan_host(ended)]
    for name in (ICECAST, FILLER):
        first, *others = (plan.proc(name) for plan in plans)
        assert first is not None
        assert others == [first, first]


def test_a_sessions_own_icecast_has_no_filler_elsewhere() -> None:
    plan = plan_host(view(ALICE, EMBEDDED))
    assert plan.proc(FILLER) is None
    assert plan.radio == ""
    icecast = plan.proc(ICECAST)
    assert icecast is not None
    assert icecast.ready == StationAnswers()


def test_a_session_without_mounts_has_nothing_to_fill() -> None:
    order = replace(KEPT, spec=session(mounts=()))
    plan = plan_host(SessionView(setup=keeping(), kept=order))
    assert plan.proc(ICECAST) is not None
    assert plan.proc(FILLER) is None
    assert plan.proc(EAR) is None


def test_between_two_shows_the_filler_is_listened_to() -> None:
    ear = outside().proc(EAR)
    assert ear is not None
    assert "http://alice.local:8000/mix.ogg" in ear.argv
    live = replace(view(ALICE, EMBEDDED), setup=keeping(), kept=KEPT)
    assert plan_host(live).proc(EAR) is None


def test_the_filler_waits_for_icecast_and_reads_its_own_files() -> None:
    plan = outside()
    made = filler(plan)
    assert made.argv == ("liquidsoap", "/run/sessiond/x/radio.liq")
    assert made.needs == {ICECAST}
    assert made.stage is Stage.STATION
    assert isinstance(made.ready, Settled)
    assert "/run/sessiond/x/passwords" in plan.radio


def test_another_script_is_another_process() -> None:
    more = replace(KEPT, spec=session(mounts=(mount(), mount("/b.ogg"))))
    other = plan_host(SessionView(setup=keeping(), kept=more))
    assert filler(other) != filler(outside())
    assert filler(other).argv == filler(outside()).argv


def test_the_filler_is_root_only_where_it_must_be() -> None:
    dropped = outside(is_root=True, filler_user="liquidsoap")
    assert filler(dropped).user == "liquidsoap"
    assert "allow_root" not in dropped.radio
    alone = outside(is_root=True)
    assert filler(alone).user == ""
    assert "allow_root" in alone.radio
    assert "allow_root" not in outside().radio


def test_the_session_of_another_station_does_not_end_this_one() -> None:
    elsewhere = replace(HERE, host=HostName("bob"))
    doc = document(session(icecast=None), station=elsewhere)
    plan = plan_host(replace(view(ALICE, doc), setup=keeping(), kept=KEPT))
    assert plan.station is KEPT


def test_a_station_ends_with_its_agent() -> None:
    live = SessionView(setup=keeping(), kept=KEPT, leaving=True)
    assert plan_host(live) == HostPlan()


def test_another_port_is_another_icecast() -> None:
    moved = replace(KEPT, station=replace(HERE, port=8001))
    plan = plan_host(SessionView(setup=keeping(), kept=moved))
    assert plan.proc(ICECAST) != outside().proc(ICECAST)
