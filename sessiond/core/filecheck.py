"""Reading a TOML file so that all its mistakes come out at once.

A `Table` is asked for each key that it may have, with what is allowed there. It
answers with a usable value always, notes every mistake with its line, and at the
end knows the keys that nobody asked for. `checked_file` raises them all together.
"""

import re
import tomllib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeVar

from sessiond.core.mistakes import (
    BadFile,
    Mistake,
    Place,
    TextRule,
    listed,
    nearest,
    nearest_number,
    shown,
    span,
    where_text,
)
from sessiond.core.tomllines import lines_of, nearest_line

_Name = TypeVar("_Name", bound=StrEnum)
_Read = TypeVar("_Read")

# A session of a hundred hosts is under 20 KiB; more is some other file.
LONGEST_FILE: Final = 256 * 1024

_AT_LINE: Final = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


@dataclass(slots=True)
class _Report:
    lines: Mapping[Place, int]
    mistakes: list[Mistake] = field(default_factory=list)
    tables: list["Table"] = field(default_factory=list)

    def add(self, place: Place, where: Place, reason: str, suggestion: str) -> None:
        line = nearest_line(self.lines, place)
        self.mistakes.append(
            Mistake(
                line=line, where=where_text(where), reason=reason, suggestion=suggestion
            )
        )


class Table:
    """One table of the file; every key asked for is a key that it may have."""

    def __init__(
        self, keys: Mapping[str, object], place: Place, report: _Report
    ) -> None:
        self._keys = keys
        self._place = place
        self._report = report
        self._asked: list[str] = []
        report.tables.append(self)

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def wrong(
        self,
        key: str | None,
        reason: str,
        suggestion: str = "",
        *,
        item: str | int | None = None,
    ) -> None:
        """Note a mistake at this key or one item of its value; None: at the table."""
        where = self._place if key is None else (*self._place, key)
        place = where if item is None else (*where, item)
        self._report.add(place, where, reason, suggestion)

    def unasked(self) -> None:
        """Note every key that nobody asked for, once all have been."""
        for key in self._keys:
            if key not in self._asked:
                absent = [known for known in self._asked if known not in self._keys]
                known = nearest(key, absent) or nearest(key, self._asked)
                self.wrong(key, "there is no such key here", known)

    def text(self, key: str, default: str | None, rule: TextRule) -> str:
        """Return a text that keeps the rule; `default` None makes the key required."""
        value = self._asked_for(key)
        if value is None:
            if default is None:
                self.wrong(key, f"it is missing; it must be {rule.must}")
            return default or ""
        if not isinstance(value, str):
            guess = str(value)
            fits = not isinstance(value, bool | list | dict) and rule.accepts(guess)
            self._unfit(key, value, rule.must, shown(guess) if fits else "")
            return default or ""
        if not rule.accepts(value):
            self._unfit(key, value, rule.must, rule.suggestion(value))
            return default or ""
        return value

    def choice(
        self,
        key: str,
        default: _Name,
        also: Mapping[str, _Name] | None = None,
    ) -> _Name:
        """Return one of the names of `default`'s type; `also` holds accepted others."""
        names = {str(name): name for name in type(default)}
        words = {**names, **(also or {})}
        value = self._asked_for(key)
        if value is None:
            return default
        if isinstance(value, str) and value in words:
            return words[value]
        near = nearest(value, names) if isinstance(value, str) else ""
        self._unfit(key, value, listed([shown(n) for n in names]), near and shown(near))
        return default

    def flag(self, key: str, *, default: bool) -> bool:
        """Return true or false."""
        value = self._asked_for(key)
        if value is None or isinstance(value, bool):
            return default if value is None else value
        guess = {"true": "true", "false": "false", "1": "true", "0": "false"}
        self._unfit(key, value, "true or false", guess.get(str(value).casefold(), ""))
        return default

    def whole(
        self, key: str, default: int, allowed: Sequence[int], must: str = ""
    ) -> int:
        """Return a whole number that is one of those allowed."""
        value = self._asked_for(key)
        if value is None:
            return default
        if isinstance(value, int) and not isinstance(value, bool) and value in allowed:
            return value
        must = must or span(allowed)
        self._unfit(key, value, must, nearest_number(value, allowed))
        return default

    def number(
        self, key: str, default: float, accepts: Callable[[float], object], must: str
    ) -> float:
        """Return a number, whole or not, that `accepts` finds right."""
        value = self._asked_for(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float):
            self._unfit(key, value, must, "")
            return default
        if not accepts(value):
            self._unfit(key, value, must, "")
            return default
        return float(value)

    def texts(
        self, key: str, default: Sequence[str] | None, rule: TextRule
    ) -> tuple[tuple[int, str], ...]:
        """Return the right texts of a list with their indices, each noted only once."""
        value = self._asked_for(key)
        if value is None:
            if default is None:
                self.wrong(key, f"it is missing; it must be {_a_list(rule)}")
            return tuple(enumerate(default or ()))
        if not isinstance(value, list):
            guess = f"[{shown(value)}]" if isinstance(value, str) else ""
            self._unfit(key, value, _a_list(rule), guess)
            return ()
        kept: list[tuple[int, str]] = []
        for index, item in enumerate(value):
            if not isinstance(item, str) or not rule.accepts(item):
                guess = rule.suggestion(item) if isinstance(item, str) else ""
                reason = f"{shown(item)} must be {rule.must}"
                self.wrong(key, reason, guess, item=index)
            elif any(item == text for _, text in kept):
                self.wrong(key, f"{shown(item)} is there twice", item=index)
            else:
                kept.append((index, item))
        return tuple(kept)

    def some_of(
        self, key: str, default: Sequence[str], known: Collection[str], what: str
    ) -> tuple[str, ...]:
        """Return a list whose texts are all among the known ones."""
        any_text = TextRule(accepts=lambda _: True, must=what)
        kept = []
        for index, text in self.texts(key, default, any_text):
            if text in known:
                kept.append(text)
            else:
                near = nearest(text, known)
                reason = f"{shown(text)} is not {what}"
                self.wrong(key, reason, near and shown(near), item=index)
        return tuple(kept)

    def table(self, key: str) -> "Table":
        """Return the table of that name; an empty one when it is left out."""
        value = self._asked_for(key)
        if not isinstance(value, dict):
            if value is not None:
                self._unfit(key, value, "a table", f"[{key}]")
            value = {}
        return Table(value, (*self._place, key), self._report)

    def tables(self, key: str) -> tuple["Table", ...]:
        """Return the tables of an array of tables, in the file's order."""
        value = self._asked_for(key)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(v, dict) for v in value):
            self._unfit(key, value, "an array of tables", f"[[{key}]]")
            return ()
        place = (*self._place, key)
        return tuple(
            Table(keys, (*place, index), self._report)
            for index, keys in enumerate(value)
        )

    def is_empty(self, key: str) -> bool:
        """Tell whether the file has an empty list there."""
        return self._keys.get(key) == []

    def forbidden(self, key: str, reason: str) -> None:
        """Note a mistake if the file has this key."""
        if self._asked_for(key) is not None:
            self.wrong(key, reason)

    def own_keys(self) -> tuple[str, ...]:
        """Return the keys that the file has here, for a table with keys of its own."""
        self._asked.extend(self._keys)
        return tuple(self._keys)

    def _asked_for(self, key: str) -> object:
        self._asked.append(key)
        return self._keys.get(key)

    def _unfit(self, key: str, value: object, must: str, suggestion: str) -> None:
        self.wrong(key, f"{shown(value)} must be {must}", suggestion)


def _a_list(rule: TextRule) -> str:
    return f"a list, each item {rule.must}"


def checked_file(title: str, text: str, read: Callable[[Table], _Read]) -> _Read:
    """Return what `read` makes of the file's root table, once it asked for all keys.

    Raises:
        BadFile: With every mistake found, or with the first one in the syntax.
    """
    if len(text) > LONGEST_FILE:
        raise _bad_as_a_whole(title, f"it is longer than {LONGEST_FILE // 1024} KiB")
    try:
        keys = tomllib.loads(text)
        lines = lines_of(text)
    except RecursionError as e:
        raise _bad_as_a_whole(title, "its brackets are nested too deeply") from e
    except ValueError as e:  # TOMLDecodeError, or a number of thousands of digits
        raise BadFile(title, [_syntax_mistake(str(e), text)]) from e
    report = _Report(lines)
    result = read(Table(keys, (), report))
    for table in report.tables:
        table.unasked()
    if report.mistakes:
        raise BadFile(title, report.mistakes)
    return result


def _bad_as_a_whole(title: str, reason: str) -> BadFile:
    return BadFile(title, [Mistake(line=1, where="", reason=reason)])


def _syntax_mistake(complaint: str, text: str) -> Mistake:
    at = _AT_LINE.search(complaint)
    if at is None:
        return Mistake(line=1, where="", reason=f"this is no TOML: {complaint}")
    line = int(at.group(1) or text.rstrip().count("\n") + 1)
    said = complaint[: at.start()]
    return Mistake(line=line, where="", reason=f"this is no TOML: {said}")
