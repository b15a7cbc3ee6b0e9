"""Whether a document that somebody sent could be a leader's.

The border (`wire.bounds`) knows single values; here they have to fit together. A plan
is made of a document as it is: numbers that no session file could say would become
argument lists, port names without end and processes of one name.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from sessiond.core import namerules as rules
from sessiond.core.amend import checked
from sessiond.core.election import DocumentOffer, Message
from sessiond.core.roles import PERSONAL
from sessiond.core.specfile import MOST_HOSTS
from sessiond.core.stamped import LinkPort, StampedSpec
from sessiond.core.titles import sound_titles
from sessiond.core.topology import FIRST_PORT, LAST_PORT
from sessiond.errors import Refused
from sessiond.units import HostName

# The hosts that a session may have, and as many that are about to leave it.
MOST_MEMBERS: Final = 2 * MOST_HOSTS


def require_sound_offers(messages: Iterable[Message], session: str) -> None:
    """Let messages pass whose documents a leader of this session could have stamped.

    Raises:
        Refused: As `require_sound`, or a document is another session's.
    """
    for message in messages:
        if not isinstance(message, DocumentOffer):
            continue
        require_sound(message.document)
        of = message.document.spec.name
        if of != session:
            raise Refused(f"The document is of {of}, not of {session}.")


def require_no_revival(
    messages: Iterable[Message], known: StampedSpec | None, me: HostName
) -> None:
    """Let messages pass that don't change what is over for a host.

    Its owner agreed to that session; another of its name, or coming back after a
    removal, is for the owner to say once more. What goes on without the host is none
    of its business either: it would say whom the host trusts.

    Args:
        messages: From who was a member with this host, and is perhaps none any more.
        known: The session's document as this host has it; None before it has one.
        me: This host.

    Raises:
        Refused: One offers a session that goes on, and not just what is known.
    """
    if known is None or (known.member(me) is not None and not known.stopped):
        return
    offers = (m.document for m in messages if isinstance(m, DocumentOffer))
    if any(not doc.stopped and doc != known for doc in offers):
        raise Refused(
            f"{me} takes part in {known.spec.name} no more.",
            "Its owner can join again with a link of `sessiond invite`.",
        )


def require_sound(document: StampedSpec) -> None:
    """Let a document pass that a leader could have stamped.

    Raises:
        Refused: No leader stamps this; the hint lists what is wrong with it.
    """
    checked(document.spec)
    if faults := tuple(_faults(document)):
        raise Refused(
            f"The document of {document.spec.name} is none of a leader's.",
            "\n".join(faults[:MOST_HOSTS]),
        )


def _faults(document: StampedSpec) -> Iterator[str]:
    names = [member.name for member in document.members]
    if len(names) > MOST_MEMBERS:
        yield f"It has more than {MOST_MEMBERS} members."
    if len(set(names)) < len(names):
        yield "Two of its members have one name."
    for member in document.members:
        if member.address is not None and not rules.ADDRESS.accepts(member.address):
            yield f"{member.name} has the address {member.address!r}."
    yield from _people_faults(document)
    yield from _link_faults(document.links)
    yield from _air_faults(document)


def _air_faults(document: StampedSpec) -> Iterator[str]:
    if document.titles != sound_titles(document.titles, document.spec):
        yield "One of its titles is none, or is of no mount."
    station = document.station
    if station is None:
        return
    if not rules.INTERNET_HOST.accepts(station.address):
        yield f"Its station has the address {station.address[:48]!r}."
    if not 0 < station.port < 65536:
        yield f"Its station has the port {station.port}."


def _people_faults(document: StampedSpec) -> Iterator[str]:
    ids = [m.id for m in document.members if m.id is not None]
    if len(set(ids)) < len(ids):
        yield "Two of its members have one id."
    people = document.people
    if len({p.label for p in people}) < len(people):
        yield "Two of its people have one name."
    if len({p.id for p in people}) < len(people):
        yield "Two of its people have one id."
    if not {p.id for p in people}.isdisjoint(ids):
        yield "One of its people has a member's id."
    for person in people:
        if not person.label or not rules.FREE_TEXT.accepts(person.label):
            yield f"Somebody in it is called {person.label[:48]!r}."
        if person.role not in PERSONAL:
            yield f"{person.label[:48]!r} has the role {person.role}."


def _link_faults(links: tuple[LinkPort, ...]) -> Iterator[str]:
    if len({(link.a, link.b) for link in links}) < len(links):
        yield "Two of its links join the same hosts."
    for link in links:
        if link.a >= link.b or link.peer_of(link.server) is None:
            yield f"Its link of {link.a} and {link.b} has {link.server} as server."
        if not FIRST_PORT <= link.udp_port <= LAST_PORT:
            yield f"Its link of {link.a} and {link.b} has the port {link.udp_port}."
