from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import pytest

from sessiond.core.conditions import Condition, Reason, Severity
from sessiond.core.configfile import AudioConfig, JackStart
from sessiond.core.hearing import MountSound
from sessiond.core.jackgraph import JackGraph
from sessiond.core.judge import Circumstances, judge
from sessiond.core.judge_audio import JACK_STALLED_AFTER, PORT_ABSENT_AFTER
from sessiond.core.linkstats import LinkSeen
from sessiond.core.observed import Observed
from sessiond.core.plan import plan_host
from sessiond.core.proc import Program
from sessiond.core.procstates import BackingOff, GaveUp, Lifecycle, Running
from sessiond.core.sourcing import SeatReport, SourceReport, SourceState
from sessiond.core.spec import BroadcastSettings, Codec
from sessiond.core.stamped import Member, StampedSpec, Station
from sessiond.core.status import ClockStatus, Verdict
from sessiond.core.titles import TitleHeard
from sessiond.core.view import SessionView
from sessiond.units import Frames, Hertz, HostName, PortName, ProcName, Seconds, UdpPort
from tests.core.examples import (
    ALICE,
    BOB,
    CAROL,
    NOW,
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
from tests.core.machine import SOUND_CARD

DUMMY: Final = AudioConfig(start=JackStart.IF_ABSENT, driver="dummy")
LIAR: Final = "liar.example"
HERE: Final = Station(address="alice.local", port=8000, host=ALICE)
GRAPH: Final = JackGraph(
    rate_hz=Hertz(48000), period_frames=Frames(128), ports=SOUND_CARD
)
LINK: Final = plan_host(view()).procs[0]
MIX: Final = ProcName("source-mix.ogg")


@dataclass(frozen=True, kw_only=True)
class World:
    """What one turn judges; all is as asked unless told otherwise."""

    view: SessionView = field(default_factory=view)
    observed: Observed = field(default_factory=lambda: Observed(graph=GRAPH, mounts=()))
    lifecycles: Mapping[ProcName, Lifecycle] = field(default_factory=dict)
    around: Circumstances = field(
        default_factory=lambda: Circumstances(running_for=PORT_ABSENT_AFTER)
    )

    def judged(self) -> tuple[Condition, ...]:
        plan = plan_host(self.view)
        return judge(self.view, plan, self.observed, self.lifecycles, self.around, NOW)

    def reasons(self) -> list[Reason]:
        return [condition.reason for condition in self.judged()]


def seeing(**fields: object) -> World:
    return World(observed=replace(World().observed, **fields))  # type: ignore[arg-type]


def around(**fields: object) -> World:
    return World(around=replace(World().around, **fields))  # type: ignore[arg-type]


def clock(verdict: Verdict) -> World:
    return World(
        view=view(clock=ClockStatus(verdict=verdict)),
        around=Circumstances(clock_reason="The clock is 7 ms off."),
    )


def living(state: Lifecycle) -> World:
    return World(lifecycles={LINK.name: state})


def gave_up(*, permanent: bool) -> GaveUp:
    return GaveUp(
        plan=LINK, until=NOW, failures=7, complaint="it broke", permanent=permanent
    )


def alice_hears(**fields: object) -> World:
    return World(view=view(facts={**all_facts(), ALICE: facts(ALICE, **fields)}))


def linked(seen: LinkSeen) -> World:
    return seeing(links={BOB: seen})


def port_taken(port: int) -> World:
    world = alice_hears(busy_ports=frozenset({UdpPort(port)}))
    return replace(world, observed=linked(LinkSeen(port_busy=True)).observed)


def source(state: SourceState, **fields: object) -> World:
    seat = SeatReport(path=mount().path, state=state, detail="No.")
    primary = replace(seat, **fields)  # type: ignore[arg-type]
    return seeing(sources={MIX: SourceReport(primary=primary)})


def hearing(**fields: object) -> World:
    sound = MountSound(
        path=mount().path,
        listening=True,
        progressing=True,
        age_s=Seconds(0.1),
        heard_s=Seconds(60),
    )
    return seeing(sounds=(replace(sound, **fields),))  # type: ignore[arg-type]


def led_by(leader: HostName | None, standby: HostName | None) -> World:
    return World(view=view(leader=leader, standby=standby))


def carol_absent() -> World:
    doc = document()
    members = tuple(Member(name=CAROL) if m.name == CAROL else m for m in doc.members)
    return World(
        view=view(
            ALICE, replace(doc, members=members), facts=without(all_facts(), CAROL)
        )
    )


def namesakes() -> World:
    absent = carol_absent()
    twice = {CAROL: ("10.0.0.3:7700", "10.0.0.9:7700")}
    return replace(
        absent,
        view=replace(absent.view, facts=all_facts()),
        around=replace(absent.around, namesakes=twice),
    )


ERROR, WARNING = Severity.ERROR, Severity.WARNING
SILENT: Final = LinkSeen(packets=9, moved=Seconds(NOW - 3))

CASES: Final[Mapping[Reason, tuple[World, Severity, str]]] = {
    Reason.JACK_ABSENT: (seeing(graph=None), ERROR, '"default"'),
    Reason.JACK_STALLED: (
        seeing(jack_still=Seconds(JACK_STALLED_AFTER + 0.1)),
        ERROR,
        "stands still",
    ),
    Reason.AUDIO_IS_DUMMY: (World(view=view(audio=DUMMY)), WARNING, "alice"),
    Reason.RATE_MISMATCH: (alice_hears(rate_hz=44100), ERROR, "44100 Hz, the session"),
    Reason.PERIOD_MISMATCH: (alice_hears(period_frames=256), ERROR, "256 frames"),
    Reason.INPUT_PORT_ABSENT: (
        World(view=view(audio=AudioConfig(inputs=(PortName("mic:1"),)))),
        WARNING,
        "mic:1",
    ),
    Reason.OUTPUT_PORT_ABSENT: (
        World(view=view(audio=AudioConfig(outputs=(PortName("phones:1"),)))),
        WARNING,
        "phones:1",
    ),
    Reason.CLIENT_RENAMED: (
        seeing(graph=replace(GRAPH, ports=SOUND_CARD | {PortName("mixdown-01:x_1")})),
        ERROR,
        "mixdown-01",
    ),
    Reason.CLOCK_UNTRUSTED: (clock(Verdict.WARN), WARNING, "7 ms"),
    Reason.CLOCK_FAILED: (clock(Verdict.FAIL), ERROR, "7 ms"),
    Reason.CLOCK_UNKNOWN: (clock(Verdict.UNKNOWN), WARNING, "7 ms"),
    Reason.FALSE_TICKER: (
        World(view=view(clock=ClockStatus(falsetickers=(LIAR,)))),
        WARNING,
        LIAR,
    ),
    Reason.LINK_DOWN: (linked(SILENT), WARNING, "from bob"),
    Reason.UDP_PORT_BUSY: (port_taken(4464), ERROR, "4464"),
    Reason.PROC_BACKING_OFF: (
        living(BackingOff(plan=LINK, until=NOW, failures=2, complaint="it broke")),
        WARNING,
        "link-bob",
    ),
    Reason.PROC_GAVE_UP: (living(gave_up(permanent=False)), ERROR, "7 times"),
    Reason.PROGRAM_MISSING: (living(gave_up(permanent=True)), ERROR, "it broke"),
    Reason.CODEC_MISSING: (
        around(codecs_missing=frozenset({Codec.VORBIS, Codec.FLAC})),
        ERROR,
        "encode vorbis,",
    ),
    Reason.STATION_UNREACHABLE: (seeing(mounts=None), ERROR, "radio.local:8000"),
    Reason.STATION_NOT_REDUNDANT: (
        World(view=view(ALICE, document(session(icecast=None), station=HERE))),
        WARNING,
        "alice",
    ),
    Reason.FENCING_DENIED: (
        World(view=view(ALICE, station_denied="Icecast keeps its sources.")),
        WARNING,
        "Icecast keeps its sources, so",
    ),
    Reason.SOURCE_DENIED: (source(SourceState.DENIED), ERROR, "/mix.ogg: No."),
    Reason.MOUNT_HELD_ELSEWHERE: (source(SourceState.REFUSED), ERROR, "/mix.ogg"),
    Reason.MOUNT_STALLED: (
        source(SourceState.LIVE, moved_ago=Seconds(2.5)),
        ERROR,
        "/mix.ogg",
    ),
    Reason.TITLE_NOT_SHOWN: (
        around(
            titles={
                mount().path: TitleHeard(
                    title="", wanted="A - B", other_since=Seconds(NOW - 5.1)
                )
            }
        ),
        WARNING,
        "Listeners of /mix.ogg see no title instead of “A - B”",
    ),
    Reason.MOUNT_SILENT: (hearing(silent=True), WARNING, "as its mix is silent"),
    Reason.MOUNT_CLIPPING: (hearing(clipping=True), WARNING, "/mix.ogg is clipped"),
    Reason.MOUNT_TOO_QUIET: (hearing(loudness_lufs=-30.1), WARNING, "far below"),
    Reason.MOUNT_TOO_LOUD: (hearing(loudness_lufs=-8.9), WARNING, "far above"),
    Reason.HOST_MISSING: (carol_absent(), WARNING, "carol"),
    Reason.NAME_AMBIGUOUS: (namesakes(), WARNING, "10.0.0.3:7700, 10.0.0.9:7700"),
    Reason.AWAITING_CONSENT: (World(view=view(consented=False)), ERROR, "alice"),
    Reason.STATE_NOT_STORED: (around(store_error="Disk full."), ERROR, "Disk full"),
    Reason.SPEC_CONFLICT: (World(view=view(conflict=True)), WARNING, "partition"),
    Reason.NO_LEADER: (led_by(None, None), WARNING, "majority"),
    Reason.NOT_A_MEMBER: (
        World(around=Circumstances(shut_out_by=(BOB, CAROL))),
        ERROR,
        "bob, carol no longer let this host into jam",
    ),
    Reason.NO_STANDBY: (led_by(ALICE, None), WARNING, "take over"),
}


def test_all_is_well() -> None:
    assert World().judged() == ()


def test_every_reason_is_raised_by_a_case() -> None:
    assert set(CASES) == set(Reason)


@pytest.mark.parametrize("reason", CASES)
def test_a_condition_names_what_is_wrong_in_a_sentence_and_what_to_do(
    reason: Reason,
) -> None:
    world, severity, words = CASES[reason]
    (found,) = world.judged()
    assert found.reason is reason
    assert found.severity is severity
    assert words in found.message
    assert found.message.endswith(".")
    assert found.hint.endswith(".")


# What is no condition


def test_a_jack_that_has_just_come_may_lack_ports() -> None:
    absent = AudioConfig(inputs=(PortName("mic:1"),))
    young = Circumstances(running_for=Seconds(PORT_ABSENT_AFTER - 0.1))
    assert World(view=view(audio=absent), around=young).reasons() == []


def test_without_jack_no_port_is_missed() -> None:
    world = seeing(graph=None)
    assert world.reasons() == [Reason.JACK_ABSENT]


def test_a_server_that_stumbles_is_not_stalled_yet() -> None:
    assert seeing(jack_still=JACK_STALLED_AFTER).reasons() == []


def test_a_dummy_that_somebody_else_runs_is_none_of_ours() -> None:
    world = World(view=view(audio=DUMMY, foreign_jack=True))
    assert world.reasons() == []


@pytest.mark.parametrize(
    "fine", [clock(Verdict.OK), World(view=view(clock=ClockStatus()))]
)
def test_a_good_clock_and_one_not_looked_at_yet_are_fine(fine: World) -> None:
    assert fine.reasons() == []


def test_what_runs_or_rests_without_a_failure_is_fine() -> None:
    assert living(Running(plan=LINK, since=NOW)).reasons() == []
    assert living(BackingOff(plan=LINK, until=NOW, failures=0)).reasons() == []


def test_a_host_whose_jack_is_absent_has_no_wrong_format() -> None:
    assert alice_hears(rate_hz=0, period_frames=0).reasons() == []
    assert World(view=view(facts={})).reasons() == []


def test_the_odd_one_out_is_told_not_the_others() -> None:
    heard = {**all_facts(), BOB: facts(BOB, period_frames=Frames(256))}
    assert World(view=view(ALICE, facts=heard)).reasons() == []
    assert World(view=view(BOB, facts=heard)).reasons() == [Reason.PERIOD_MISMATCH]


def test_the_specs_period_goes_before_the_majoritys() -> None:
    doc = document(session(period_frames=Frames(256)))
    (found,) = World(view=view(ALICE, doc)).judged()
    assert "the session at 256" in found.message
    assert found.hint == "Restart JACK with -p 256."


def test_an_external_station_is_nobodys_computer() -> None:
    doc = document(station=Station(address="radio.local", port=8000, host=BOB))
    assert World(view=view(ALICE, doc)).reasons() == []


def test_without_mounts_no_station_is_missed() -> None:
    doc = document(session(mounts=()))
    silent = Observed(graph=GRAPH)
    assert World(view=view(ALICE, doc), observed=silent).reasons() == []


def test_a_codec_that_no_mount_needs_or_that_is_never_needed_here_is_not_missed() -> (
    None
):
    assert around(codecs_missing=frozenset({Codec.FLAC})).reasons() == []
    barred = session(broadcast=BroadcastSettings(never=frozenset({CAROL})))
    world = replace(
        around(codecs_missing=frozenset({Codec.VORBIS})),
        view=view(CAROL, document(barred)),
    )
    assert world.reasons() == []


@pytest.mark.parametrize(
    ("me", "doc"),
    [
        (BOB, document()),
        (ALICE, document(session(mounts=()))),
        (ALICE, document(session((ALICE,)))),
        (ALICE, document(session(broadcast=BroadcastSettings(never={BOB, CAROL})))),  # type: ignore[arg-type]
    ],
)
def test_a_standby_is_missed_by_the_leader_and_where_there_could_be_one(
    me: HostName, doc: StampedSpec
) -> None:
    assert World(view=view(me, doc, standby=None)).reasons() == []


def test_missing_hosts_are_the_leaders_to_name() -> None:
    missing = carol_absent()
    doc = missing.view.stamped
    follower = replace(missing, view=view(BOB, doc, facts=missing.view.facts))
    assert follower.reasons() == []
    nobody = replace(missing.view, leadership=None)
    assert World(view=nobody).reasons() == [Reason.NO_LEADER]


def test_a_namesake_of_a_host_that_is_settled_or_no_member_is_nobodys_concern() -> None:
    twice = {BOB: ("10.0.0.2:7700", "10.0.0.8:7700"), HostName("dave"): ("x:1", "y:1")}
    assert around(namesakes=twice).reasons() == []


def test_conditions_of_a_session_end_with_it() -> None:
    gone = view(ALICE, document(stopped=True), consented=False)
    nothing = Observed(graph=GRAPH)
    assert World(view=gone, observed=nothing).reasons() == []


def test_conditions_are_sorted_and_each_is_there_once() -> None:
    doc = document()
    lonely = leadership(doc, None, standby=None)
    world = World(view=view(leadership=lonely, conflict=True), observed=Observed())
    found = world.judged()
    assert list(found) == sorted(set(found))
    assert len(found) == 4
    assert doc.spec.host_names == TRIO


@pytest.mark.parametrize("program", Program)
def test_whatever_program_is_missing_is_told_with_its_package(program: Program) -> None:
    state = gave_up(permanent=True)
    missing = replace(state, plan=replace(state.plan, program=program))
    (told,) = living(missing).judged()
    assert told.reason is Reason.PROGRAM_MISSING
    assert "Install" in told.hint
