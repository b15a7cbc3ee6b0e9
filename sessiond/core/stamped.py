"""The one small document that every member keeps: a spec and what a leader added.

Only a leader (or a caretaker) stamps; everybody else stores what is newer than
what they have. Order is `Stamp`'s order.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Self

from sessiond.core.roles import Role
from sessiond.core.spec import SessionSpec
from sessiond.units import (
    Address,
    Certificate,
    HostId,
    HostName,
    JoinMark,
    MountPath,
    Term,
    TokenId,
    UdpPort,
)

# Each costs every member some 700 bytes of the document; a band's crew is a few.
MOST_PEOPLE: Final = 64
# Joins while an invitation lives, a quarter of an hour, and for an hour after it.
MOST_USED: Final = 64

_STAMP: Final = re.compile(r"([0-9]+)\.([0-9]+)(?:\+([0-9]+))?")


@dataclass(frozen=True, slots=True, order=True)
class Stamp:
    """The version of a session's document; ordered field by field.

    ``edit`` counts what a caretaker stamped without a majority, so that any newer
    leader's stamp beats it.
    """

    term: Term
    revision: int
    edit: int = 0

    def __str__(self) -> str:
        """``TERM.REVISION``, with ``+EDIT`` when a caretaker edited it."""
        return f"{self.term}.{self.revision}" + (f"+{self.edit}" if self.edit else "")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `__str__` wrote.

        Raises:
            ValueError: It is anything else.
        """
        found = _STAMP.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} is no stamp")
        term, revision, edit = found.groups("0")
        return cls(Term(int(term)), int(revision), int(edit))


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A host of the session.

    Attributes:
        id: Whose place this is; None until a host of that name has joined.
        address: Where it was last heard, or the operator's word for it.
        certificate: Proves the id; every connection is checked against it.
    """

    name: HostName
    id: HostId | None = None
    address: Address | None = None
    reachable: bool = True
    certificate: Certificate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who may look on or operate from a computer of their own.

    Attributes:
        label: What `sessiond remove` calls them; one a session.
        role: OPERATOR or VIEWER; any other gives no right at all.
    """

    label: str
    id: HostId
    certificate: Certificate
    role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkPort:
    """A link's UDP port on both hosts, and which of the two is JackTrip's server.

    ``a < b`` by name; ``server`` is one of them.
    """

    a: HostName
    b: HostName
    udp_port: UdpPort
    server: HostName

    def peer_of(self, host: HostName) -> HostName | None:
        """Return the other end as seen from `host`, or None if it is no end."""
        return {self.a: self.b, self.b: self.a}.get(host)


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """Where Icecast answers; `host` names the member that runs it when embedded."""

    address: str
    port: int
    tls: bool = False
    host: HostName | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StampedSpec:
    """A spec with its stamp and what the leader settled for it.

    Attributes:
        members: One a host of the spec, in the spec's order.
        links: One a linked pair; stays as long as the link does.
        stopped: True once the operator stopped the session.
        voters: Who elects the leader, at most seven, best rank first; the election
            settles them, one change a stamp. Only a member with an id votes.
        people: Who belongs besides the members.
        used: Tokens that somebody joined with, until they have expired everywhere.
        join_mark: Which join secret invitations are made of now (`joining.join_mark`);
            older ones are void. None where nobody has made one yet.
        titles: What listeners see, on the mounts that have a title.
    """

    stamp: Stamp
    spec: SessionSpec
    members: tuple[Member, ...]
    links: tuple[LinkPort, ...] = ()
    station: Station | None = None
    stopped: bool = False
    voters: tuple[HostName, ...] = ()
    people: tuple[Person, ...] = ()
    used: tuple[TokenId, ...] = ()
    join_mark: JoinMark | None = None
    titles: Mapping[MountPath, str] = field(
        default_factory=lambda: MappingProxyType({})
    )

    def member(self, name: HostName) -> Member | None:
        """Return the member of that name, or None."""
        # Asked several times a step: a plain loop takes half as long as a generator.
        for member in self.members:
            if member.name == name:
                return member
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """Icecast's passwords, and what invitations are made of; never shown in a repr.

    They travel apart from the spec, to members that may broadcast.

    Attributes:
        mounts: A mount's own source password where it has one.
        join: The session's join secret: base64url of 32 random bytes; empty where
            none is known, and then nobody can be invited or let in. It is good while
            the document has its mark.
        station: Whose passwords these are: whatever a document says, they go to no
            other. None without mounts, and in what an operator hands over.
    """

    source: str = field(default="", repr=False)
    admin: str = field(default="", repr=False)
    relay: str = field(default="", repr=False)
    mounts: Mapping[MountPath, str] = field(
        default_factory=lambda: MappingProxyType({}), repr=False
    )
    join: str = field(default="", repr=False)
    station: Station | None = None

    def is_for(self, address: str, port: int, *, tls: bool) -> bool:
        """Tell whether these passwords are for the Icecast that answers there."""
        own = self.station
        return own is not None and (own.address, own.port, own.tls) == (
            address,
            port,
            tls,
        )

    def for_mount(self, path: MountPath) -> str:
        """Return the source password of this mount."""
        return self.mounts.get(path, self.source)
