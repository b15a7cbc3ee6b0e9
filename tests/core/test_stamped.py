from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessiond.core.stamped import LinkPort, Secrets, Stamp, Station
from sessiond.units import MountPath, Term, UdpPort
from tests.core.examples import ALICE, BOB, CAROL, document

COUNTS = st.integers(0, 10**12)
STAMPS = st.builds(Stamp, COUNTS.map(Term), COUNTS, COUNTS)


@pytest.mark.parametrize(
    ("stamp", "text"),
    [(Stamp(Term(3), 2), "3.2"), (Stamp(Term(3), 2, 1), "3.2+1")],
)
def test_a_stamp_shows_its_edit_only_when_there_is_one(stamp: Stamp, text: str) -> None:
    assert str(stamp) == text


@given(STAMPS)
def test_a_stamp_reads_back_as_it_was_written(stamp: Stamp) -> None:
    assert Stamp.parse(str(stamp)) == stamp


@pytest.mark.parametrize(
    "text",
    [
        *("", "3", "3.", ".2", "3.2.1", "3.2+", "a.b", "-3.2", "3.-2", " 3.2"),
        *("3.2\n", "1_0.2", "3.2+ 1", "3.2+1+1", "٣.٢"),
    ],
)
def test_anything_else_is_no_stamp(text: str) -> None:
    with pytest.raises(ValueError, match="stamp"):
        Stamp.parse(text)


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        (Stamp(Term(3), 9, 9), Stamp(Term(4), 0)),
        (Stamp(Term(3), 1, 9), Stamp(Term(3), 2)),
        (Stamp(Term(3), 2), Stamp(Term(3), 2, 1)),
    ],
)
def test_a_term_beats_a_revision_and_a_revision_an_edit(
    older: Stamp, newer: Stamp
) -> None:
    assert older < newer


def test_a_link_names_the_other_end_and_no_third_host() -> None:
    link = LinkPort(a=ALICE, b=BOB, udp_port=UdpPort(4464), server=ALICE)
    assert link.peer_of(ALICE) == BOB
    assert link.peer_of(BOB) == ALICE
    assert link.peer_of(CAROL) is None


def test_a_document_finds_its_members_by_name() -> None:
    found = document().member(BOB)
    assert found is not None
    assert found.name == BOB
    assert document(stopped=True).member(ALICE) is not None
    assert document().member(type(BOB)("dave")) is None


def test_a_mounts_own_password_goes_before_the_servers() -> None:
    own = MappingProxyType({MountPath("/dj1.ogg"): "one"})
    secrets = Secrets(source="all", mounts=own)
    assert secrets.for_mount(MountPath("/dj1.ogg")) == "one"
    assert secrets.for_mount(MountPath("/mix.ogg")) == "all"


def test_passwords_are_for_one_icecast() -> None:
    secrets = Secrets(source="all", station=Station(address="radio", port=1))
    assert secrets.is_for("radio", 1, tls=False)
    assert not secrets.is_for("evil", 1, tls=False)
    assert not secrets.is_for("radio", 2, tls=False)
    assert not secrets.is_for("radio", 1, tls=True)
    assert not Secrets(source="all").is_for("radio", 1, tls=False)


def test_secrets_show_nothing_of_themselves() -> None:
    own = MappingProxyType({MountPath("/dj1.ogg"): "hush4"})
    secrets = Secrets(source="hush1", admin="hush2", relay="hush3", mounts=own)
    assert "hush" not in repr(secrets)
