"""What a server shows in a handshake, and whom it lets through.

gRPC checks a caller's certificate against roots only, so the roots are the very
certificates that are trusted, asked for at every handshake. Whoever holds one of them
could sign others, and BoringSSL would take them: `guard` knows nobody by those.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import grpc

from sessiond.errors import Refused
from sessiond.units import Certificate, HostId
from sessiond.wire.guard import Trust
from sessiond.wire.identity import Identity, id_of, pem_of


def one_sided(identity: Identity) -> grpc.ServerCredentials:
    """Return those of a server that shows itself and asks for nothing."""
    pair = identity.key.encode(), identity.certificate.encode()
    return grpc.ssl_server_credentials([pair])


def mutual(identity: Identity, trust: Trust) -> grpc.ServerCredentials:
    """Return those of one port of a server that lets only the trusted through."""
    pair = identity.key.encode(), identity.certificate.encode()
    told: tuple[Certificate, ...] = ()

    def configured(
        certificates: tuple[Certificate, ...],
    ) -> grpc.ServerCertificateConfiguration:
        roots = _roots(certificates) or pair[1]
        return grpc.ssl_server_certificate_configuration([pair], roots)

    # In a thread of gRPC's, one handshake of a port at a time; None: as it was.
    def fetch() -> grpc.ServerCertificateConfiguration | None:
        nonlocal told
        certificates = trust.certificates()
        if certificates == told:
            return None
        told = certificates
        return configured(certificates)

    # The stub knows nothing of "as it was".
    asked: Any = fetch
    return grpc.dynamic_ssl_server_credentials(
        configured(()), asked, require_client_authentication=True
    )


def _roots(certificates: Sequence[Certificate]) -> bytes:
    """Return them as one text, the first of each id; what is none of ours is left out.

    Of two with the same subject only one would be tried, and after one that BoringSSL
    can't read it reads no further.
    """
    by_id: dict[HostId, Certificate] = {}
    for each in certificates:
        with suppress(Refused):
            by_id.setdefault(id_of(each), pem_of(each))
    return "".join(by_id.values()).encode()
