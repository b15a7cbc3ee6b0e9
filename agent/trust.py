"""Whom this host trusts now: its session's document, and acquaintances of its studio.

An acquaintance is an agent that has proven to know the studio's secret. It may ask
this one into a session, and nothing that a member may; it is forgotten when it was
not heard for a while.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from agent.host import Host
from sessiond.core.roles import Role
from sessiond.core.stamped import Member, StampedSpec
from sessiond.core.trust import Trusted, trusted_by
from sessiond.errors import Refused
from sessiond.units import Certificate, HostId, HostName, Seconds
from sessiond.wire.identity import id_of

# Four hellos.
ACQUAINTED_FOR: Final = Seconds(60.0)
# As many agents as a roster holds.
MOST_ACQUAINTED: Final = 256
# Hosts that have just gone and still have to hear of it.
MOST_FORMER: Final = 32


@dataclass(frozen=True, slots=True)
class _Acquaintance:
    certificate: Certificate
    until: Seconds


class Trust:
    """As `sessiond.wire.guard.Trust`: what each call is measured by.

    Args:
        host: This host.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._document: StampedSpec | None = None
        self._belong: Mapping[HostId, Trusted] = {}
        self._met: dict[HostId, _Acquaintance] = {}
        self._former: dict[HostName, Member] = {}
        self._certificates: tuple[Certificate, ...] = ()
        self._told: tuple[Callable[[], None], ...] = ()

    def tell(self, *told: Callable[[], None]) -> None:
        """Have these called whenever somebody may have got or lost a right."""
        self._told = told

    def certificates(self) -> tuple[Certificate, ...]:
        """Return the certificates of everybody who may have a role; any thread."""
        return self._certificates

    def role_of(self, caller: HostId) -> Role | None:
        """Return what a caller is now; None for a stranger."""
        one, doc = self._belong.get(caller), self._document
        # What was a member of what is over may ask this host into another session.
        is_over = doc is None or doc.stopped or doc.member(self._host.name) is None
        if self.is_acquainted(caller) and (one is None or is_over):
            return Role.ACQUAINTANCE
        return one.role if one is not None else None

    def certificate_of(self, host: HostId | None) -> Certificate | None:
        """Return what a member or an acquaintance shows; None for anybody else."""
        if host is None:
            return None
        one = self._belong.get(host)
        if one is not None:
            return one.certificate if one.role is Role.HOST else None
        return self._met[host].certificate if self.is_acquainted(host) else None

    def member(self, name: HostName) -> Member | None:
        """Return the member of that name, also one that has just gone."""
        doc = self._host.document
        present = doc.member(name) if doc else None
        return present or self._former.get(name)

    def pinned(self, member: Member) -> Certificate | None:
        """Return what a member, also one that has just gone, must show."""
        if self._former.get(member.name) is member:
            return member.certificate
        return self.certificate_of(member.id)

    def meet(self, certificate: Certificate) -> None:
        """Trust whoever shows this certificate as an acquaintance, for a while."""
        host = id_of(certificate)
        self._met.pop(host, None)
        self._forget()
        if len(self._met) >= MOST_ACQUAINTED:
            del self._met[next(iter(self._met))]
        until = Seconds(self._host.clock.now() + ACQUAINTED_FOR)
        self._met[host] = _Acquaintance(certificate, until)
        self._publish()

    def hear(self, host: HostId) -> None:
        """Go on trusting an acquaintance: its line is open, and it called."""
        if self.is_acquainted(host):
            self.meet(self._met[host].certificate)

    def is_acquainted(self, host: HostId) -> bool:
        """Tell whether an agent of the studio showed lately that it is one."""
        one = self._met.get(host)
        return one is not None and self._host.clock.now() < one.until

    def look(self) -> None:
        """Take in the present document; called whenever it may have changed."""
        doc, before = self._host.document, self._document
        if doc is before:
            return
        self._document = doc
        trusted = trusted_by(doc, self._host.name)
        self._belong = {one.id: one for one in trusted if _is_own(one)}
        self._former = _former(self._former, before, doc)
        self._forget()
        self._publish()
        for each in self._told:
            each()

    def _forget(self) -> None:
        for host in [each for each in self._met if not self.is_acquainted(each)]:
            del self._met[host]

    def _publish(self) -> None:
        belong = [one.certificate for one in self._belong.values()]
        met = [m.certificate for h, m in self._met.items() if h not in self._belong]
        # In one order whoever was heard last: a server compares.
        self._certificates = tuple(sorted((*belong, *met)))


def _former(
    known: Mapping[HostName, Member],
    before: StampedSpec | None,
    now: StampedSpec | None,
) -> dict[HostName, Member]:
    """Return who has just gone from this very session, the latest last."""
    if before is None or now is None or before.spec.name != now.spec.name:
        return {}
    gone = {m.name: m for m in before.members if now.member(m.name) is None}
    kept = {n: m for n, m in known.items() if now.member(n) is None}
    latest = list({**kept, **gone}.items())[-MOST_FORMER:]
    return dict(latest)


def _is_own(one: Trusted) -> bool:
    """Tell whether a document gives somebody the certificate of that very id."""
    try:
        return id_of(one.certificate) == one.id
    except Refused:
        return False
