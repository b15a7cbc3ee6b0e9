import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessiond.core.proofs import Purpose, is_proof, proof

KEY = b"k" * 32
FIELDS = st.lists(st.binary(max_size=8), max_size=4)


def test_a_proof_is_hmac_sha256_over_purpose_and_fields_with_their_lengths() -> None:
    text = b"\0\0\0\0\0\0\0\4join" + b"\0\0\0\0\0\0\0\1a" + b"\0" * 8
    made = proof(KEY, Purpose.JOIN, b"a", b"")
    assert made == hmac.new(KEY, text, hashlib.sha256).digest()


@given(FIELDS, FIELDS)
def test_other_fields_are_another_proof(one: list[bytes], other: list[bytes]) -> None:
    given_proof = proof(KEY, Purpose.JOIN, *one)
    assert is_proof(given_proof, KEY, Purpose.JOIN, *other) == (one == other)


def test_a_proof_is_good_for_its_key_and_purpose_alone() -> None:
    made = proof(KEY, Purpose.ACQUAINT, b"a", b"b")
    assert is_proof(made, KEY, Purpose.ACQUAINT, b"a", b"b")
    assert not is_proof(made, KEY, Purpose.JOIN, b"a", b"b")
    assert not is_proof(made, b"x" * 32, Purpose.ACQUAINT, b"a", b"b")
    assert not is_proof(made[:-1], KEY, Purpose.ACQUAINT, b"a", b"b")
    assert not is_proof(b"", KEY, Purpose.ACQUAINT, b"a", b"b")


def test_nothing_is_proven_with_no_key() -> None:
    with pytest.raises(ValueError, match="key"):
        proof(b"", Purpose.GREET)
    with pytest.raises(ValueError, match="key"):
        is_proof(b"", b"", Purpose.GREET)
