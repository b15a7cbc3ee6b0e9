"""Identities for tests, and a trust that they can change."""

from dataclasses import dataclass, field
from functools import cache

from sessiond.core.roles import Role
from sessiond.units import Certificate, HostId
from sessiond.wire.identity import Identity, make_identity


@cache
def identity_of(name: str) -> Identity:
    """Return the identity of that name, the same one all through a test run."""
    return make_identity(name)


@dataclass(slots=True)
class ListedTrust:
    """Trusts whom it has listed, as what it says there."""

    listed: dict[HostId, tuple[Certificate, Role]] = field(default_factory=dict)

    def add(self, identity: Identity, role: Role) -> None:
        """Trust one more, or in another role."""
        self.listed = {**self.listed, identity.id: (identity.certificate, role)}

    def remove(self, identity: Identity) -> None:
        """Trust one no more; the server is to be told."""
        self.listed = {k: v for k, v in self.listed.items() if k != identity.id}

    def certificates(self) -> tuple[Certificate, ...]:
        return tuple(certificate for certificate, _ in self.listed.values())

    def role_of(self, caller: HostId) -> Role | None:
        return self.listed[caller][1] if caller in self.listed else None


def trusting(**roles: Role) -> ListedTrust:
    """Return a trust in the identities of these names."""
    trust = ListedTrust()
    for name, role in roles.items():
        trust.add(identity_of(name), role)
    return trust
