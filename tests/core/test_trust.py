from dataclasses import replace

import pytest

from sessiond.core.stamped import Member, Person, StampedSpec
from sessiond.core.trust import Role, Trusted, trusted_by
from sessiond.units import Certificate, HostId, HostName
from tests.core.examples import ALICE, BOB, CAROL, certificate, document, facts

DORA = HostId("d" * 32)


def person(role: Role = Role.VIEWER, whose: HostId = DORA) -> Person:
    return Person(label="Dora", id=whose, certificate=certificate("dora"), role=role)


def roles(doc: StampedSpec, me: HostName = ALICE) -> dict[HostId, Role]:
    trusted = trusted_by(doc, me)
    assert len({one.id for one in trusted}) == len(trusted)
    return {one.id: one.role for one in trusted}


def test_without_a_document_nobody_is_trusted() -> None:
    assert trusted_by(None, ALICE) == ()


def test_members_are_hosts_and_people_what_the_document_says() -> None:
    trusted = trusted_by(document(people=(person(Role.OPERATOR),)), ALICE)
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
    assert [*roles(replace(doc, members=members))] == [facts(ALICE).id]


@pytest.mark.parametrize("role", [Role.LOCAL, Role.HOST])
def test_no_document_makes_a_person_more_than_an_operator(role: Role) -> None:
    assert DORA not in roles(document(people=(person(role),)))


def test_a_stopped_sessions_members_still_hear_each_other() -> None:
    doc = document(people=(person(),), stopped=True)
    assert trusted_by(doc, ALICE) == trusted_by(document(), ALICE)


def test_whoever_a_host_was_taken_out_for_gives_it_no_people() -> None:
    without = replace(document(people=(person(Role.OPERATOR),)))
    without = replace(without, members=without.members[1:])
    assert set(roles(without).values()) == {Role.HOST}
    assert DORA in roles(without, BOB)


def test_a_member_is_a_host_whatever_the_people_say() -> None:
    as_person = replace(person(whose=facts(BOB).id), label="x")
    found = roles(document(people=(person(), as_person)))
    assert found[DORA] is Role.VIEWER
    assert found[facts(BOB).id] is Role.HOST
