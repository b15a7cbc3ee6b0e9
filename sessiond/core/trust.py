"""Whom a host trusts: the certificates of its session's document, each with a role."""

from dataclasses import dataclass

from sessiond.core.roles import ALLOWED, PERSONAL, Role, may_call
from sessiond.core.stamped import StampedSpec
from sessiond.units import Certificate, HostId, HostName

__all__ = [
    "ALLOWED",
    "PERSONAL",
    "Role",
    "Trusted",
    "may_call",
    "trusted_by",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trusted:
    """Somebody whose connections are accepted, and as what."""

    id: HostId
    certificate: Certificate
    role: Role


def trusted_by(document: StampedSpec | None, me: HostName) -> tuple[Trusted, ...]:
    """Return whom a host trusts for a session, the members first; each id once.

    What is over for the host leaves it the members, as hosts, for whoever was away has
    still to hear of it; people have no more to do there. A member that has not joined
    is nobody yet, a person with a role that no person can have is nobody at all, and
    whoever is a member is no person besides.

    Args:
        document: As stored; None: nobody is trusted.
        me: The host; it may have been taken out of the document.
    """
    if document is None:
        return ()
    is_over = document.stopped or document.member(me) is None
    taken = {member.id for member in document.members}
    members = (
        Trusted(id=member.id, certificate=member.certificate, role=Role.HOST)
        for member in document.members
        if member.id and member.certificate
    )
    people = (
        Trusted(id=person.id, certificate=person.certificate, role=person.role)
        for person in document.people
        if person.role in PERSONAL and person.id not in taken and not is_over
    )
    return (*members, *people)
