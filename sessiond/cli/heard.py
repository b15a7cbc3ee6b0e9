"""What `listen` shows: pictures, documents and cron's line; nothing is printed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sessiond.core.hearing import MountSound, SoundState, state_of
from sessiond.units import Decibels, Seconds

_NOTHING: Final = "–"
_STYLE: Final = {
    SoundState.HEARD: "green",
    SoundState.SILENT: "red",
    SoundState.STALLED: "red",
    SoundState.ABSENT: "red",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Listened:
    """One mount as this computer hears it.

    Attributes:
        trouble: Why nothing is heard; empty while something is.
    """

    url: str
    sound: MountSound
    trouble: str = ""


def sounds_picture(listened: Sequence[Listened]) -> RenderableType:
    """Return a table of what is heard, and why where nothing is."""
    heads = ("MOUNT", "SOUND", "LEVEL", "TRUE PEAK", "LUFS 0.4 S", "3 S", "ALL")
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for head in (*heads, "DELAY", "AHEAD", "GAPS", "TITLE"):
        table.add_column(head, overflow="fold")
    for one in listened:
        table.add_row(*_row(one.sound))
    troubles = [Text(f"{o.sound.path}: {o.trouble}") for o in listened if o.trouble]
    return Group(table, *troubles)


def _row(sound: MountSound) -> tuple[Text | str, ...]:
    state = state_of(sound)
    word = Text(state.value, style=_STYLE[state])
    if sound.clipping:
        word.append(" clipping", style="yellow")
    gaps = f"{sound.gaps}"
    if sound.gaps:
        gaps += f", {sound.gap_s:.1f} s"
    return (
        Text(sound.path),
        word,
        _decibels(sound.level_db),
        _decibels(sound.true_peak_db),
        _decibels(sound.momentary_lufs),
        _decibels(sound.short_term_lufs),
        _decibels(sound.integrated_lufs),
        _seconds(sound.delay_s),
        _seconds(sound.buffer_s),
        gaps,
        Text(sound.title or _NOTHING),
    )


def _decibels(value: Decibels | None) -> str:
    if value is None:
        return _NOTHING
    return f"{value:.1f}" if value > _FAINTEST else "–∞"


# What FFmpeg shows of digital silence; no codec gives less.
_FAINTEST: Final = Decibels(-110.0)


def _seconds(value: Seconds | None) -> str:
    return _NOTHING if value is None else f"{value:.1f} s"


def sounds_document(name: str, listened: Sequence[Listened]) -> dict[str, Any]:
    """Return ``listen --json``; silence is null."""
    return {
        "session": name,
        "ok": all_heard(listened),
        "mounts": [_mount(one) for one in listened],
    }


def _mount(one: Listened) -> dict[str, Any]:
    sound = one.sound
    return {
        "path": sound.path,
        "url": one.url,
        "sound": state_of(sound),
        "trouble": one.trouble,
        "title": sound.title,
        **sound_figures(sound),
    }


def sound_figures(sound: MountSound) -> dict[str, Any]:
    """Return a mount's figures as JSON; what is not known, and silence, is null."""
    return {
        "progressing": sound.progressing,
        "silent": sound.silent,
        "silent_s": _rounded(sound.silent_s),
        "clipping": sound.clipping,
        "level_db": _rounded(sound.level_db),
        "true_peak_db": _rounded(sound.true_peak_db),
        "momentary_lufs": _rounded(sound.momentary_lufs),
        "short_term_lufs": _rounded(sound.short_term_lufs),
        "integrated_lufs": _rounded(sound.integrated_lufs),
        "loudness_lufs": _rounded(sound.loudness_lufs),
        "delay_s": _rounded(sound.delay_s),
        "buffer_s": _rounded(sound.buffer_s),
        "gaps": sound.gaps,
        "gap_s": _rounded(sound.gap_s),
        "age_s": _rounded(sound.age_s),
    }


def _rounded(value: float | None) -> float | None:
    if value is None or not math.isfinite(value) or value < _FAINTEST:
        return None
    return round(value, 2)


def all_heard(listened: Sequence[Listened]) -> bool:
    """Tell whether every mount sounds."""
    return bool(listened) and all(
        state_of(one.sound) is SoundState.HEARD for one in listened
    )


def health_line(name: str, listened: Sequence[Listened]) -> str:
    """Return the one line for cron."""
    verdict = "ok" if all_heard(listened) else "off"
    words = ", ".join(_said(one) for one in listened) or "no mounts"
    return f"{verdict} {name}: {words}"


def _said(one: Listened) -> str:
    sound = one.sound
    match state_of(sound):
        case SoundState.HEARD:
            gaps = f", {sound.gaps} gaps" if sound.gaps else ""
            return f"{sound.path} {_decibels(sound.integrated_lufs)} LUFS{gaps}"
        case SoundState.SILENT:
            return f"{sound.path} is silent"
        case SoundState.STALLED:
            return f"{sound.path} stalls"
        case SoundState.ABSENT:
            return f"{sound.path} is not heard ({one.trouble or 'no sound came'})"
