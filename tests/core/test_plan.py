from dataclasses import replace
from typing import Any

import pytest

from sessiond.core.argv import jackd_argv, jacktrip_argv
from sessiond.core.configfile import AudioConfig, JackStart
from sessiond.core.facts import HostFacts
from sessiond.core.jackgraph import Wire
from sessiond.core.mixmatrix import mix_order
from sessiond.core.plan import HostPlan, generation, host_part, on_air, plan_host
from sessiond.core.proc import (
    JackAnswers,
    PortsAppear,
    Program,
    SocketAnswers,
    Stage,
    StationAnswers,
)
from sessiond.core.spec import (
    BroadcastSettings,
    Codec,
    LinkSettings,
    StandbyMode,
    TopologyChoice,
)
from sessiond.core.stamped import LinkPort, Station
from sessiond.core.stationorder import StationOrder
from sessiond.core.view import SessionView
from sessiond.units import (
    Address,
    Decibels,
    Frames,
    Hertz,
    HostName,
    PortName,
    ProcName,
    UdpPort,
)
from tests.core.examples import (
    ALICE,
    BOB,
    CAROL,
    TRIO,
    all_facts,
    document,
    facts,
    leadership,
    mount,
    session,
    setup,
    view,
    without,
)
from tests.core.jam import Sound, play

STAR, MESH = TopologyChoice.STAR, TopologyChoice.MESH
OWN_JACK = AudioConfig(start=JackStart.IF_ABSENT, driver="dummy")


def names(plan: HostPlan) -> list[str]:
    return [proc.name for proc in plan.procs]


def wired(plan: HostPlan, source: str, destination: str) -> bool:
    return Wire(PortName(source), PortName(destination)) in plan.wires


# Who runs what


def test_a_host_without_a_session_does_nothing() -> None:
    assert plan_host(SessionView(setup=setup())) == HostPlan()


def test_a_host_that_starts_jack_itself_keeps_it_outside_a_session_too() -> None:
    audio = replace(OWN_JACK, rate_hz=Hertz(44100), period_frames=Frames(64))
    plan = plan_host(SessionView(setup=setup(ALICE, audio)))
    (jackd,) = plan.procs
    assert jackd.program is Program.JACKD
    assert jackd.argv == jackd_argv(setup(ALICE, audio), Hertz(44100), Frames(64))
    assert jackd.ready == JackAnswers()


@pytest.mark.parametrize(("asked", "got"), [(0, 128), (256, 256)])
def test_jack_runs_at_the_sessions_rate_and_its_period_if_it_names_one(
    asked: int, got: int
) -> None:
    spec = session(rate_hz=Hertz(96000), period_frames=Frames(asked))
    plan = plan_host(view(ALICE, document(spec), audio=OWN_JACK))
    jackd = plan.proc(ProcName("jackd"))
    assert jackd is not None
    assert jackd.argv[-4:] == ("-r", "96000", "-p", str(got))


def test_somebodys_jack_is_left_alone_and_waited_for_by_nobody() -> None:
    plan = plan_host(view(ALICE, audio=OWN_JACK, foreign_jack=True))
    assert plan.proc(ProcName("jackd")) is None
    assert all(not proc.needs for proc in plan.procs)


def test_every_client_of_our_own_jack_needs_it() -> None:
    plan = plan_host(view(ALICE, audio=OWN_JACK))
    needing = {proc.name for proc in plan.procs if proc.needs == {"jackd"}}
    assert needing == {*names(plan)} - {"jackd"}


@pytest.mark.parametrize(
    "away",
    [
        {"leaving": True},
        {"consented": False},
        {"stamped": document(stopped=True)},
        {"stamped": document(session((BOB, CAROL)))},
        {"stamped": None},
    ],
)
def test_nothing_of_the_session_runs_on_a_host_that_it_asks_nothing_of(
    away: dict[str, Any],
) -> None:
    assert plan_host(view(ALICE, **away)) == HostPlan()


def test_a_host_that_leaves_ends_its_own_jack_too() -> None:
    assert plan_host(view(ALICE, audio=OWN_JACK, leaving=True)) == HostPlan()
    assert names(plan_host(view(ALICE, audio=OWN_JACK, consented=False))) == ["jackd"]


def test_procs_are_in_start_order() -> None:
    doc = document(station=Station(address="alice.local", port=8000, host=ALICE))
    plan = plan_host(view(ALICE, doc, audio=OWN_JACK))
    assert names(plan) == [
        "jackd",
        "icecast",
        "link-bob",
        "link-carol",
        "mixdown",
        "source-mix.ogg",
    ]
    assert [proc.stage for proc in plan.procs] == sorted(p.stage for p in plan.procs)


# Links


def test_a_link_runs_with_the_sessions_settings_on_its_stamped_port() -> None:
    settings = LinkSettings(channels=1, queue_packets=8)
    doc = document(session((ALICE, BOB), links=settings))
    for me, peer, server in ((ALICE, BOB, None), (BOB, ALICE, "alice.local")):
        link = plan_host(view(me, doc)).proc(ProcName(f"link-{peer}"))
        assert link is not None
        assert link.argv == jacktrip_argv(peer, server, UdpPort(4464), settings)
        assert link.stage is Stage.LINKS
        assert link.ready == PortsAppear(
            frozenset(
                {PortName(f"link-{peer}:send_1"), PortName(f"link-{peer}:receive_1")}
            )
        )
        assert link.env["JACK_DEFAULT_SERVER"] == "default"
        assert link.env["QT_QPA_PLATFORM"] == "offscreen"


def test_a_client_calls_its_server_where_it_was_heard_last() -> None:
    doc = document(session((ALICE, BOB)))
    moved = {**all_facts(), ALICE: facts(ALICE, address=Address("[fe80::1]:7700"))}
    views = (
        view(BOB, doc, facts=moved),
        view(BOB, doc, facts={}),
        view(BOB, replace(doc, members=()), facts={}),
    )
    links = [plan_host(each).proc(ProcName("link-alice")) for each in views]
    assert [link.argv[2] for link in links if link is not None] == [
        "fe80::1",
        "alice.local",
        "alice",
    ]


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("192.168.1.20:7700", "192.168.1.20"),
        ("alice.local:7700", "alice.local"),
        ("[fe80::1]:7700", "fe80::1"),
        ("--help:7700", None),
        ("alice:99999", None),
        ("nowhere", None),
    ],
)
def test_an_addresss_host_stands_without_brackets(
    address: str, host: str | None
) -> None:
    assert host_part(Address(address)) == host


def test_a_peers_word_about_itself_is_no_option_of_jacktrips() -> None:
    known = {**all_facts(), ALICE: facts(ALICE, address=Address("-S:7700"))}
    seen = replace(view(BOB, document()), facts=known)
    link = plan_host(seen).proc(ProcName("link-alice"))
    assert link is not None
    assert link.argv[:3] == ("jacktrip", "-c", "alice")


def asking(host: HostName, peer: HostName, times: int) -> HostFacts:
    return facts(host, generations={peer: times})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, 0),
        ({ALICE: facts(ALICE)}, 0),
        ({ALICE: asking(ALICE, BOB, 3), BOB: asking(BOB, ALICE, 2)}, 3),
        ({ALICE: asking(ALICE, BOB, 1), BOB: asking(BOB, ALICE, 2)}, 2),
        ({ALICE: asking(ALICE, CAROL, 9), BOB: asking(BOB, CAROL, 9)}, 0),
    ],
)
def test_both_sides_of_a_link_run_the_larger_generation(
    given: dict[HostName, HostFacts], expected: int
) -> None:
    assert generation(view(ALICE, facts=given), BOB) == expected
    assert generation(view(BOB, facts=given), ALICE) == expected


def test_a_new_generation_is_another_process_with_the_same_arguments() -> None:
    before = plan_host(view(ALICE)).proc(ProcName("link-bob"))
    anew = {**all_facts(), BOB: asking(BOB, ALICE, 1)}
    after = plan_host(view(ALICE, facts=anew)).proc(ProcName("link-bob"))
    assert before is not None
    assert after == replace(before, generation=1)


# The broadcast path


def test_leader_and_standby_mix_and_the_others_do_not() -> None:
    mixing = {n: plan_host(view(n)).mix is not None for n in TRIO}
    assert mixing == {ALICE: True, BOB: True, CAROL: False}


@pytest.mark.parametrize(
    ("me", "right", "mixes"),
    [(ALICE, False, True), (BOB, False, False), (BOB, True, True)],
)
def test_without_a_leader_the_best_rank_gets_ready_and_a_caretaker_mixes(
    me: HostName, right: bool, mixes: bool
) -> None:
    doc = document()
    lead = leadership(doc, None, standby=None, right=right)
    assert (plan_host(view(me, doc, leadership=lead)).mix is not None) is mixes


def test_who_mixes_goes_on_until_a_leader_is_known() -> None:
    restarted = view(CAROL, leader=None, standby=None, mixing=True)
    assert plan_host(restarted).mix is not None
    assert plan_host(replace(restarted, mixing=False)).mix is None


@pytest.mark.parametrize(
    ("broadcaster", "mixing", "mixes"),
    [(None, False, False), (ALICE, False, True), (None, True, True)],
)
def test_the_next_in_line_starts_once_somebody_is_on_the_air_and_then_keeps_on(
    broadcaster: HostName | None, mixing: bool, mixes: bool
) -> None:
    doc = document()
    lead = leadership(doc, ALICE, standby=BOB, broadcaster=broadcaster)
    seen = view(BOB, doc, leadership=lead, mixing=mixing)
    assert (plan_host(seen).mix is not None) is mixes


@pytest.mark.parametrize(
    ("leader", "ready"), [(ALICE, BOB), (BOB, ALICE), (CAROL, ALICE)]
)
def test_without_a_standby_the_best_rank_but_the_leader_stands_in(
    leader: HostName, ready: HostName
) -> None:
    doc = document()
    lead = leadership(doc, leader, standby=None)
    mixing = {n for n in TRIO if plan_host(view(n, doc, leadership=lead)).mix}
    assert mixing == {leader, ready}


def test_another_period_of_jack_is_another_process_of_every_client_that_reads_it() -> (
    None
):
    slower = {**all_facts(), ALICE: facts(ALICE, period_frames=Frames(256))}
    before, after = plan_host(view(ALICE)), plan_host(view(ALICE, facts=slower))
    changed = {p.name for p in after.procs if p != before.proc(p.name)}
    assert changed == {"link-bob", "link-carol", "source-mix.ogg"}
    assert [p.name for p in plan_host(view(ALICE, facts={})).procs] == names(before)


def test_a_host_that_no_election_was_heard_of_on_does_not_mix() -> None:
    assert plan_host(view(ALICE, leadership=None)).mix is None
    assert not on_air(view(ALICE, leadership=None))


def test_a_session_without_mounts_has_no_broadcast_path() -> None:
    doc = document(session(mounts=()))
    plan = plan_host(view(ALICE, doc))
    assert plan.mix is None
    assert names(plan) == ["link-bob", "link-carol"]
    assert not any("mixdown" in wire.destination for wire in plan.wires)


def test_the_broadcaster_and_the_standby_are_told_what_to_encode() -> None:
    assert plan_host(view(ALICE)).sources.keys() == {"source-mix.ogg"}
    standby = plan_host(view(BOB)).sources[ProcName("source-mix.ogg")]
    assert (standby.path, standby.hidden) == ("/mix.ogg", "/mix-standby.ogg")
    assert plan_host(view(CAROL)).sources == {}


def test_a_cold_standby_has_its_processes_waiting() -> None:
    cold = BroadcastSettings(standby=StandbyMode.COLD)
    plan = plan_host(view(BOB, document(session(broadcast=cold))))
    assert plan.proc(ProcName("source-mix.ogg")) is not None
    assert plan.sources == {}


def test_an_order_says_where_as_whom_and_at_which_rate() -> None:
    heard = {**all_facts(), ALICE: facts(ALICE, rate_hz=Hertz(44100))}
    order = plan_host(view(ALICE, facts=heard)).sources[ProcName("source-mix.ogg")]
    assert (order.address, order.port, order.user) == ("radio.local", 8000, "source")
    assert (order.host, order.session, order.rate_hz) == (ALICE, "jam", 44100)
    unheard = plan_host(view(ALICE, facts={})).sources[ProcName("source-mix.ogg")]
    assert unheard.rate_hz == 48000


def test_no_station_no_orders() -> None:
    assert plan_host(view(ALICE, document(station=None))).sources == {}


def test_the_embedded_station_runs_on_its_host_alone() -> None:
    station = Station(address="bob.local", port=8000, host=BOB)
    doc = document(session(icecast=None), station=station)
    plan = plan_host(view(BOB, doc))
    icecast = plan.proc(ProcName("icecast"))
    assert icecast is not None
    assert plan.station == StationOrder(spec=doc.spec, station=station)
    assert icecast.argv == ("icecast2", "-c", "/run/sessiond/x/icecast.xml")
    assert icecast.ready == StationAnswers()
    assert plan_host(view(ALICE, doc)).station is None
    assert plan_host(view(ALICE, doc)).sources[ProcName("source-mix.ogg")].user == (
        "source"
    )


def test_our_own_programs_are_ready_when_their_socket_answers() -> None:
    plan = plan_host(view(ALICE))
    for name in ("mixdown", "source-mix.ogg"):
        proc = plan.proc(ProcName(name))
        assert proc is not None
        assert proc.ready == SocketAnswers()
        assert f"/state/run/{name}.sock" in proc.argv
        assert proc.env["JACK_NO_START_SERVER"] == "1"


# The four workflows


def test_a_jam_with_a_broadcast_puts_everybody_on_one_mount() -> None:
    plan = plan_host(view(ALICE))
    assert plan.mix is not None
    assert plan.mix.gains_db == ((0.0, 0.0, 0.0),)


def test_several_djs_each_have_a_mount_of_their_own() -> None:
    mounts = tuple(
        mount(f"/dj{n}.opus", name, codec=Codec.OPUS) for n, name in enumerate(TRIO, 1)
    )
    plan = plan_host(view(ALICE, document(session(mounts=mounts))))
    assert plan.mix is not None
    assert plan.mix.gains_db == (
        (0.0, None, None),
        (None, 0.0, None),
        (None, None, 0.0),
    )
    assert [p for p in names(plan) if p.startswith("source-")] == [
        "source-dj1.opus",
        "source-dj2.opus",
        "source-dj3.opus",
    ]
    assert {order.path for order in plan.sources.values()} == {m.path for m in mounts}


def test_a_studio_has_several_mixes_of_the_same_players() -> None:
    main = mount("/main.ogg")
    quiet = replace(
        mount("/drums.flac", codec=Codec.FLAC), gains_db={BOB: Decibels(-6.0)}
    )
    plan = plan_host(view(ALICE, document(session(mounts=(main, quiet)))))
    assert plan.mix is not None
    assert plan.mix.gain("main.ogg", BOB) == 0.0
    assert plan.mix.gain("drums.flac", BOB) == -6.0
    assert plan.mix.gain("drums.flac", CAROL) == 0.0


def test_a_talk_show_keeps_the_guest_off_the_air_and_on_the_links() -> None:
    spec = session(mounts=(mount("/talk.mp3", ALICE, BOB, codec=Codec.MP3),))
    doc = document(spec)
    assert mix_order(spec).gains_db == ((0.0, 0.0, None),)
    jam = play(doc, leader=ALICE, standby=BOB)
    assert jam.heard_by(CAROL) == [Sound([ALICE, BOB])] * 2


def test_plans_are_values_that_depend_on_nothing_else() -> None:
    assert plan_host(view(BOB)) == plan_host(view(BOB))


def test_a_link_of_others_is_none_of_ours() -> None:
    link = LinkPort(a=BOB, b=CAROL, udp_port=UdpPort(4464), server=BOB)
    plan = plan_host(view(ALICE, document(links=(link,))))
    assert names(plan) == ["mixdown", "source-mix.ogg"]


def test_facts_of_others_are_needed_for_nothing_but_their_address() -> None:
    heard = without(all_facts(), BOB)
    assert plan_host(view(ALICE, facts=heard)) == plan_host(view(ALICE))
