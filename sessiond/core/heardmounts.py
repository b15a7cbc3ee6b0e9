"""What the session's ear hears, put into the picture of its mounts."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sessiond.core.hearing import MountSound
from sessiond.core.status import HostStatus, MountStatus
from sessiond.units import HostName

Heard = tuple[HostName, MountSound]


def heard_mounts(
    mounts: Sequence[MountStatus], reports: Mapping[HostName, HostStatus]
) -> tuple[MountStatus, ...]:
    """Return the mounts as the newest ear hears them, and without ears as listeners.

    While an ear moves from one host to another both report; what came last counts.
    """
    return tuple(_heard(mount, reports) for mount in mounts)


def _heard(mount: MountStatus, reports: Mapping[HostName, HostStatus]) -> MountStatus:
    sounds = [
        (name, sound)
        for name, report in sorted(reports.items())
        for sound in report.sounds
        if sound.path == mount.path
    ]
    if not sounds:
        return mount
    ears = sum(1 for _, sound in sounds if sound.listening)
    name, newest = min(sounds, key=_age)
    return replace(
        mount,
        sound=newest,
        heard_by=name,
        listeners=max(0, mount.listeners - ears),
        conditions=tuple(sorted({*mount.conditions, *newest.conditions})),
    )


def _age(heard: Heard) -> float:
    age = heard[1].age_s
    return float("inf") if age is None else age
