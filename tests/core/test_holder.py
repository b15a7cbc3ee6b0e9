import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessiond.core.holder import HolderLabel, Role, describe, parse_label
from sessiond.units import HostName, SessionName, Term

LABEL = HolderLabel(
    session=SessionName("friday-jam"),
    term=Term(3),
    host=HostName("alice"),
    role=Role.LEADER,
)
TAG = "[session=friday-jam term=3 host=alice role=leader]"


def test_the_label_stands_behind_the_description() -> None:
    assert describe("Our jam", LABEL) == f"Our jam {TAG}"
    assert describe("", LABEL) == TAG


@given(
    description=st.text(),
    term=st.integers(0, 10**17),
    role=st.sampled_from(Role),
)
def test_whatever_the_description_holds_the_label_reads_back(
    description: str, term: int, role: Role
) -> None:
    label = HolderLabel(
        session=LABEL.session, term=Term(term), host=LABEL.host, role=role
    )
    assert parse_label(describe(description, label)) == label


def test_a_label_inside_the_operators_text_is_not_the_label() -> None:
    forged = TAG.replace("alice", "mallory")
    assert parse_label(describe(f"x {forged}", LABEL)) == LABEL


@pytest.mark.parametrize(
    "description",
    [
        "",
        "Unspecified description",
        f"{TAG} and more",
        TAG.replace("role=leader", "role=king"),
        TAG.replace("role=leader", "role=STANDBY"),
        TAG.replace("term=3", "term=-3"),
        TAG.replace("term=3", "term=²"),
        TAG.replace("host=alice", "host=Alice"),
        TAG.removesuffix("]"),
    ],
)
def test_anything_else_is_no_label(description: str) -> None:
    assert parse_label(description) is None
