"""What Icecast's admin pages answer, as values; `IcecastDoor` asks them.

Icecast says what came of a call in its text, not in its status line: 2.4 has a 200
with ``<return>0</return>`` for some refusals and a 400 with an HTML page for others,
2.5 has 404 for a mount without a source. Source: ``admin.c`` of Icecast 2.4.4 (tried)
and ``errors.c`` of 2.5 (read).
"""

import html
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sessiond.units import MountPath


class AdminOutcome(StrEnum):
    """What became of an admin call."""

    DONE = "done"
    DENIED = "denied"
    NO_SOURCE = "no-source"
    NO_DESTINATION = "no-destination"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminAnswer:
    """An admin call's outcome and Icecast's own words."""

    outcome: AdminOutcome
    words: str


_OUTCOMES: Final = (
    ("Source does not exist", AdminOutcome.NO_SOURCE),
    # A source that is just connecting, or that a moment ago was killed.
    ("Source is not available", AdminOutcome.NO_SOURCE),
    ("No such destination", AdminOutcome.NO_DESTINATION),
    ("Destination not running", AdminOutcome.NO_DESTINATION),
    # A destination without a source stands for its own fallback.
    ("mountpoints are identical", AdminOutcome.NO_DESTINATION),
    # Icecast 2.4 has no ``<return>`` for this success.
    ("Fallback configured", AdminOutcome.DONE),
    ("<return>1</return>", AdminOutcome.DONE),
)

# What Icecast answers those without the right, and a proxy those outside.
_DENIALS: Final = frozenset({401, 403, 404, 405})

_MESSAGE: Final = re.compile(r"<(message|text|b|p)>(?P<words>.*?)</\1>", re.DOTALL)

# A sentence of Icecast's own is shorter; a proxy's page may be any length.
_WORDS: Final = 200

# Icecast copies such characters from a source's headers; XML can't carry them, and
# the only other references that it writes are to spaces.
_UNCARRIED: Final = re.compile("&#[0-9]+;|[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def parse_answer(status: int, text: str) -> AdminAnswer:
    """Return what an admin call came to.

    Args:
        status: Of HTTP; only tells a denial.
        text: The page, XML or HTML, whatever it is.
    """
    found = (outcome for sentence, outcome in _OUTCOMES if sentence in text)
    denied = AdminOutcome.DENIED if status in _DENIALS else AdminOutcome.REFUSED
    return AdminAnswer(outcome=next(found, denied), words=_words(text))


def _words(text: str) -> str:
    found = _MESSAGE.search(text)
    words = found["words"] if found else text
    return " ".join(html.unescape(words).split())[:_WORDS]


def parse_stats(text: str, path: MountPath) -> Mapping[str, str] | None:
    """Return what ``/admin/stats`` says of one source; empty when there is none.

    Its members are named as in ``status-json.xsl``. None: the page is no such.
    """
    try:
        # The page of the station that the session names; expat resolves nothing.
        root = ET.fromstring(_UNCARRIED.sub("", text))  # noqa: S314
    except ET.ParseError:
        return None
    if root.tag != "icestats":
        return None
    sources = (s for s in root.findall("source") if s.get("mount") == path)
    return {child.tag: child.text or "" for child in next(sources, ())}
