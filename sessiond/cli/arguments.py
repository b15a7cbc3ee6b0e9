"""What stands after a command: names checked before anything is asked, shared flags."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from sessiond.core import namerules as rules
from sessiond.core.mistakes import TextRule, shown
from sessiond.units import Decibels

_Command = TypeVar("_Command", bound=Callable[..., Any])


class Name(click.ParamType[str]):
    """A text that keeps one of the file formats' rules."""

    def __init__(self, name: str, rule: TextRule) -> None:
        self.name = name
        self._rule = rule

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Return the text as it is, or fail with the nearest right one."""
        if not self._rule.accepts(value):
            guess = self._rule.suggestion(value)
            did_you = f" (did you mean {guess}?)" if guess else ""
            self.fail(f"{shown(value)} must be {self._rule.must}{did_you}", param, ctx)
        return value


class Fader(click.ParamType[Decibels]):
    """A gain in decibels."""

    name = "DB"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> Decibels:
        """Return the number, or fail with what is allowed."""
        try:
            gain = float(value)
        except ValueError:
            gain = float("nan")
        if not rules.is_gain(gain):
            self.fail(f"{shown(value)} must be {rules.GAIN_MUST}", param, ctx)
        return Decibels(gain)


def is_label(text: str) -> bool:
    """Tell whether a person may be called so; every host's name is one, too."""
    return bool(text.strip()) and bool(rules.FREE_TEXT.accepts(text))


SESSION: Final = Name("NAME", rules.SESSION_NAME)
HOST: Final = Name("HOST", rules.HOST_NAME)
PERSON: Final = Name(
    "WHO", TextRule(accepts=is_label, must=f"{rules.FREE_TEXT.must}, and not empty")
)
MOUNT: Final = Name("MOUNT", rules.MOUNT_PATH)
FILE: Final = click.Path(path_type=Path)
DECIBELS: Final = Fader()

# A wait of more than an hour is a mistake in the unit.
SECONDS: Final = click.FloatRange(min=0, max=3600)


def json_flag(command: _Command) -> _Command:
    """Give a command the flag that every reading command has."""
    return click.option(
        "--json",
        "as_json",
        is_flag=True,
        help="Print one JSON document instead of tables.",
    )(command)


def example(*lines: str) -> str:
    """Return the end of a command's help, its lines kept as they are."""
    shown_lines = "\n".join(f"  {line}" for line in lines)
    return f"\b\nExample:\n{shown_lines}"
