"""Whether the mounts are well, for machines: a JSON document that says yes or no.

It is made of what the session's ear hears at this moment, with the age of that; where
no ear has heard anything lately it does not say that all is well.
"""

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from sessiond.core.hearing import MountSound, SoundState, state_of
from sessiond.core.status import MountState, MountStatus, SessionStatus
from sessiond.units import HostName, MountPath, Seconds

_Value: TypeAlias = "bool | int | float | str | None"
Document: TypeAlias = "Mapping[str, _Value | Sequence[_Value | Mapping[str, _Value]]]"

# A look at all members takes a second, and an ear is asked once a second.
OLDEST: Final = Seconds(5.0)

FILLER: Final = "filler"
"""The state of a mount outside a session, which the station's filler feeds."""


def health_document(host: HostName, status: SessionStatus | None) -> Document:
    """Return ``/healthz``; its ``ok`` is the verdict, ``wrong`` says why not.

    Args:
        host: Who answers.
        status: Its session's; None while it is in none, which is no fault.
    """
    mounts = status.mounts if status else ()
    wrong = [sentence for mount in mounts for sentence in _wrong(mount)]
    return {
        "ok": not wrong,
        "host": host,
        "session": status.session if status else None,
        "phase": status.phase.value if status else None,
        "wrong": wrong,
        "mounts": [_mount(mount) for mount in mounts],
    }


def filler_health_document(
    host: HostName, mounts: Sequence[MountPath], sounds: Sequence[MountSound]
) -> Document:
    """Return ``/healthz`` of a station outside a session, whose filler plays.

    Args:
        host: Who answers.
        mounts: What its filler is to be heard on.
        sounds: What its ear hears at this moment.
    """
    heard = {sound.path: sound for sound in sounds}
    wrong = [text for path in mounts for text in _unsound(path, heard.get(path))]
    return {
        **health_document(host, None),
        "ok": not wrong,
        "wrong": wrong,
        "mounts": [
            {
                "path": path,
                "state": FILLER,
                **_sound(heard.get(path)),
                "title": heard[path].title if path in heard else None,
            }
            for path in mounts
        ],
    }


def _wrong(mount: MountStatus) -> Sequence[str]:
    if mount.state is not MountState.LIVE:
        return (f"{mount.path} is {mount.state}",)
    return _unsound(mount.path, mount.sound)


def _unsound(path: MountPath, sound: MountSound | None) -> Sequence[str]:
    match heard_as(sound):
        case SoundState.HEARD:
            return ()
        case SoundState.SILENT:
            return (f"{path} is silent",)
        case SoundState.STALLED:
            return (f"{path} stalls",)
        case _:
            return (f"nobody has heard {path} in the last {OLDEST:g} s",)


def heard_as(sound: MountSound | None) -> SoundState | None:
    """Return what listeners meet; None where no ear has heard it lately."""
    if sound is None or sound.age_s is None:
        return None
    state = state_of(sound)
    # What stalls is old by its nature, but an ear on the line says so.
    if state is SoundState.STALLED:
        return state
    return state if sound.age_s <= OLDEST and state is not SoundState.ABSENT else None


def _mount(mount: MountStatus) -> Mapping[str, _Value]:
    return {
        "path": mount.path,
        "state": mount.state.value,
        "heard_by": mount.heard_by,
        **_sound(mount.sound),
        "title": mount.title,
        "listeners": mount.listeners,
    }


def _sound(sound: MountSound | None) -> Mapping[str, _Value]:
    heard = heard_as(sound)
    return {
        "sound": heard.value if heard else "unheard",
        "heard_ago_s": _rounded(sound.age_s) if sound else None,
        "silent_s": _rounded(sound.silent_s) if sound else None,
        "clipping": sound.clipping if sound else None,
        "loudness_lufs": _rounded(sound.loudness_lufs) if sound else None,
        "true_peak_db": _rounded(sound.true_peak_db) if sound else None,
        "delay_s": _rounded(sound.delay_s) if sound else None,
        "gaps": sound.gaps if sound else None,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
