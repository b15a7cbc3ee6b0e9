"""A session as metrics, in Prometheus' text format.

Names end in their unit. A figure that is not known has no line: an old one would be a
lie, and 0 would be another. Source: Prometheus' "Exposition formats", text 0.0.4.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sessiond.core.conditions import Severity
from sessiond.core.liveness import Liveness
from sessiond.core.status import (
    HostStatus,
    LinkState,
    LinkStatus,
    MountState,
    MountStatus,
    Phase,
    SessionStatus,
)
from sessiond.units import HostName

Sample = tuple[Mapping[str, str], float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Metric:
    name: str
    says: str
    samples: Sequence[Sample]
    counts: bool = False


def metrics_text(host: HostName, version: str, status: SessionStatus | None) -> str:
    """Return ``/metrics``.

    Args:
        host: Who answers.
        version: Its program's.
        status: Its session's; None while it is in none.
    """
    agent: Sample = ({"host": host, "version": version}, 1)
    found = [
        _Metric(name="agent_info", says="The agent that answers.", samples=[agent])
    ]
    if status is not None:
        found += [*_session(status), *_hosts(status.hosts)]
        found += [*_links(status.links), *_mounts(status.mounts)]
    return "".join(line for metric in found for line in _lines(metric))


def _lines(metric: _Metric) -> Iterator[str]:
    known = [(labels, value) for labels, value in metric.samples if _is_known(value)]
    if not known:
        return
    name = f"sessiond_{metric.name}"
    yield f"# HELP {name} {metric.says}\n"
    yield f"# TYPE {name} {'counter' if metric.counts else 'gauge'}\n"
    for labels, value in known:
        pairs = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        shown = f"{{{pairs}}}" if pairs else ""
        yield f"{name}{shown} {value:.12g}\n"


def _is_known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _session(status: SessionStatus) -> Iterable[_Metric]:
    labels = {
        "session": status.session,
        "phase": status.phase.value,
        "leader": status.leader or "",
        "broadcaster": status.broadcaster or "",
        "standby": status.standby or "",
    }
    on_air = status.phase in {Phase.ON_AIR, Phase.DEGRADED}
    yield _Metric(
        name="session_info", says="Who does what in the session.", samples=[(labels, 1)]
    )
    yield _Metric(
        name="on_air", says="Whether a mount is live.", samples=[({}, float(on_air))]
    )


def _hosts(hosts: Sequence[HostStatus]) -> Iterable[_Metric]:
    def each(name: str, says: str, values: Iterable[float | None]) -> _Metric:
        samples = zip(({"host": host.name} for host in hosts), values, strict=True)
        return _Metric(
            name=name, says=says, samples=list(samples), counts=name.endswith("_total")
        )

    yield each(
        "host_alive",
        "Whether the host is there.",
        [float(host.state is Liveness.ALIVE) for host in hosts],
    )
    yield each(
        "host_xruns_total",
        "Periods that the host's JACK server was late for.",
        [host.audio.xruns for host in hosts],
    )
    yield each(
        "host_dsp_load_ratio",
        "Share of a period that JACK's clients use.",
        [host.audio.dsp_load for host in hosts],
    )
    yield each(
        "host_clock_offset_seconds",
        "Time servers' clock minus the host's.",
        [_seconds(host.clock.offset_ms) for host in hosts],
    )
    yield _Metric(
        name="host_conditions",
        says="What is not as asked on the host.",
        samples=[
            (
                {"host": host.name, "severity": severity.value},
                sum(1 for each in host.conditions if each.severity is severity),
            )
            for host in hosts
            for severity in Severity
        ],
    )


def _links(links: Sequence[LinkStatus]) -> Iterable[_Metric]:
    def each(name: str, says: str, values: Iterable[float | None]) -> _Metric:
        ends = ({"a": link.a, "b": link.b} for link in links)
        samples = zip(ends, values, strict=True)
        return _Metric(name=name, says=says, samples=list(samples))

    yield each(
        "link_up",
        "Whether audio arrives at both ends.",
        [float(link.state is LinkState.UP) for link in links],
    )
    yield each(
        "link_latency_seconds",
        "How late one end hears the other.",
        [_seconds(link.latency_ms) for link in links],
    )
    yield each(
        "link_glitches_per_minute",
        "Packets that came too late.",
        [link.glitches_per_min for link in links],
    )


def _mounts(mounts: Sequence[MountStatus]) -> Iterable[_Metric]:
    def each(name: str, says: str, values: Iterable[float | None]) -> _Metric:
        samples = zip(({"mount": m.path} for m in mounts), values, strict=True)
        return _Metric(name=f"mount_{name}", says=says, samples=list(samples))

    sounds = [mount.sound for mount in mounts]
    known = [sound if sound and sound.age_s is not None else None for sound in sounds]
    yield each(
        "live",
        "Whether the mount has the session's source.",
        [float(mount.state is MountState.LIVE) for mount in mounts],
    )
    yield each("listeners", "Listeners but our own.", [m.listeners for m in mounts])
    yield each("bus_peak_dbfs", "Peak in the mix.", [m.peak_db for m in mounts])
    yield each(
        "heard_age_seconds",
        "Since an ear of the session heard it; the figures below are so old.",
        [sound.age_s if sound else None for sound in known],
    )
    for name, says in (
        ("progressing", "Whether listeners get sound."),
        ("silent", "Whether that sound is silence."),
        ("clipping", "Whether it is clipped."),
    ):
        yield each(name, says, [_flag(sound, name) for sound in known])
    yield each(
        "loudness_lufs",
        "Loudness of the last minute (EBU R 128).",
        [sound.loudness_lufs if sound else None for sound in known],
    )
    yield each(
        "true_peak_dbtp",
        "Highest true peak of the last minute.",
        [sound.true_peak_db if sound else None for sound in known],
    )
    yield each(
        "delay_seconds",
        "From JACK to a listener's ear.",
        [sound.delay_s if sound else None for sound in known],
    )
    yield each(
        "gaps_per_minute",
        "How often a player had nothing to play.",
        [sound.gaps if sound else None for sound in known],
    )


def _flag(sound: object, name: str) -> float | None:
    return None if sound is None else float(getattr(sound, name))


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
