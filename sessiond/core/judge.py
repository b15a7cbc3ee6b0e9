"""What is not as asked on this host, each judgement with its reason and a cure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from types import MappingProxyType

from sessiond.core.conditions import Condition, Reason, error, warning
from sessiond.core.judge_audio import audio_conditions, format_conditions
from sessiond.core.judge_hearing import hearing_conditions
from sessiond.core.judge_paths import (
    client_conditions,
    link_conditions,
    mount_conditions,
    title_conditions,
)
from sessiond.core.observed import Observed
from sessiond.core.plan import HostPlan
from sessiond.core.proc import Program
from sessiond.core.procstates import BackingOff, GaveUp, Lifecycle
from sessiond.core.spec import Codec
from sessiond.core.stamped import StampedSpec
from sessiond.core.status import ClockStatus, Verdict
from sessiond.core.titles import TitleHeard
from sessiond.core.view import SessionView
from sessiond.units import HostName, MountPath, ProcName, Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What a judgement needs beyond view, plan and world.

    Attributes:
        running_for: How long the JACK graph has been there.
        store_error: Why the last write to the state folder failed, or empty.
        namesakes: Addresses of other agents that carry a member's name.
        shut_out_by: Members that are there and let this host in no more.
        clock_reason: Why the clock's verdict is as it is, one sentence.
        codecs_missing: What FFmpeg can't encode here.
        titles: What this host's own listeners see on the mounts.
    """

    running_for: Seconds = Seconds(0)
    store_error: str = ""
    namesakes: Mapping[HostName, tuple[str, ...]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    shut_out_by: tuple[HostName, ...] = ()
    clock_reason: str = ""
    codecs_missing: frozenset[Codec] = frozenset()
    titles: Mapping[MountPath, TitleHeard] = field(
        default_factory=lambda: MappingProxyType({})
    )


def judge(
    view: SessionView,
    plan: HostPlan,
    observed: Observed,
    lifecycles: Mapping[ProcName, Lifecycle],
    around: Circumstances,
    now: Seconds,
) -> tuple[Condition, ...]:
    """Return this host's conditions, sorted; empty when all is as asked."""
    found = [
        *audio_conditions(view, plan, observed, around.running_for),
        *_clock(view.clock, around.clock_reason),
        *_procs(lifecycles),
        *_store(around),
        *_consent(view),
    ]
    doc = view.running
    if doc is not None:
        found += [
            *format_conditions(view, doc),
            *client_conditions(plan, observed),
            *chain(*link_conditions(view, doc, observed, now).values()),
            *_station(view, doc, observed),
            *chain(*mount_conditions(view, observed).values()),
            *chain(*hearing_conditions(observed).values()),
            *chain(*title_conditions(around.titles, now).values()),
            *_codecs(view, doc, around),
            *_leadership(view, doc),
            *_belonging(doc, around),
            *_members(view, doc, around),
        ]
    return tuple(sorted(set(found)))


def _clock(clock: ClockStatus, reason: str) -> Iterable[Condition]:
    if clock.verdict is Verdict.WARN:
        yield warning(
            Reason.CLOCK_UNTRUSTED, reason, "Let chrony or ntpd run on this host."
        )
    if clock.verdict is Verdict.FAIL:
        yield error(
            Reason.CLOCK_FAILED, reason, "Let chrony or ntpd set this host's clock."
        )
    if clock.verdict is Verdict.UNKNOWN and reason:
        yield warning(
            Reason.CLOCK_UNKNOWN, reason, "Check clock.servers in agent.toml."
        )
    for liar in clock.falsetickers:
        yield warning(
            Reason.FALSE_TICKER,
            f"The time server {liar} disagrees with most of the others.",
            "Replace it in agent.toml's clock.servers.",
        )


_OURS = "sessiond anew, with ./deploy/install"
_PACKAGE = {
    Program.JACKD: "the Debian package jackd2",
    Program.JACKTRIP: "the Debian package jacktrip",
    Program.ICECAST: "the Debian package icecast2",
    Program.MIXDOWN: _OURS,
    Program.SOURCE: _OURS,
    Program.EAR: "the Debian package ffmpeg",
    Program.LIQUIDSOAP: "the Debian package liquidsoap",
}


def _procs(lifecycles: Mapping[ProcName, Lifecycle]) -> Iterable[Condition]:
    for name, state in lifecycles.items():
        match state:
            case GaveUp(permanent=True, complaint=complaint):
                package = _PACKAGE[state.plan.program]
                yield error(
                    Reason.PROGRAM_MISSING,
                    f"{name} can't be started: {complaint.rstrip('.')}.",
                    f"Install {package}.",
                )
            case GaveUp(complaint=complaint, failures=failures):
                yield error(
                    Reason.PROC_GAVE_UP,
                    f"{name} failed {failures} times; the last time "
                    f"{complaint.rstrip('.')}.",
                    "Its log says more. It is tried again every 30 s, and whenever "
                    "`sessiond apply` changes the session.",
                )
            case BackingOff(failures=failures, complaint=complaint) if failures:
                yield warning(
                    Reason.PROC_BACKING_OFF,
                    f"{name} is about to be started again: {complaint.rstrip('.')}.",
                    "Nothing, unless it goes on: its log says more.",
                )
            case _:
                pass


def _store(around: Circumstances) -> Iterable[Condition]:
    if around.store_error:
        yield error(
            Reason.STATE_NOT_STORED,
            around.store_error,
            "Free space in the state folder; until then this host can't vote.",
        )


def _consent(view: SessionView) -> Iterable[Condition]:
    if view.stamped and not view.stamped.stopped and not view.consented:
        yield error(
            Reason.AWAITING_CONSENT,
            f"{view.me} came back into a session and has heard no member yet, so it "
            "starts nothing.",
            f"Run `sessiond resume` on {view.me} to go on.",
        )
    if view.conflict:
        yield warning(
            Reason.SPEC_CONFLICT,
            "A change that was made during a partition lost against a newer one.",
            "It is conflict.0 or .1 in the state folder; apply it again if wanted.",
        )


def _station(
    view: SessionView, doc: StampedSpec, observed: Observed
) -> Iterable[Condition]:
    station = doc.station
    if station is None:
        return
    if observed.mounts is None:
        yield error(
            Reason.STATION_UNREACHABLE,
            f"Icecast at {station.address}:{station.port} does not answer {view.me}.",
            "Check that it runs and that its port is open.",
        )
    if view.station_denied:
        yield warning(
            Reason.FENCING_DENIED,
            f"{view.station_denied.rstrip('.')}, so a broadcaster that falls silent "
            "keeps its mounts until Icecast's source-timeout (10 s).",
            "Let Icecast's sources use killsource, moveclients and fallbacks.",
        )
    audio = view.setup.audio
    if station.host == view.me and (audio.inputs or audio.outputs):
        yield warning(
            Reason.STATION_NOT_REDUNDANT,
            f"Icecast runs on {view.me}, a musician's computer: the show ends with it.",
            "Name a server of its own in the session's [icecast] table.",
        )


def _codecs(
    view: SessionView, doc: StampedSpec, around: Circumstances
) -> Iterable[Condition]:
    lacking = around.codecs_missing & {mount.codec for mount in doc.spec.mounts}
    if lacking and view.me in doc.spec.preference:
        yield error(
            Reason.CODEC_MISSING,
            f"FFmpeg on {view.me} can't encode {', '.join(sorted(lacking))}, so "
            f"{view.me} can't broadcast.",
            "Install Debian's ffmpeg package and start the agent again.",
        )


def _leadership(view: SessionView, doc: StampedSpec) -> Iterable[Condition]:
    lead = view.leadership
    if lead is None or lead.leader is None:
        yield warning(
            Reason.NO_LEADER,
            "No leader is known: the members present are no majority, or they have "
            "just begun to agree.",
            "Nothing can be changed until more of the session's hosts are there.",
        )
    elif lead.leader == view.me and lead.standby is None and _several(doc):
        yield warning(
            Reason.NO_STANDBY,
            "No other host could take over the broadcast now.",
            "See the conditions of the other hosts.",
        )


def _belonging(doc: StampedSpec, around: Circumstances) -> Iterable[Condition]:
    if around.shut_out_by:
        yield error(
            Reason.NOT_A_MEMBER,
            f"{', '.join(around.shut_out_by)} no longer let this host into "
            f"{doc.spec.name}.",
            "Whoever runs the session may have removed it: ask for a link of "
            "`sessiond invite` and join again, or run `sessiond leave`.",
        )


def _several(doc: StampedSpec) -> bool:
    return len(doc.spec.preference) > 1 and bool(doc.spec.mounts)


def _members(
    view: SessionView, doc: StampedSpec, around: Circumstances
) -> Iterable[Condition]:
    if view.leadership is None or view.leadership.leader != view.me:
        return
    for member in doc.members:
        if member.id is None and member.name not in view.facts:
            yield warning(
                Reason.HOST_MISSING,
                f"{member.name} has not joined yet.",
                f"Give {member.name} a link of `sessiond invite`; a host of the same "
                "studio only needs its agent running.",
            )
    for name, addresses in around.namesakes.items():
        named = doc.member(name)
        # Once it was told which of them is meant, its id is stamped.
        if named is not None and named.id is None:
            yield warning(
                Reason.NAME_AMBIGUOUS,
                f"Several agents call themselves {name}: {', '.join(addresses)}.",
                "Give each an own name in its agent.toml.",
            )
