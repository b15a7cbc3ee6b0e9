"""A mistake in a file, how it is worded, and what a text must look like.

Nothing here reads a file: `filecheck` does, and notes what it finds as `Mistake`.
"""

import difflib
import json
import math
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sessiond.errors import Refused

Place = tuple[str | int, ...]
"""Where a value lies: keys, and indices (from 0) inside arrays."""

# As much of a wrong value as tells it apart without filling the terminal.
_SHOWN: Final = 48

# The end of a longer range, a port say, is no guess at what was meant.
_WORTH_GUESSING: Final = 1000

# Control and format characters, halves of pairs, breaks of lines and paragraphs
# (Unicode's general categories).
_UNPRINTABLE: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_LAST_OF_FOUR_DIGITS: Final = 0xFFFF

_MARK: Final = "\N{REPLACEMENT CHARACTER}"

_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """One thing to put right in a file.

    Attributes:
        line: From 1.
        where: The key, with its table: ``links.channels``; empty for bad syntax.
        reason: What is wrong, as the rest of a sentence about `where`.
        suggestion: The nearest thing that would be right; may be empty.
    """

    line: int
    where: str
    reason: str
    suggestion: str = ""

    def __str__(self) -> str:
        """The mistake as one line for a person, without the file's name."""
        place = f"{self.where}: " if self.where else ""
        cure = f" (did you mean {self.suggestion}?)" if self.suggestion else ""
        return f"line {self.line}: {place}{self.reason}{cure}"


class BadFile(Refused):
    """A file has mistakes: the sentence counts them, the hint lists them."""

    def __init__(self, title: str, mistakes: Iterable[Mistake]) -> None:
        self.title = title
        self.mistakes = tuple(sorted(mistakes, key=lambda m: (m.line, m.where)))
        count = len(self.mistakes)
        many = "one mistake" if count == 1 else f"{count} mistakes"
        super().__init__(f"The {title} has {many}.", "\n".join(map(str, self.mistakes)))


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRule:
    """What a text must look like.

    Attributes:
        accepts: Judges the text as it is written.
        must: Completes "it must be …".
        repair: Turns a wrong text into a guess; offered only when it is accepted.
    """

    accepts: Callable[[str], object]
    must: str
    repair: Callable[[str], str] | None = None

    def suggestion(self, text: str) -> str:
        """Return the nearest right text, quoted, or an empty string."""
        guess = self.repair(text) if self.repair else ""
        return shown(guess) if guess and self.accepts(guess) else ""


def shown(value: object) -> str:
    """Return a value on one line, quoted like TOML and cut when it is long."""
    match value:
        case bool() | str():
            text = json.dumps(value, ensure_ascii=False)
        case Mapping():
            text = "a table"
        case list():
            text = "a list"
        case _:
            text = str(value)
    text = escaped(text)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def is_printable(text: str) -> bool:
    """Tell whether all of a text is seen, on one line and in the order it is written.

    Among what is not are the format characters (Cf): without width, or turning the
    direction of others, they make one name look like another.
    """
    return not any(unicodedata.category(c) in _UNPRINTABLE for c in text)


def escaped(text: str) -> str:
    """Return a text with TOML's escapes for what can't be printed."""
    return text if is_printable(text) else "".join(map(_escape, text))


def _escape(character: str) -> str:
    if is_printable(character):
        return character
    code = ord(character)
    return f"\\u{code:04X}" if code <= _LAST_OF_FOUR_DIGITS else f"\\U{code:08X}"


def visible(text: str) -> str:
    """Return a text for a terminal: what would steer it is a mark, lines stay lines."""
    if is_printable(text):
        return text
    return "".join(c if c == "\n" or is_printable(c) else _MARK for c in text)


def nearest(word: str, words: Iterable[str]) -> str:
    """Return the valid word most like this one, or an empty string."""
    by_folded = {valid.casefold(): valid for valid in words}
    found = difflib.get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[found[0]] if found else ""


def listed(words: Collection[str], *, last: str = "or") -> str:
    """Return ``a, b or c``."""
    *rest, end = words
    return f"{', '.join(rest)} {last} {end}" if rest else end


def where_text(place: Place) -> str:
    """Return a place as a person reads it: ``links.channels``, ``[[mount]] 2 path``."""
    text = ""
    for step, following in zip(place, (*place[1:], None), strict=True):
        if isinstance(step, int):
            text += f" {step + 1}"
            continue
        key = step if _BARE_KEY.fullmatch(step) else shown(step)
        joint = "" if not text else " " if text[-1].isdigit() else "."
        text += joint + (f"[[{key}]]" if isinstance(following, int) else key)
    return text


def span(allowed: Sequence[int]) -> str:
    """Return what a whole number must be to be one of those allowed."""
    if isinstance(allowed, range) and allowed.step == 1:
        return f"a whole number from {allowed[0]} to {allowed[-1]}"
    return listed([str(number) for number in allowed])


def nearest_number(value: object, allowed: Sequence[int]) -> str:
    """Return the allowed number next to a wrong value, or an empty string."""
    try:
        wanted = float(value) if isinstance(value, int | float | str) else None
    except (ValueError, OverflowError):
        return ""
    if wanted is None or isinstance(value, bool) or math.isnan(wanted):
        return ""
    if len(allowed) > _WORTH_GUESSING:
        return ""
    return str(min(allowed, key=lambda number: abs(number - wanted)))
