"""Whom a host trusts: the certificates of its session's document, each with a role."""

from collections.abc import Iterable
from dataclasses import dataclass

from sessiond.core.roles import ALLOWED, PERSONAL, Role, may_call
from sessiond.core.stamped import StampedSpec
from sessiond.units import Certificate, HostId

__all__ = [
    "ALLOWED",
    "PERSONAL",
    "Role",
    "Trusted",
    "may_call",
    "role_of",
    "trusted_by",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trusted:
    """Somebody whose connections are accepted, and as what."""

    id: HostId
    certificate: Certificate
    role: Role


def trusted_by(document: StampedSpec | None) -> tuple[Trusted, ...]:
    """Return whom the members of a session trust: the members first, then people.

    A stopped session's members go on trusting each other, for whoever was away has
    still to hear of the stop; people have no more to do there. A member that has not
    joined is nobody yet, and a person with a role that no person can have is nobody
    at all.
    """
    if document is None:
        return ()
    members = (
        Trusted(id=member.id, certificate=member.certificate, role=Role.HOST)
        for member in document.members
        if member.id and member.certificate
    )
    people = (
        Trusted(id=person.id, certificate=person.certificate, role=person.role)
        for person in document.people
        if person.role in PERSONAL and not document.stopped
    )
    return (*members, *people)


def role_of(trusted: Iterable[Trusted], caller: HostId) -> Role | None:
    """Return what a caller is; None for a stranger. The first of two roles holds."""
    return next((one.role for one in trusted if one.id == caller), None)
