import pytest

from sessiond.core.conditions import Reason
from sessiond.core.jackgraph import JackGraph
from sessiond.core.judge_paths import (
    client_conditions,
    is_stalled,
    link_conditions,
    mount_conditions,
    title_conditions,
)
from sessiond.core.linkstats import LinkSeen
from sessiond.core.observed import Observed
from sessiond.core.onair import STALL_SECONDS
from sessiond.core.plan import plan_host
from sessiond.core.sourcing import SeatReport, SourceReport, SourceState
from sessiond.core.titles import SHOWN_WITHIN, TitleHeard
from sessiond.units import (
    Frames,
    Hertz,
    HostName,
    MountPath,
    PortName,
    ProcName,
    Seconds,
)
from tests.core.examples import ALICE, BOB, CAROL, NOW, document, session, view

MIX = ProcName("source-mix.ogg")
MIX_PATH = MountPath("/mix.ogg")
HEARD = LinkSeen(packets=9, moved=NOW)
SILENT = LinkSeen(packets=9, moved=Seconds(NOW - 3))
WAITING = SeatReport()


def test_every_link_of_this_host_that_is_seen_has_its_own_conditions() -> None:
    seen = Observed(links={BOB: HEARD, CAROL: SILENT})
    found = link_conditions(view(), document(), seen, NOW)
    assert found[BOB] == ()
    assert [c.reason for c in found[CAROL]] == [Reason.LINK_DOWN]


def test_links_of_others_and_links_not_seen_yet_have_none() -> None:
    assert link_conditions(view(), document(), Observed(), NOW) == {}
    both = Observed(links={ALICE: SILENT, CAROL: HEARD})
    assert link_conditions(view(BOB), document(), both, NOW).keys() == {ALICE, CAROL}


def test_a_peer_that_was_never_heard_is_awaited_not_missed() -> None:
    waiting = Observed(links={BOB: LinkSeen(packets=0)})
    assert link_conditions(view(), document(), waiting, NOW) == {BOB: ()}


def test_settings_that_differ_are_named_on_both_sides() -> None:
    seen = Observed(links={BOB: LinkSeen(mismatch="sampling rate 44100")})
    (found,) = link_conditions(view(), document(), seen, NOW)[BOB]
    assert found.reason is Reason.LINK_DOWN
    assert "bob has sampling rate 44100" in found.message
    assert "alice runs at 48000 Hz and 128 frames" in found.message


@pytest.mark.parametrize(
    ("client", "renamed"),
    [
        ("link-bob", False),
        ("link-bob-01", True),
        ("air-mix.ogg-02", True),
        ("link-bob-x1", False),
        ("link-dave-01", False),
        ("ardour-01", False),
    ],
)
def test_a_client_is_renamed_when_the_name_that_it_wants_is_ours(
    client: str, renamed: bool
) -> None:
    ports = frozenset({PortName(f"{client}:send_1")})
    graph = JackGraph(rate_hz=Hertz(48000), period_frames=Frames(128), ports=ports)
    found = list(client_conditions(plan_host(view()), Observed(graph=graph)))
    assert [c.reason for c in found] == [Reason.CLIENT_RENAMED] * renamed


def test_a_host_whose_name_looks_like_a_number_of_jacks_is_none() -> None:
    twins = (ALICE, BOB, HostName("bob-01"))
    ports = frozenset({PortName("link-bob-01:send_1"), PortName("link-bob:send_1")})
    graph = JackGraph(rate_hz=Hertz(48000), period_frames=Frames(128), ports=ports)
    plan = plan_host(view(ALICE, document(session(twins))))
    assert not list(client_conditions(plan, Observed(graph=graph)))
    assert not list(client_conditions(plan, Observed()))


def sources(state: SourceState) -> Observed:
    report = SourceReport(primary=SeatReport(state=state))
    return Observed(sources={MIX: report})


def test_a_mount_is_judged_only_by_the_host_that_may_feed_it() -> None:
    denied = sources(SourceState.DENIED)
    (found,) = mount_conditions(view(ALICE), denied)[MIX]
    assert found.reason is Reason.SOURCE_DENIED
    assert mount_conditions(view(CAROL), denied) == {}


def test_the_standby_judges_its_hidden_mounts() -> None:
    hidden = SeatReport(
        path=MountPath("/mix-standby.ogg"), state=SourceState.REFUSED, detail="Taken."
    )
    seen = Observed(sources={MIX: SourceReport(hidden=hidden)})
    (found,) = mount_conditions(view(BOB), seen)[MIX]
    assert found.reason is Reason.MOUNT_HELD_ELSEWHERE
    assert found.message == "Another source feeds /mix-standby.ogg: Taken."
    assert mount_conditions(view(ALICE), seen) == {MIX: ()}


@pytest.mark.parametrize(
    "state", [SourceState.WAITING, SourceState.LIVE, SourceState.UNREACHABLE]
)
def test_a_source_on_its_way_and_one_on_the_air_are_fine(state: SourceState) -> None:
    assert mount_conditions(view(), sources(state)) == {MIX: ()}


def test_a_title_that_icecast_refuses_is_told_beside_a_stall() -> None:
    seat = SeatReport(
        state=SourceState.LIVE, title_refused="It said no.", moved_ago=Seconds(9)
    )
    seen = Observed(sources={MIX: SourceReport(primary=seat)})
    title, stall = mount_conditions(view(), seen)[MIX]
    assert title.reason is Reason.TITLE_NOT_SHOWN
    assert title.message == "The title of /mix.ogg is not shown: It said no."
    assert stall.reason is Reason.MOUNT_STALLED


@pytest.mark.parametrize(
    ("off_for", "told"), [(None, False), (SHOWN_WITHIN, False), (5.1, True)]
)
def test_a_title_has_a_while_to_come_to_the_listeners(
    off_for: float | None, told: bool
) -> None:
    since = None if off_for is None else Seconds(NOW - off_for)
    heard = TitleHeard(title="A", wanted="B", other_since=since)
    found = title_conditions({MIX_PATH: heard}, NOW)
    assert bool(found) is told
    if told:
        (said,) = found[MIX_PATH]
        assert said.message == "Listeners of /mix.ogg see “A” instead of “B”."


@pytest.mark.parametrize(
    ("moved_ago", "stalled"),
    [(None, False), (STALL_SECONDS, False), (Seconds(STALL_SECONDS + 0.1), True)],
)
def test_a_stall_is_longer_than_music_is_silent(
    moved_ago: Seconds | None, stalled: bool
) -> None:
    report = SeatReport(state=SourceState.LIVE, moved_ago=moved_ago)
    assert is_stalled(report) is stalled
    assert not is_stalled(WAITING)
