from dataclasses import replace

import pytest

from sessiond.core.stamped import Member, Person
from sessiond.core.trust import Role, Trusted, role_of, trusted_by
from sessiond.units import Certificate, HostId
from tests.core.examples import ALICE, BOB, CAROL, certificate, document, facts

DORA = HostId("d" * 32)


def person(role: Role = Role.VIEWER, whose: HostId = DORA) -> Person:
    return Person(label="Dora", id=whose, certificate=certificate("dora"), role=role)


def test_without_a_document_nobody_is_trusted() -> None:
    assert trusted_by(None) == ()


def test_members_are_hosts_and_people_what_the_document_says() -> None:
    trusted = trusted_by(document(people=(person(Role.OPERATOR),)))
    assert trusted == (
        *(
            Trusted(id=facts(n).id, certificate=certificate(n), role=Role.HOST)
            for n in (ALICE, BOB, CAROL)
        ),
        Trusted(id=DORA, certificate=certificate("dora"), role=Role.OPERATOR),
    )


@pytest.mark.parametrize("empty", [None, Certificate("")])
def test_who_has_not_joined_is_nobody(empty: Certificate | None) -> None:
    doc = document()
    bare = replace(doc.members[1], certificate=empty)
    members = (doc.members[0], bare, Member(name=CAROL, certificate=certificate("x")))
    assert [t.id for t in trusted_by(replace(doc, members=members))] == [
        facts(ALICE).id
    ]


@pytest.mark.parametrize("role", [Role.LOCAL, Role.HOST])
def test_no_document_makes_a_person_more_than_an_operator(role: Role) -> None:
    trusted = trusted_by(document(people=(person(role),)))
    assert role_of(trusted, DORA) is None


def test_a_stopped_sessions_members_still_hear_each_other() -> None:
    doc = document(people=(person(),), stopped=True)
    assert trusted_by(doc) == trusted_by(document())


def test_an_id_has_its_role_and_a_stranger_none() -> None:
    trusted = trusted_by(document(people=(person(), person(whose=facts(BOB).id))))
    assert role_of(trusted, DORA) is Role.VIEWER
    assert role_of(trusted, facts(BOB).id) is Role.HOST
    assert role_of(trusted, HostId("e" * 32)) is None
    assert role_of((), DORA) is None
