"""Identities: made, written down, read again; and what is none of ours."""

import base64
import ssl
import sys
import textwrap
from hashlib import sha256
from pathlib import Path
from subprocess import run

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessiond.errors import Broken, Refused
from sessiond.units import Certificate
from sessiond.wire.identity import (
    LARGEST_CERTIFICATE,
    der_of,
    id_of,
    is_signed,
    make_identity,
    pem_of,
    read_identity,
    sign,
)
from tests.support.identities import identity_of

ALICE = identity_of("alice")
BOB = identity_of("bob")

# Made once: whatever makes certificates later must know this one as its own.
FIRST = Certificate(
    """-----BEGIN CERTIFICATE-----
MIIBjDCCATKgAwIBAgIBATAKBggqhkjOPQQDAjA7MQ4wDAYDVQQDDAVmaXJzdDEp
MCcGA1UEBRMgODc3NDZiMGI3MDQzNDg3MmVjYWQxNmZmZThjYTQwMDUwIBcNMDAw
MTAxMDAwMDAwWhgPOTk5OTEyMzEyMzU5NTlaMDsxDjAMBgNVBAMMBWZpcnN0MSkw
JwYDVQQFEyA4Nzc0NmIwYjcwNDM0ODcyZWNhZDE2ZmZlOGNhNDAwNTBZMBMGByqG
SM49AgEGCCqGSM49AwEHA0IABOViAE7hILrauBY/6ABIYBoUHsvqy8At30uEPaNk
Ek0rPX8m55AgIvZrD2IF4N7vQEJZbPytUVfE43ueW+dlAWqjJTAjMBMGA1UdEQQM
MAqCCHNlc3Npb25kMAwGA1UdEwEB/wQCMAAwCgYIKoZIzj0EAwIDSAAwRQIgU6A2
Z8ivGNKwGPzaRPj0ZP/gs+hdfGyRlluWH40r2v4CIQCxZUarnABonrNGli7r9PVL
9vQma8S1Zq/4FbWGu1ITFA==
-----END CERTIFICATE-----
"""
)
FIRST_ID = "87746b0b70434872ecad16ffe8ca4005"


def test_an_id_is_what_the_public_key_hashes_to() -> None:
    asked = ("openssl", "x509", "-noout", "-pubkey")
    shown = run(
        asked, input=ALICE.certificate.encode(), check=True, capture_output=True
    )
    der = ssl.PEM_cert_to_DER_cert(
        shown.stdout.decode().replace("PUBLIC KEY", "CERTIFICATE")
    )
    assert ALICE.id == sha256(der).hexdigest()[:32]


def test_a_certificate_is_known_in_each_of_its_forms() -> None:
    der = der_of(ALICE.certificate)
    forms = (ALICE.certificate, ALICE.certificate.encode(), der)
    assert {id_of(form) for form in forms} == {ALICE.id}
    assert {pem_of(form) for form in forms} == {ALICE.certificate}
    assert {der_of(form) for form in forms} == {der}


def test_two_of_one_name_are_two() -> None:
    assert make_identity("alice").id != ALICE.id


def test_the_first_certificate_ever_is_still_known() -> None:
    assert id_of(FIRST) == FIRST_ID


def test_what_was_written_down_is_read_again() -> None:
    assert read_identity(ALICE.key, ALICE.certificate) == ALICE
    assert read_identity(ALICE.key, f"{ALICE.certificate}\n\n") == ALICE


def test_a_signature_is_of_one_key_and_one_content() -> None:
    made = sign(BOB, b"said")
    assert len(made) == 64
    assert is_signed(made, BOB.certificate, b"said")
    assert not is_signed(made, BOB.certificate, b"not said")
    assert not is_signed(made, ALICE.certificate, b"said")
    for wrong in (b"", made[:-1], made + b"x", bytes(64), b"\xff" * 64, made[::-1]):
        assert not is_signed(wrong, BOB.certificate, b"said")
    with pytest.raises(Refused):
        is_signed(made, Certificate("x"), b"said")


def test_an_identity_does_not_show_its_key() -> None:
    assert "PRIVATE" in ALICE.key
    assert "PRIVATE" not in repr(ALICE)


@pytest.mark.parametrize(
    ("key", "certificate", "what"),
    [
        ("", ALICE.certificate, "key of this identity is damaged"),
        (ALICE.key[:-60], ALICE.certificate, "key of this identity is damaged"),
        (ALICE.certificate, ALICE.certificate, "key of this identity is damaged"),
        (ALICE.key, "", "certificate of this identity is damaged"),
        (ALICE.key, ALICE.key, "certificate of this identity is damaged"),
        (ALICE.key, BOB.certificate, "is not its certificate's"),
    ],
)
def test_a_damaged_identity_is_told_apart(
    key: str, certificate: str, what: str
) -> None:
    with pytest.raises(Broken, match=what) as caught:
        read_identity(key, certificate)
    assert caught.value.hint


def pem(der: bytes) -> str:
    lines = textwrap.fill(base64.b64encode(der).decode(), 64)
    return f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n"


def openssl(folder: Path, key: tuple[str, ...], *options: str) -> str:
    command = ("openssl", "req", "-x509", "-nodes", "-keyout", f"{folder}/key")
    made = run((*command, *key, *options), check=True, capture_output=True, text=True)
    return made.stdout


P256 = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")


@pytest.mark.parametrize(
    "key",
    [
        P256,
        ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp384r1"),
        ("-newkey", "rsa:2048"),
        ("-newkey", "ed25519"),
    ],
)
def test_whatever_others_make_is_none_of_ours(
    tmp_path: Path, key: tuple[str, ...]
) -> None:
    theirs = openssl(
        tmp_path,
        key,
        *("-subj", "/CN=alice", "-set_serial", "1"),
        *("-addext", "subjectAltName=DNS:sessiond"),
    )
    with pytest.raises(Refused, match="no certificate that sessiond makes"):
        id_of(Certificate(theirs))


def test_no_other_key_stands_under_somebodys_subject(tmp_path: Path) -> None:
    theirs = openssl(
        tmp_path,
        P256,
        *("-subj", f"/CN=alice/serialNumber={ALICE.id}", "-set_serial", "1"),
    )
    with pytest.raises(Refused):
        id_of(Certificate(theirs))


def test_a_certificate_that_its_key_did_not_sign_is_refused() -> None:
    der = bytearray(der_of(ALICE.certificate))
    der[-1] ^= 1
    with pytest.raises(Refused):
        id_of(bytes(der))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
        ALICE.certificate + BOB.certificate,
        ALICE.certificate + ALICE.certificate,
        pem(der_of(ALICE.certificate) + b"\0"),
        pem(der_of(ALICE.certificate)[:-1]),
        ALICE.key,
        "ü" * 100,
        "\udcff" * 100,
        "x" * (LARGEST_CERTIFICATE + 1),
        ALICE.certificate + " " * LARGEST_CERTIFICATE,
    ],
)
def test_what_is_not_one_certificate_is_refused(text: str) -> None:
    for form in (Certificate(text), text.encode(errors="replace")):
        with pytest.raises(Refused):
            id_of(form)


@given(st.binary(max_size=600))
def test_no_bytes_are_one_by_accident(content: bytes) -> None:
    with pytest.raises(Refused):
        id_of(content)


@given(
    at=st.integers(0, len(der_of(ALICE.certificate)) - 1),
    bits=st.integers(1, 255),
)
def test_one_changed_byte_and_it_is_refused(at: int, bits: int) -> None:
    der = bytearray(der_of(ALICE.certificate))
    der[at] ^= bits
    with pytest.raises(Refused):
        id_of(bytes(der))


def test_a_line_to_a_socket_needs_nothing_of_this() -> None:
    line = "import sys, sessiond.cli.main, sessiond.wire.client; print(*sys.modules)"
    loaded = run(
        (sys.executable, "-c", line), check=True, capture_output=True, text=True
    )
    assert "sessiond.wire.channel" in loaded.stdout.split()
    assert "cryptography" not in loaded.stdout.split()
