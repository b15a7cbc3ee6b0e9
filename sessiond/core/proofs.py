"""Proofs of knowing a key, over exactly what both sides saw: HMAC-SHA256.

Each field goes in with its length before it, so that no two lists of fields are one
text, and the purpose goes first, so that no proof serves for another step.

Source: RFC 2104; NIST FIPS 198-1.
"""

import hmac
from enum import StrEnum
from typing import Final

# Far above any certificate; a length always takes as many bytes.
_LENGTH_BYTES: Final = 8


class Purpose(StrEnum):
    """What a proof is for: the first of what it is over."""

    GREET = "greet"
    ACQUAINT = "acquaint"
    JOIN = "join"
    INVITATION = "invitation"
    MARK = "mark"


def over(purpose: Purpose, *fields: bytes) -> bytes:
    """Return the one text that stands for these fields, and for no others."""
    parts = (purpose.value.encode("ascii"), *fields)
    return b"".join(len(p).to_bytes(_LENGTH_BYTES, "big") + p for p in parts)


def proof(key: bytes, purpose: Purpose, *fields: bytes) -> bytes:
    """Return the 32 bytes that only a holder of the key can make of these fields.

    Raises:
        ValueError: The key is empty; everybody has that one.
    """
    if not key:
        raise ValueError("a proof needs a key")
    return hmac.digest(key, over(purpose, *fields), "sha256")


def is_proof(given: bytes, key: bytes, purpose: Purpose, *fields: bytes) -> bool:
    """Tell, in a time that says nothing, whether `given` is the `proof` of these.

    Raises:
        ValueError: As `proof`.
    """
    return hmac.compare_digest(given, proof(key, purpose, *fields))
