"""What Icecast's admin pages answer, as values; `IcecastDoor` asks them.

Icecast says what came of a call in its text, not in its status line: 2.4 has a 200
with ``<return>0</return>`` for some refusals and a 400 with an HTML page for others.
Source: Icecast 2.4.4, ``admin.c``; every sentence below was seen from it.
"""

import html
import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


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


# What a page that Icecast or a proxy before it refuses looks like.
_DENIALS: Final = frozenset({401, 403, 404, 405})

_OUTCOMES: Final = (
    ("Source does not exist", AdminOutcome.NO_SOURCE),
    # A source that is just connecting, or just going.
    ("Source is not available", AdminOutcome.NO_SOURCE),
    ("No such destination", AdminOutcome.NO_DESTINATION),
    ("Destination not running", AdminOutcome.NO_DESTINATION),
    # A destination without a source stands for its own fallback.
    ("mountpoints are identical", AdminOutcome.NO_DESTINATION),
    # Icecast 2.4 has no ``<return>`` for this success.
    ("Fallback configured", AdminOutcome.DONE),
)

# ``<return>0</return>`` also stands in error pages; only this says it was done.
_RETURN: Final = re.compile(r"<return>\s*1\s*</return>")
_MESSAGE: Final = re.compile(
    r"<message>(.*?)</message>|<b>(.*?)</b>|<p>(.*?)</p>", re.DOTALL
)

# A sentence of Icecast's own is shorter; a proxy's page may be any length.
_WORDS: Final = 200


def parse_answer(status: int, text: str) -> AdminAnswer:
    """Return what an admin call came to.

    Args:
        status: Of HTTP; alone it only tells a denial.
        text: The page, XML or HTML, whatever it is.
    """
    words = _words(text)
    if status in _DENIALS:
        return AdminAnswer(outcome=AdminOutcome.DENIED, words=words)
    for sentence, outcome in _OUTCOMES:
        if sentence in words:
            return AdminAnswer(outcome=outcome, words=words)
    done = status == 200 and _RETURN.search(text) is not None
    return AdminAnswer(
        outcome=AdminOutcome.DONE if done else AdminOutcome.REFUSED, words=words
    )


def _words(text: str) -> str:
    found = _MESSAGE.search(text)
    words = next((part for part in found.groups() if part), "") if found else text
    return " ".join(html.unescape(words).split())[:_WORDS]


def parse_listeners(text: str) -> int | None:
    """Return how many listeners a ``listclients`` page counts; None: it is no such.

    Whoever Icecast is just moving to the mount counts already.
    """
    try:
        # Icecast's own page, from the station that the session names.
        count = ET.fromstring(text).findtext("source/Listeners")  # noqa: S314
        return int(count or "")
    except (ET.ParseError, ValueError):
        return None
