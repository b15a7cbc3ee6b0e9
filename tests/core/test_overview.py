from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import pytest

from sessiond.core.conditions import Condition, Reason, error, warning
from sessiond.core.election import HolderLabel, Liveness, Role
from sessiond.core.holder import describe
from sessiond.core.onair import MountSeen
from sessiond.core.overview import listen_url, odd_ones_out, overview
from sessiond.core.spec import BroadcastSettings, MountSpec
from sessiond.core.stamped import Stamp, StampedSpec, Station
from sessiond.core.status import (
    AudioStatus,
    HostStatus,
    LinkEnd,
    LinkState,
    MountEnd,
    MountState,
    Phase,
    SessionStatus,
    TitleShown,
)
from sessiond.units import Decibels, Frames, HostName, SessionName, Term
from tests.core.examples import (
    ALICE,
    BOB,
    CAROL,
    RADIO,
    TRIO,
    all_facts,
    document,
    facts,
    leadership,
    mount,
    session,
    view,
    without,
)

UP, CONNECTING, DOWN = LinkState.UP, LinkState.CONNECTING, LinkState.DOWN
MIX: Final = mount()
DJ: Final = mount("/dj1.ogg", ALICE)
Reports = Mapping[HostName, HostStatus]


def report(
    name: HostName,
    peers: Mapping[HostName, LinkState],
    mounts: tuple[MountEnd, ...] = (),
    *,
    voter: bool = True,
) -> HostStatus:
    return HostStatus(
        name=name,
        id=facts(name).id,
        address=facts(name).address,
        voter=voter,
        audio=AudioStatus(jack_server="default"),
        links=tuple(LinkEnd(peer=p, state=s) for p, s in peers.items()),
        mounts=mounts,
    )


def reports(
    names: tuple[HostName, ...] = TRIO, state: LinkState = UP
) -> dict[HostName, HostStatus]:
    """Every host's word in a mesh whose links all have this state."""
    live = tuple(MountEnd(path=m.path, state=MountState.LIVE) for m in (MIX, DJ))
    return {
        name: report(name, {p: state for p in names if p != name}, live)
        for name in names
    }


def fed(
    spec: MountSpec = MIX,
    by: HostName | None = ALICE,
    *,
    session: str = "jam",
    listeners: int = 0,
) -> MountSeen:
    """A mount as Icecast shows it; without a feeder it is a stranger's."""
    label = by and HolderLabel(
        session=SessionName(session), term=Term(1), host=by, role=Role.LEADER
    )
    text = describe("", label) if label else "somebody's show"
    return MountSeen(
        path=spec.path, description=text, listeners=listeners, title="Blues"
    )


def shown(
    doc: StampedSpec | None = None,
    said: Reports | None = None,
    mounts: tuple[MountSeen, ...] | None = (fed(),),
    *,
    standby: HostName | None = BOB,
    was_on_air: bool = False,
) -> SessionStatus:
    doc = doc or document()
    said = reports(doc.spec.host_names) if said is None else said
    seeing = view(ALICE, doc, standby=standby)
    return overview(seeing, doc, said, mounts, was_on_air=was_on_air)


def but(said: Reports, *silent: HostName) -> Reports:
    return {name: status for name, status in said.items() if name not in silent}


# Phases

TWO: Final = document(session(mounts=(MIX, DJ)))
NO_MOUNTS: Final = document(session(mounts=()))
ALONE: Final = document(session((ALICE,)))
ONE_LINK_DOWN: Final = {
    **reports(),
    BOB: report(BOB, {ALICE: UP, CAROL: DOWN}),
}
STALLED: Final = {
    **reports(),
    ALICE: report(
        ALICE,
        {BOB: UP, CAROL: UP},
        (MountEnd(path=MIX.path, state=MountState.STALLED),),
    ),
}
BARRED: Final = document(
    session(broadcast=BroadcastSettings(never=frozenset({BOB, CAROL})))
)


@pytest.mark.parametrize(
    ("status", "phase"),
    [
        (shown(said=reports(state=CONNECTING), mounts=()), Phase.FORMING),
        (shown(said={}, mounts=None), Phase.FORMING),
        (shown(said=ONE_LINK_DOWN, mounts=()), Phase.FORMING),
        (shown(mounts=()), Phase.JAMMING),
        (shown(mounts=None), Phase.JAMMING),
        (shown(NO_MOUNTS, mounts=None), Phase.JAMMING),
        (shown(NO_MOUNTS, mounts=None, was_on_air=True), Phase.JAMMING),
        (shown(ALONE, mounts=()), Phase.JAMMING),
        (shown(), Phase.ON_AIR),
        (shown(was_on_air=True), Phase.ON_AIR),
        (shown(ALONE, standby=None), Phase.ON_AIR),
        (shown(BARRED, standby=None), Phase.ON_AIR),
        (shown(TWO, mounts=(fed(), fed(DJ))), Phase.ON_AIR),
        (shown(TWO), Phase.DEGRADED),
        (shown(said=ONE_LINK_DOWN), Phase.DEGRADED),
        (shown(said=but(reports(), CAROL)), Phase.DEGRADED),
        (shown(standby=None), Phase.DEGRADED),
        (shown(mounts=(), was_on_air=True), Phase.OFF_AIR),
        (shown(mounts=None, was_on_air=True), Phase.OFF_AIR),
        (shown(mounts=(fed(by=None),), was_on_air=True), Phase.OFF_AIR),
        (shown(said=STALLED, was_on_air=True), Phase.OFF_AIR),
        (shown(document(stopped=True)), Phase.STOPPED),
        (shown(document(stopped=True), mounts=(), was_on_air=True), Phase.STOPPED),
    ],
)
def test_phases(status: SessionStatus, phase: Phase) -> None:
    assert status.phase is phase


def test_a_session_whose_only_host_is_gone_is_still_forming() -> None:
    gone = view(ALICE, ALONE, liveness={ALICE: Liveness.GONE})
    status = overview(gone, ALONE, {}, (), was_on_air=False)
    assert status.phase is Phase.FORMING


def test_a_standby_is_not_missed_where_nobody_else_is_left() -> None:
    doc = document(session((ALICE, BOB)), links=())
    left = view(ALICE, doc, standby=None, liveness={BOB: Liveness.GONE})
    said = but(reports((ALICE, BOB)), BOB)
    status = overview(left, doc, said, (fed(),), was_on_air=False)
    assert status.phase is Phase.ON_AIR


# Links


@pytest.mark.parametrize(
    ("at_alice", "at_bob", "state"),
    [
        (UP, UP, UP),
        (UP, CONNECTING, CONNECTING),
        (CONNECTING, DOWN, DOWN),
        (UP, None, DOWN),
        (None, CONNECTING, DOWN),
        (None, None, DOWN),
    ],
)
def test_a_link_is_as_good_as_its_worse_end(
    at_alice: LinkState | None, at_bob: LinkState | None, state: LinkState
) -> None:
    said = {}
    if at_alice:
        said[ALICE] = report(ALICE, {BOB: at_alice})
    if at_bob:
        said[BOB] = report(BOB, {ALICE: at_bob})
    link = shown(document(session((ALICE, BOB))), said).links[0]
    assert (link.a, link.b, link.udp_port) == (ALICE, BOB, 4464)
    assert link.state is state


def test_a_link_shows_the_worse_figures_and_both_ends_conditions() -> None:
    silent = warning(Reason.LINK_DOWN, "No audio packets arrive from alice.", "Wait.")
    busy = error(Reason.UDP_PORT_BUSY, "UDP port 4464 is taken.", "Wait.")
    at_alice = LinkEnd(
        peer=BOB, state=UP, rtt_ms=0.4, glitches_per_min=2, conditions=(busy,)
    )
    at_bob = LinkEnd(
        peer=ALICE,
        state=UP,
        rtt_ms=0.6,
        latency_ms=9.0,
        glitches_per_min=3,
        conditions=(silent, busy),
    )
    said = {
        ALICE: replace(report(ALICE, {}), links=(at_alice,)),
        BOB: replace(report(BOB, {}), links=(at_bob,)),
    }
    link = shown(document(session((ALICE, BOB))), said).links[0]
    assert (link.rtt_ms, link.latency_ms, link.glitches_per_min) == (0.6, 9.0, 5)
    assert link.conditions == tuple(sorted((silent, busy)))


# Mounts


@pytest.mark.parametrize(
    ("mounts", "state", "host"),
    [
        (None, MountState.DOWN, None),
        ((), MountState.DOWN, None),
        ((fed(DJ),), MountState.DOWN, None),
        ((fed(by=None),), MountState.HELD_ELSEWHERE, None),
        ((fed(session="other-jam"),), MountState.HELD_ELSEWHERE, None),
        ((fed(),), MountState.LIVE, ALICE),
        ((fed(by=HostName("dave")),), MountState.LIVE, HostName("dave")),
    ],
)
def test_a_mount_is_whose_label_icecast_shows(
    mounts: tuple[MountSeen, ...] | None, state: MountState, host: HostName | None
) -> None:
    status = shown(mounts=mounts)
    assert (status.mounts[0].state, status.mounts[0].host) == (state, host)
    assert status.broadcaster == host


def test_a_mount_shows_what_its_feeder_says_of_it() -> None:
    trouble = error(Reason.MOUNT_STALLED, "No bytes reach Icecast.", "Wait.")
    end = MountEnd(
        path=MIX.path,
        state=MountState.STALLED,
        peak_db=Decibels(-9.1),
        conditions=(trouble,),
    )
    said = {**reports(), ALICE: report(ALICE, {BOB: UP, CAROL: UP}, (end,))}
    found = shown(said=said).mounts[0]
    assert found.state is MountState.STALLED
    assert (found.peak_db, found.title, found.conditions) == (
        -9.1,
        "Blues",
        (trouble,),
    )
    assert (found.format, found.bitrate_kbps) == (MIX.codec, 128)


def seen_by(name: HostName, title: str, *wrong: Condition) -> HostStatus:
    seen = TitleShown(path=MIX.path, title=title, conditions=wrong)
    return replace(reports()[name], titles=(seen,))


def test_a_title_is_what_a_listener_of_ours_sees() -> None:
    off = warning(Reason.TITLE_NOT_SHOWN, "Listeners see another.", "Wait.")
    said = {**reports(), BOB: seen_by(BOB, "Jazz", off)}
    found = shown(TWO, said, (fed(), fed(DJ)))
    assert [m.title for m in found.mounts] == ["Jazz", "Blues"]
    assert [m.conditions for m in found.mounts] == [(off,), ()]


def test_a_mount_that_nobody_of_ours_feeds_shows_its_fillers_title() -> None:
    said = {**reports(), BOB: seen_by(BOB, "Jazz")}
    assert shown(said=said, mounts=()).mounts[0].title == "Jazz"
    assert shown(mounts=()).mounts[0].title == ""


def test_without_a_standby_the_leader_listens_everywhere() -> None:
    status = shown(TWO, mounts=(fed(DJ, listeners=5),), standby=None)
    assert status.mounts[1].listeners == 4


@pytest.mark.parametrize(("heard", "counted"), [(5, 2), (2, 0)])
def test_our_own_listeners_are_not_counted(heard: int, counted: int) -> None:
    """Three voters listen to the primary mount, the standby to the others too."""
    status = shown(TWO, mounts=(fed(listeners=heard), fed(DJ, listeners=heard)))
    assert [m.listeners for m in status.mounts] == [counted, heard - 1]


def test_followers_that_do_not_vote_have_no_listener() -> None:
    said = {**reports(), CAROL: report(CAROL, {ALICE: UP, BOB: UP}, voter=False)}
    assert shown(said=said, mounts=(fed(listeners=5),)).mounts[0].listeners == 3


@pytest.mark.parametrize(
    ("station", "url"),
    [
        (RADIO, "http://radio.local:8000/mix.ogg"),
        (
            Station(address="fe80::1", port=8443, tls=True),
            "https://[fe80::1]:8443/mix.ogg",
        ),
    ],
)
def test_listeners_are_told_where_to_tune_in(station: Station, url: str) -> None:
    assert listen_url(station, MIX) == url
    assert shown(document(station=station)).mounts[0].url == url


def test_without_a_station_there_is_no_url() -> None:
    assert shown(document(station=None)).mounts[0].url == ""


# Hosts and leadership


def test_a_host_that_did_not_answer_is_shown_as_it_is_known() -> None:
    doc = document()
    seeing = view(liveness={CAROL: Liveness.SUSPECT})
    said = but(reports(), BOB, CAROL)
    status = overview(seeing, doc, said, (), was_on_air=False)
    assert status.hosts[0] == said[ALICE]
    assert [(h.name, h.state) for h in status.hosts[1:]] == [
        (BOB, Liveness.GONE),
        (CAROL, Liveness.SUSPECT),
    ]
    assert status.hosts[2].address == facts(CAROL).address


def test_a_host_of_the_spec_that_is_no_member_yet_is_shown_all_the_same() -> None:
    doc = document(members=())
    assert shown(doc, {}).hosts[0].id is None


def test_leader_role_and_standby_are_the_elections() -> None:
    status = shown()
    assert (status.leader, status.role, status.standby) == (ALICE, Role.LEADER, BOB)
    assert (status.session, status.stamp) == ("jam", Stamp(Term(1), 1))
    doc = document()
    unled = overview(view(leadership=None), doc, reports(), (fed(),), was_on_air=False)
    assert (unled.leader, unled.role, unled.standby) == (None, None, None)
    assert leadership(doc).leader == ALICE


# Who differs


@pytest.mark.parametrize(
    ("asked", "periods", "odd", "usual"),
    [
        (0, (128, 128, 256), [CAROL], 128),
        (0, (256, 128, 256), [BOB], 256),
        (0, (256, 128, 0), [ALICE], 128),
        (256, (128, 128, 256), [ALICE, BOB], 256),
        (64, (0, 0, 0), [], 64),
        (0, (0, 0, 0), [], 0),
    ],
)
def test_the_odd_ones_out_differ_from_the_spec_or_from_most(
    asked: int, periods: tuple[int, ...], odd: list[HostName], usual: int
) -> None:
    doc = document(session(period_frames=Frames(asked)))
    heard = {
        name: facts(name, period_frames=Frames(period))
        for name, period in zip(TRIO, periods, strict=True)
    }
    assert odd_ones_out(doc, heard) == (frozenset(odd), Frames(usual))


def test_a_host_that_was_not_heard_is_no_odd_one() -> None:
    assert odd_ones_out(document(), without(all_facts(), BOB)) == (
        frozenset(),
        Frames(128),
    )
