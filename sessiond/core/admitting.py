"""Who comes in and who goes: a join written into the document, and its undoing.

Only what stamps calls these, on the newest document, so that two joins with one token
can't both be stamped. Whether the joiner knew the token's secret was checked before,
by the host that was asked (`proofs`, `joining`).
"""

from dataclasses import dataclass, replace
from typing import Final

from sessiond.core.amend import checked, without_host
from sessiond.core.joining import read_token_id
from sessiond.core.namerules import FREE_TEXT, HOST_NAME
from sessiond.core.roles import Role
from sessiond.core.spec import HostRef
from sessiond.core.stamped import MOST_PEOPLE, MOST_USED, Member, Person, StampedSpec
from sessiond.errors import Refused, Unavailable
from sessiond.units import Address, Certificate, HostId, HostName, Seconds, TokenId

CLOCKS_APART: Final = Seconds(3600.0)
"""How far apart the clocks of two hosts that stamp may be, and no token comes again."""

_INVITE: Final = "Ask for a new one with `sessiond invite`."


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What somebody who proved a token asks for.

    Attributes:
        role: What the token admits to, as its id says.
        name: A host's name, or a person's label.
        address: Where the host's agent listens; None for a person.
        reachable: Whether others can begin a link to the host.
        expires_at: The token's end, wall-clock seconds, as its id says.
    """

    role: Role
    name: str
    id: HostId
    certificate: Certificate
    token_id: TokenId
    expires_at: int
    address: Address | None = None
    reachable: bool = True


def admitted(document: StampedSpec, claim: Claim, now_wall: float) -> StampedSpec:
    """Return the document in which the claim is met, not yet stamped or settled.

    A host that the spec names and that never joined takes its place there; a host of
    another name is appended to the spec's. Whoever belongs already with that name only
    has address and role renewed. The same claim a second time changes nothing,
    because its answer may have been lost.

    Args:
        document: The newest one.
        claim: Its proof has been checked.
        now_wall: Wall-clock time, seconds since 1970.

    Raises:
        Refused: The session was stopped, the token is used or expired, name or key
            are known as another's, or the session is full.
        Unavailable: More joined lately than the document can remember.
    """
    if document.stopped:
        raise Refused(f"The session {document.spec.name} has been stopped.")
    if read_token_id(claim.token_id) != (claim.role, claim.expires_at):
        raise Refused("This invitation is not for what it is used for.", _INVITE)
    if claim.expires_at <= now_wall:
        raise Refused("This invitation has expired.", _INVITE)
    # It would be remembered for as long, and keep others out.
    if claim.expires_at > now_wall + CLOCKS_APART:
        raise Refused(
            "This invitation lasts longer than any does.",
            "Compare the clocks of the session's hosts: `sessiond doctor`.",
        )
    _require_known_certificate(document, claim)
    place = _as_host if claim.role is Role.HOST else _as_person
    if claim.token_id in document.used:
        return _once_more(document, claim)
    # What is forgotten has expired by the clock of whoever stamps next, too.
    since = now_wall - CLOCKS_APART
    lately = tuple(t for t in document.used if read_token_id(t)[1] > since)
    if len(lately) >= MOST_USED:
        raise Unavailable(
            f"{MOST_USED} have joined {document.spec.name} just now.",
            "Try again in an hour.",
        )
    return replace(place(document, claim), used=(*lately, claim.token_id))


def _require_known_certificate(document: StampedSpec, claim: Claim) -> None:
    """Refuse a second certificate of a key: connections are pinned to the first."""
    everybody: tuple[Member | Person, ...] = (*document.members, *document.people)
    for known in everybody:
        shown = known.certificate
        if known.id == claim.id and shown not in (None, claim.certificate):
            raise Refused(
                f"The key of this one is known in {document.spec.name} by another "
                "certificate.",
                "Put key and certificate back as they were, or have it removed first.",
            )


def _once_more(document: StampedSpec, claim: Claim) -> StampedSpec:
    """Return the document as it is if it was this claim that used the token."""
    member = document.member(HostName(claim.name))
    is_host = member is not None and member.id == claim.id
    if claim.role is Role.HOST and is_host:
        return document
    if claim.role is not Role.HOST and _person(claim) in document.people:
        return document
    raise Refused("This invitation has been used already.", _INVITE)


def _as_host(document: StampedSpec, claim: Claim) -> StampedSpec:
    if not HOST_NAME.accepts(claim.name):
        raise Refused(f"A host's name must be {HOST_NAME.must}.")
    name = HostName(claim.name)
    _require_own_name(document, claim, name)
    spec = document.spec
    if name not in spec.host_names:
        spec = checked(replace(spec, hosts=(*spec.hosts, HostRef(name=name))))
    member = Member(
        name=name,
        id=claim.id,
        address=claim.address,
        reachable=claim.reachable,
        certificate=claim.certificate,
    )
    known = {**{m.name: m for m in document.members}, name: member}
    members = tuple(
        known.get(ref.name, Member(name=ref.name, address=ref.address))
        for ref in spec.hosts
    )
    return replace(document, spec=spec, members=members)


def _require_own_name(document: StampedSpec, claim: Claim, name: HostName) -> None:
    """Refuse a name that another has, and a second place for one key."""
    for person in document.people:
        if person.id == claim.id:
            raise Refused(
                f"This key is {person.label}'s in {document.spec.name}.",
                f"Run `sessiond remove {document.spec.name} {person.label}` first.",
            )
    for member in document.members:
        if member.name == name and member.id not in (None, claim.id):
            raise Refused(
                f"Another computer is {name} in {document.spec.name} already.",
                "Write another name into this one's agent.toml, restart its agent, and "
                "join again.",
            )
        if member.name != name and member.id == claim.id:
            raise Refused(
                f"This computer belongs to {document.spec.name} as {member.name}.",
                f"Run `sessiond remove {document.spec.name} {member.name}` first, or "
                "keep that name in agent.toml.",
            )


def _as_person(document: StampedSpec, claim: Claim) -> StampedSpec:
    if not claim.name or not FREE_TEXT.accepts(claim.name):
        raise Refused(f"A person's name must be {FREE_TEXT.must}, and not empty.")
    for member in document.members:
        if member.id == claim.id:
            raise Refused(
                f"{member.name}'s key is a host's of {document.spec.name}.",
                "A person joins with a key of their own.",
            )
    others = tuple(person for person in document.people if person.id != claim.id)
    if any(person.label == claim.name for person in others):
        raise Refused(
            f"Somebody else is {claim.name} in {document.spec.name} already.",
            "Join under another name.",
        )
    if len(others) >= MOST_PEOPLE:
        raise Refused(
            f"{document.spec.name} has {MOST_PEOPLE} people besides its hosts, and no "
            "room for more.",
            f"Take somebody out with `sessiond remove {document.spec.name} WHO`.",
        )
    return replace(document, people=(*others, _person(claim)))


def _person(claim: Claim) -> Person:
    return Person(
        label=claim.name, id=claim.id, certificate=claim.certificate, role=claim.role
    )


def without_member(document: StampedSpec, name: str) -> StampedSpec:
    """Return the document without a host, and without a person of that name.

    Both go where both are called so: whoever revokes means at least one of them. Their
    certificates are no longer in it; links and voters follow with `settle` and the
    election.

    Raises:
        Refused: Nobody is called so, or it is the last host.
    """
    people = tuple(person for person in document.people if person.label != name)
    host = HostName(name)
    if host not in document.spec.host_names:
        if people == document.people:
            labels = (p.label for p in document.people)
            known = ", ".join((*document.spec.host_names, *labels))
            raise Refused(
                f"Nobody called {name} is in {document.spec.name}.",
                f"In it are: {known}.",
            )
        return replace(document, people=people)
    if document.spec.host_names == (host,):
        raise Refused(
            f"{name} is the last host of {document.spec.name}.",
            f"End the session with `sessiond stop {document.spec.name}`.",
        )
    spec = checked(without_host(document.spec, host))
    members = tuple(member for member in document.members if member.name != host)
    return replace(document, spec=spec, members=members, people=people)
