"""The words of an ear: its argument list, and its report as JSON."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from sessiond.core.hearing import MountSound, SilenceRule
from sessiond.errors import Refused
from sessiond.units import MountPath

_TEXTS: Final = ("path", "title")
_FLAGS: Final = ("listening", "progressing", "silent", "clipping")
_COUNTS: Final = ("gaps",)
_NUMBERS: Final = ("silent_s", "heard_s", "gap_s")
_OR_UNKNOWN: Final = (
    *("age_s", "level_db", "true_peak_db", "momentary_lufs", "short_term_lufs"),
    *("integrated_lufs", "loudness_lufs", "buffer_s", "delay_s"),
)


def ear_arguments(
    urls: Sequence[str], mixdown_socket: str, rule: SilenceRule
) -> tuple[str, ...]:
    """Return what stands behind the arguments of every program of ours.

    Args:
        urls: Where the mounts play; their paths are the mounts' names.
        mixdown_socket: Where this host's mix-down tells how loud its buses are.
        rule: What counts as silence.
    """
    return (
        *("--mixdown", mixdown_socket),
        *("--silent-below", f"{rule.below_db:g}"),
        *("--silent-after", f"{rule.after:g}"),
        *urls,
    )


def sounds_report(sounds: Sequence[MountSound]) -> dict[str, list[dict[str, object]]]:
    """Return what `parse_sounds` reads."""
    names = (*_TEXTS, *_FLAGS, *_COUNTS, *_NUMBERS, *_OR_UNKNOWN)
    return {
        "sounds": [{name: getattr(sound, name) for name in names} for sound in sounds]
    }


def parse_sounds(document: object) -> tuple[MountSound, ...]:
    """Read a report; raises Refused where it is none."""
    match document:
        case {"sounds": list(sounds), **rest} if not rest:
            return tuple(_sound(sound) for sound in sounds)
        case _:
            raise Refused("a report of an ear has its sounds and nothing else")


def _sound(fields: object) -> MountSound:
    if not isinstance(fields, Mapping):
        raise Refused("a sound is a JSON object")
    read: dict[str, object] = {}
    kinds: Sequence[tuple[Sequence[str], Callable[[object], bool], str]] = (
        (_TEXTS, lambda value: isinstance(value, str), "a text"),
        (_FLAGS, lambda value: isinstance(value, bool), "true or false"),
        (_COUNTS, _is_count, "a whole number"),
        (_NUMBERS, _is_number, "a number"),
        (_OR_UNKNOWN, lambda v: v is None or _is_number(v), "a number or null"),
    )
    for names, fits, what in kinds:
        for name in names:
            read[name] = fields.get(name)
            if name not in fields or not fits(read[name]):
                raise Refused(f"a sound's {name} is {what}")
    if surplus := fields.keys() - read.keys():
        raise Refused(f"a sound has no {', '.join(sorted(map(str, surplus)))}")
    return MountSound(**{**read, "path": MountPath(str(read["path"]))})  # type: ignore[arg-type]


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
