"""When a mount's encoder is started anew: listeners hear silence, its mix has sound.

An FFmpeg that lost its input goes on encoding silence for ever, and nothing in JACK's
graph or at Icecast shows it. Who hears it is the session's ear; who has the encoder
and the mix is the broadcaster. Restarting it costs listeners nothing, as they hear
nothing; but it may not help, so it is not done often.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from sessiond.core.mixmatrix import MixReport
from sessiond.core.view import SessionView
from sessiond.units import Decibels, MountPath, Seconds

# More than the noise of an open microphone.
_SOUND_DB: Final = Decibels(-50.0)

# Vorbis needs up to 2.4 s from JACK to a listener; what sounds for so long, without a
# break, must have been heard by somebody who has heard silence for 5 s.
SOUNDS_FOR: Final = Seconds(8.0)

# A start takes a second, and silence must be heard for 5 s to be called so.
AGAIN_AFTER: Final = Seconds(60.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderCare:
    """What a broadcaster remembers of its encoders; times are monotonic.

    Attributes:
        generations: How often each was started anew.
        sounding_since: Since when each mount's mix has had sound without a break.
        renewed_at: When each was last started anew.
    """

    generations: Mapping[MountPath, int] = field(
        default_factory=lambda: MappingProxyType({})
    )
    sounding_since: Mapping[MountPath, Seconds] = field(
        default_factory=lambda: MappingProxyType({})
    )
    renewed_at: Mapping[MountPath, Seconds] = field(
        default_factory=lambda: MappingProxyType({})
    )


def mix_sounds(mix: MixReport | None, path: MountPath) -> bool:
    """Tell whether a mount's bus has sound at this moment."""
    level = mix.bus(path.removeprefix("/")) if mix else None
    return level is not None and level.rms_db > _SOUND_DB


def unheard(view: SessionView) -> frozenset[MountPath]:
    """Return the mounts that the session's ear hears silent.

    It is the standby's, or our own. Anybody else's word is of an ear that was.
    """
    lead = view.leadership
    ears = {view.me, lead.standby if lead else None}
    words = [facts.silent for name, facts in view.facts.items() if name in ears]
    return frozenset[MountPath]().union(*words)


def cared_for(
    before: EncoderCare,
    mounts: Sequence[MountPath],
    silent: AbstractSet[MountPath],
    mix: MixReport | None,
    now: Seconds,
) -> EncoderCare:
    """Return what is to be remembered now; a larger generation is a new start.

    Args:
        before: What was, at the last turn.
        mounts: Those that this host feeds now; none for who is not on the air.
        silent: Those whose listeners hear silence.
        mix: What this host's mix-down says.
        now: Monotonic.
    """
    sounding = {
        path: before.sounding_since.get(path, now)
        for path in mounts
        if mix_sounds(mix, path)
    }
    due = {
        path
        for path, since in sounding.items()
        if path in silent
        and now - since >= SOUNDS_FOR
        and now - before.renewed_at.get(path, -AGAIN_AFTER) >= AGAIN_AFTER
    }
    if not due and sounding == before.sounding_since:
        return before
    again = {path: before.generations.get(path, 0) + 1 for path in due}
    return EncoderCare(
        generations=MappingProxyType({**before.generations, **again}),
        sounding_since=MappingProxyType(sounding),
        renewed_at=MappingProxyType({**before.renewed_at, **dict.fromkeys(due, now)}),
    )
