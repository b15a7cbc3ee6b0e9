"""Which line of a TOML text holds which key: what tomllib leaves out.

The text is walked once, after tomllib has accepted it; so nothing here judges
syntax, and only headers, keys and the elements of arrays are followed.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from sessiond.core.mistakes import Place

_TOKEN: Final = re.compile(
    r"""
    (?P<text>\"{3}(?:[^\\]|\\.)*?\"{3,5} | '{3}.*?'{3,5}
           | \"(?:[^\"\\\n]|\\.)*\" | '[^'\n]*')
  | (?P<comment>\#[^\n]*)
  | (?P<newline>\n)
  | (?P<mark>[\[\]{},=.])
  | (?P<bare>[^\s\[\]{},=.\#"']+)
    """,
    re.VERBOSE | re.DOTALL,
)
_NEWLINE: Final = "\n"


@dataclass(frozen=True, slots=True)
class _Token:
    word: str
    line: int


def _tokens(text: str) -> Iterator[_Token]:
    line, seen = 1, 0
    for match in _TOKEN.finditer(text):
        line += text.count(_NEWLINE, seen, match.start())
        seen = match.start()
        if match.lastgroup != "comment":
            yield _Token(match.group(), line)


def _plain(word: str) -> str:
    """Return a key as tomllib names it: without quotes and escapes."""
    if word[0] in "\"'":
        return str(tomllib.loads(f"key = {word}")["key"])
    return word


class _Walk:
    """One pass over the tokens; fills `lines`."""

    def __init__(self, text: str) -> None:
        self.lines: dict[Place, int] = {}
        self._tokens = list(_tokens(text))
        self._next = 0
        self._last_index: dict[Place, int] = {}

    def run(self) -> None:
        table: Place = ()
        while (word := self._peek()) is not None:
            if word == _NEWLINE:
                self._next += 1
            elif word == "[":
                table = self._header()
            else:
                self._pair(table)

    def _peek(self) -> str | None:
        if self._next < len(self._tokens):
            return self._tokens[self._next].word
        return None

    def _skip(self, *words: str) -> int:
        """Pass over these marks, however many; return how many they were."""
        start = self._next
        while self._peek() in words:
            self._next += 1
        return self._next - start

    def _header(self) -> Place:
        line = self._tokens[self._next].line
        in_array = self._skip("[") == 2
        place: Place = ()
        for key in self._dotted("]"):
            place = (*place, key)
            if place in self._last_index and (in_array is False or self._peek_more()):
                place = (*place, self._last_index[place])
        self._skip("]")
        if in_array:
            index = self._last_index.get(place, -1) + 1
            self._last_index[place] = index
            self.lines.setdefault(place, line)
            place = (*place, index)
        self.lines.setdefault(place, line)
        return place

    def _peek_more(self) -> bool:
        return self._peek() != "]"

    def _dotted(self, end: str) -> Iterator[str]:
        """Yield the parts of a dotted key up to `end`, which stays unread."""
        while (word := self._peek()) is not None and word != end:
            self._next += 1
            if self._peek() == ".":
                self._next += 1
            yield _plain(word)

    def _pair(self, table: Place) -> None:
        line = self._tokens[self._next].line
        place = table
        for key in self._dotted("="):
            place = (*place, key)
            self.lines.setdefault(place, line)
        self._skip("=")
        self._value(place)

    def _value(self, place: Place) -> None:
        match self._peek():
            case "[":
                self._next += 1
                self._array(place)
            case "{":
                self._next += 1
                self._inline_table(place)
            case _:
                self._scalar()

    def _array(self, place: Place) -> None:
        index = 0
        self._skip(_NEWLINE)
        while self._peek() not in ("]", None):
            self.lines[*place, index] = self._tokens[self._next].line
            self._value((*place, index))
            self._skip(_NEWLINE, ",")
            index += 1
        self._next += 1

    def _inline_table(self, place: Place) -> None:
        while self._peek() not in ("}", None):
            self._pair(place)
            self._skip(",")
        self._next += 1

    def _scalar(self) -> None:
        while self._peek() not in (",", "]", "}", _NEWLINE, None):
            self._next += 1


def lines_of(text: str) -> Mapping[Place, int]:
    """Return the line, from 1, of every table, key and array element of valid TOML."""
    walk = _Walk(text.replace("\r\n", _NEWLINE))
    walk.run()
    return walk.lines


def nearest_line(lines: Mapping[Place, int], place: Place) -> int:
    """Return the line of this place, else of what encloses it; 1 for the whole file."""
    for length in range(len(place), 0, -1):
        if place[:length] in lines:
            return lines[place[:length]]
    return 1
