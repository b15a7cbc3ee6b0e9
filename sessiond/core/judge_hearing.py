"""What is wrong with the mounts as this host's own ear hears them."""

from collections.abc import Iterable, Mapping
from typing import Final

from sessiond.core.conditions import Condition, Reason, error, warning
from sessiond.core.encodercare import mix_sounds
from sessiond.core.hearing import MINUTE, MountSound
from sessiond.core.mixmatrix import MixReport
from sessiond.core.observed import Observed
from sessiond.units import Decibels, MountPath

# Streams of talk lie at −24 to −16 LUFS, loud music at −14 to −9: what lies outside of
# all of it makes listeners reach for the knob.
QUIETEST_LUFS: Final = Decibels(-30.0)
LOUDEST_LUFS: Final = Decibels(-9.0)


def hearing_conditions(observed: Observed) -> Mapping[MountPath, tuple[Condition, ...]]:
    """Return what the ear finds wrong, by mount; empty on a host that has no ear."""
    return {
        sound.path: tuple(_of(sound, observed.mix)) for sound in observed.sounds or ()
    }


def _of(sound: MountSound, mix: MixReport | None) -> Iterable[Condition]:
    if sound.age_s is None or not sound.listening:
        return
    if not sound.progressing:
        yield error(
            Reason.MOUNT_STALLED,
            f"Listeners of {sound.path} get no sound any more.",
            "Its source is replaced if it has hung; look at Icecast's network too.",
        )
    elif sound.silent:
        yield _silent(sound.path, mix)
    else:
        yield from _level(sound)


def _silent(path: MountPath, mix: MixReport | None) -> Condition:
    if mix_sounds(mix, path):
        return error(
            Reason.MOUNT_SILENT,
            f"Listeners of {path} hear silence, though its mix has sound.",
            "Its encoder is started anew by itself, at most once a minute.",
        )
    return warning(
        Reason.MOUNT_SILENT,
        f"Listeners of {path} hear silence, as its mix is silent.",
        "Nothing, if nobody plays. Else look at mutes, gains and the hosts' inputs.",
    )


def _level(sound: MountSound) -> Iterable[Condition]:
    if sound.clipping:
        yield warning(
            Reason.MOUNT_CLIPPING,
            f"{sound.path} is clipped: its peaks are over full scale.",
            f"Turn musicians down on {sound.path} with `sessiond gain`.",
        )
    loudness = sound.loudness_lufs
    if loudness is None or sound.heard_s < MINUTE:
        return
    if loudness < QUIETEST_LUFS:
        yield warning(
            Reason.MOUNT_TOO_QUIET,
            f"{sound.path} is far below the loudness of other streams "
            f"({QUIETEST_LUFS:g} LUFS and less for a minute).",
            f"Turn musicians up on {sound.path} with `sessiond gain`.",
        )
    elif loudness > LOUDEST_LUFS:
        yield warning(
            Reason.MOUNT_TOO_LOUD,
            f"{sound.path} is far above the loudness of other streams "
            f"({LOUDEST_LUFS:g} LUFS and more for a minute).",
            f"Turn musicians down on {sound.path} with `sessiond gain`.",
        )
