"""Who holds a mount: what a source says of itself in its ``ice-description``.

Apart from the election, which reads it, so that a source process need not load an
elector to say it.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sessiond.units import HostName, SessionName, Term


class Role(StrEnum):
    """By which right a host feeds the mounts; ``standby`` is the right to none.

    A standby feeds the hidden mounts only (decision 18).
    """

    LEADER = "leader"
    CARETAKER = "caretaker"
    STANDBY = "standby"


@dataclass(frozen=True, slots=True, kw_only=True)
class HolderLabel:
    """What a source says of itself in ``ice-description``; the term is the PUT's."""

    session: SessionName
    host: HostName
    term: Term
    role: Role


_LABEL: Final = re.compile(
    r"\[session=(?P<session>[a-z0-9][a-z0-9-]{0,47})"
    r" term=(?P<term>[0-9]{1,18})"
    r" host=(?P<host>[a-z0-9][a-z0-9-]{0,31})"
    r" role=(?P<role>leader|caretaker|standby)\]\s*\Z",
    re.ASCII,
)


def describe(description: str, label: HolderLabel) -> str:
    """Return the ``ice-description``: the operator's text, then the label."""
    tag = (
        f"[session={label.session} term={label.term} host={label.host} "
        f"role={label.role.value}]"
    )
    return f"{description} {tag}".strip()


def parse_label(description: str) -> HolderLabel | None:
    """Return the label at the end of a mount's description; None if there is none.

    Brackets, and even labels, inside the operator's own text are not mistaken for
    it: only what stands at the very end counts.
    """
    found = _LABEL.search(description)
    if found is None:
        return None
    return HolderLabel(
        session=SessionName(found["session"]),
        term=Term(int(found["term"])),
        host=HostName(found["host"]),
        role=Role(found["role"]),
    )
