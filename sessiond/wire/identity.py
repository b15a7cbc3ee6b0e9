"""Who a host or a person is: a key, and a certificate that says no more than that.

The one door to `cryptography`. Only lines over TCP need it: `channel` and `client`
know of an `Identity` by name only, so that the command line, on its own host's socket,
starts without loading it.

A certificate is ours only if it is, byte for byte, what `make_identity` would have
written for that name and key. Nothing in it is left to its maker's choice, and its
subject ends with its id. BoringSSL finds the certificates that a server trusts by their
subjects and tries one of a kind: two named alike would keep each other out.
"""

import datetime as dt
import ssl
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from sessiond.errors import Broken, Refused
from sessiond.units import Certificate, HostId
from sessiond.wire.channel import TLS_NAME

# Bytes. Ours take some 500 as DER and 800 as PEM.
LARGEST_CERTIFICATE: Final = 4096

# Of these the id and the PEM text are kept: a session's members and people, twice.
MOST_REMEMBERED: Final = 1024

# No clock and no date ends a show.
_FROM: Final = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
_UNTIL: Final = dt.datetime(9999, 12, 31, 23, 59, 59, tzinfo=dt.UTC)

# Two sequences of more than 255 bytes, version 3, serial number 1 (RFC 5280 section
# 4.1). Of odd serial numbers cryptography warns before anybody could refuse them.
_PAST_LENGTHS: Final = 8
_START: Final = bytes.fromhex("a003020102 020101")


# Each of a signature's two numbers is below P-256's order.
_HALF: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A key and the certificate that shows it.

    Attributes:
        key: PEM, PKCS 8, without a password.
    """

    id: HostId
    certificate: Certificate
    key: str = field(repr=False)


def make_identity(name: str) -> Identity:
    """Return a new identity; the name is a label, of 1 to 64 characters."""
    key = ec.generate_private_key(ec.SECP256R1())
    made = _written(name, key.public_key(), key)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Identity(
        id=_id(key.public_key()),
        certificate=_pem(made),
        key=pem.decode(),
    )


def read_identity(key: str, certificate: str) -> Identity:
    """Return the identity that was written down as these two texts of PEM.

    Raises:
        Broken: One is damaged, or they do not belong together.
    """
    try:
        private = load_pem_private_key(key.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as e:
        raise Broken("The key of this identity is damaged.", _HOW_TO_MEND) from e
    try:
        known, shown = id_of(certificate.encode()), pem_of(certificate.encode())
    except Refused as e:
        raise Broken(
            "The certificate of this identity is damaged.", _HOW_TO_MEND
        ) from e
    public = private.public_key()
    if not isinstance(public, ec.EllipticCurvePublicKey) or _id(public) != known:
        raise Broken("This identity's key is not its certificate's.", _HOW_TO_MEND)
    return Identity(id=known, certificate=shown, key=key)


_HOW_TO_MEND: Final = (
    "Put both files back as they were; without them this is somebody new to everyone."
)


def id_of(certificate: Certificate | bytes) -> HostId:
    """Return the id of who shows this certificate: what its public key hashes to.

    Args:
        certificate: PEM text, or PEM or DER as bytes.

    Raises:
        Refused: It is no certificate of ours.
    """
    return _known(_content(certificate)).id


def pem_of(certificate: Certificate | bytes) -> Certificate:
    """Return a certificate as the text that documents hold, always the same.

    Raises:
        Refused: As in `id_of`.
    """
    return _known(_content(certificate)).pem


def der_of(certificate: Certificate | bytes) -> bytes:
    """Return a certificate's own bytes, which proofs are made over.

    Raises:
        Refused: As in `id_of`.
    """
    return _known(_content(certificate)).der


def sign(identity: Identity, content: bytes) -> bytes:
    """Return the 64 bytes that only the holder of this key can make of the content.

    ECDSA over P-256 and SHA-256, as r and s of 32 bytes each.

    Source: FIPS 186-5 section 6.4; the form is IEEE 1363's.
    """
    key = load_pem_private_key(identity.key.encode(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise Broken("The key of this identity is damaged.", _HOW_TO_MEND)
    r, s = decode_dss_signature(key.sign(content, ec.ECDSA(SHA256())))
    return r.to_bytes(_HALF, "big") + s.to_bytes(_HALF, "big")


def is_signed(signature: bytes, certificate: Certificate, content: bytes) -> bool:
    """Tell whether the holder of a certificate's key made this of the content.

    Raises:
        Refused: As in `id_of`.
    """
    key = _known(_content(certificate)).key
    if len(signature) != 2 * _HALF:
        return False
    r, s = signature[:_HALF], signature[_HALF:]
    der = encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
    try:
        key.verify(der, content, ec.ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


@dataclass(frozen=True, slots=True)
class _Known:
    id: HostId
    pem: Certificate
    der: bytes
    key: ec.EllipticCurvePublicKey


def _content(certificate: Certificate | bytes) -> bytes:
    if isinstance(certificate, bytes):
        return certificate
    return certificate.encode(errors="replace")


# What is no certificate of ours raises, and is not remembered.
@lru_cache(maxsize=MOST_REMEMBERED)
def _known(content: bytes) -> _Known:
    try:
        read = _read(content)
        key = _key_of_ours(read)
    except (
        ValueError,
        TypeError,
        UnsupportedAlgorithm,
        InvalidSignature,
        x509.InvalidVersion,
    ) as e:
        raise Refused(
            "What came is no certificate that sessiond makes.",
            "Is the other side a sessiond of this version?",
        ) from e
    return _Known(_id(key), _pem(read), read.public_bytes(Encoding.DER), key)


def _read(content: bytes) -> x509.Certificate:
    # A second one would be trusted by whom such a text is handed to.
    if len(content) > LARGEST_CERTIFICATE or content.count(b"-----BEGIN") > 1:
        raise ValueError("more than one")
    if content.startswith(b"-----"):
        content = ssl.PEM_cert_to_DER_cert(content.decode("ascii"))
    if content[_PAST_LENGTHS : _PAST_LENGTHS + len(_START)] != _START:
        raise ValueError("not as we write it")
    return x509.load_der_x509_certificate(content)


def _key_of_ours(read: x509.Certificate) -> ec.EllipticCurvePublicKey:
    """Return the key of a certificate that is as we write them; else any error."""
    key = read.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise TypeError("another kind of key")
    if not isinstance(key.curve, ec.SECP256R1):
        raise TypeError("another curve")
    (name,) = read.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    # Whose signature it bears is no part of what is compared.
    anyone = ec.generate_private_key(ec.SECP256R1())
    ours = _written(str(name.value), key, anyone)
    if read.tbs_certificate_bytes != ours.tbs_certificate_bytes:
        raise ValueError("not as we write it")
    read.verify_directly_issued_by(read)
    return key


def _written(
    name: str, key: ec.EllipticCurvePublicKey, signer: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, name),
            x509.NameAttribute(NameOID.SERIAL_NUMBER, _id(key)),
        ]
    )
    names = x509.SubjectAlternativeName([x509.DNSName(TLS_NAME)])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key)
        # It is the only one of its issuer.
        .serial_number(1)
        .not_valid_before(_FROM)
        .not_valid_after(_UNTIL)
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(signer, SHA256())
    )


def _id(key: ec.EllipticCurvePublicKey) -> HostId:
    shown = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return HostId(sha256(shown).hexdigest()[:32])


def _pem(certificate: x509.Certificate) -> Certificate:
    return Certificate(certificate.public_bytes(Encoding.PEM).decode())
