"""Whom an agent trusts, as what, and for how long."""

from dataclasses import replace
from pathlib import Path

import pytest

from agent.host import Host
from agent.trust import ACQUAINTED_FOR, MOST_ACQUAINTED, MOST_FORMER, Trust
from sessiond.core.configfile import AgentConfig
from sessiond.core.roles import Role
from sessiond.core.stamped import Member, Person, StampedSpec
from sessiond.units import Certificate, HostName, SessionName
from tests.core.examples import (
    ALICE,
    BOB,
    CAROL,
    TRIO,
    document,
    leadership,
    session,
    setup,
)
from tests.support.fakes import FakeClock, FakeStore
from tests.support.identities import identity_of

OLGA = identity_of("olga")


def member(name: HostName) -> Member:
    who = identity_of(name)
    return Member(name=name, id=who.id, certificate=who.certificate)


def doc_of(*names: HostName, stopped: bool = False) -> StampedSpec:
    people = (
        Person(
            label="olga",
            id=OLGA.id,
            certificate=OLGA.certificate,
            role=Role.OPERATOR,
        ),
    )
    doc = document(session(names), people=people, stopped=stopped)
    return replace(doc, members=tuple(map(member, names)))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def trust(tmp_path: Path, clock: FakeClock) -> Trust:
    config = AgentConfig(name=ALICE, state_dir="/state", advertise="10.0.0.1")
    return Trust(
        Host(
            config=config,
            identity=identity_of(ALICE),
            setup=setup(),
            clock=clock,
            store=FakeStore(tmp_path),
        )
    )


def told(trust: Trust, doc: StampedSpec | None) -> None:
    lead = leadership(doc) if doc else None
    trust._host.leadership = lambda: lead
    trust._host.stored = lambda: lead.stamped if lead else None
    trust.look()


def role(trust: Trust, name: str) -> Role | None:
    return trust.role_of(identity_of(name).id)


def test_without_a_session_nobody_is_trusted(trust: Trust) -> None:
    assert trust.certificates() == ()
    assert role(trust, "bob") is None
    assert trust.certificate_of(None) is None
    assert trust.member(BOB) is None


def test_a_document_says_who_is_trusted_and_each_change_is_told(trust: Trust) -> None:
    rung: list[str] = []
    trust.tell(lambda: rung.append("server"), lambda: rung.append("port"))
    doc = doc_of(ALICE, BOB)
    told(trust, doc)
    trust.look()
    assert rung == ["server", "port"], "once a change"
    assert [role(trust, n) for n in ("alice", "bob", "olga", "eve")] == [
        Role.HOST,
        Role.HOST,
        Role.OPERATOR,
        None,
    ]
    assert set(trust.certificates()) == {
        identity_of(n).certificate for n in ("alice", "bob", "olga")
    }
    assert trust.certificate_of(OLGA.id) is None, "no agent answers for a person"
    told(trust, None)
    assert trust.certificates() == ()


def test_of_a_stopped_session_the_hosts_alone_are_left(trust: Trust) -> None:
    told(trust, doc_of(ALICE, BOB, stopped=True))
    assert role(trust, "bob") is Role.HOST
    assert role(trust, "olga") is None


def test_who_was_taken_out_knows_nobody_but_hosts_and_its_studio(
    trust: Trust,
) -> None:
    trust.meet(identity_of("carol").certificate)
    told(trust, doc_of(*TRIO))
    assert [role(trust, n) for n in ("carol", "olga")] == [Role.HOST, Role.OPERATOR]
    told(trust, doc_of(BOB, CAROL))
    assert role(trust, "olga") is None
    assert role(trust, "bob") is Role.HOST
    assert role(trust, "carol") is Role.ACQUAINTANCE


def test_who_is_a_member_is_a_host_whatever_the_people_say(trust: Trust) -> None:
    bob = identity_of("bob")
    shadow = Person(label="x", id=bob.id, certificate=bob.certificate, role=Role.VIEWER)
    told(trust, replace(doc_of(ALICE, BOB), people=(shadow,)))
    assert role(trust, "bob") is Role.HOST
    assert trust.certificate_of(bob.id) == bob.certificate


def test_a_certificate_that_is_not_the_ids_counts_for_nothing(trust: Trust) -> None:
    doc = doc_of(ALICE, BOB, CAROL)
    crossed = replace(doc.members[1], certificate=identity_of("eve").certificate)
    torn = replace(doc.members[2], certificate=Certificate("x"))
    told(trust, replace(doc, members=(doc.members[0], crossed, torn)))
    assert role(trust, "bob") is role(trust, "eve") is role(trust, "carol") is None
    assert identity_of("eve").certificate not in trust.certificates()


def test_an_acquaintance_is_one_for_a_while_after_it_was_heard(
    trust: Trust, clock: FakeClock
) -> None:
    bob = identity_of("bob")
    trust.hear(bob.id)
    assert role(trust, "bob") is None, "nobody gets acquainted by calling"
    trust.meet(bob.certificate)
    assert trust.certificates() == (bob.certificate,)
    assert trust.certificate_of(bob.id) == bob.certificate
    clock.advance(ACQUAINTED_FOR - 1)
    trust.hear(bob.id)
    clock.advance(ACQUAINTED_FOR - 1)
    assert role(trust, "bob") is Role.ACQUAINTANCE
    clock.advance(1)
    assert role(trust, "bob") is None
    trust.hear(bob.id)
    assert role(trust, "bob") is None


def test_a_member_is_more_than_an_acquaintance_while_its_session_goes_on(
    trust: Trust,
) -> None:
    trust.meet(identity_of("bob").certificate)
    told(trust, doc_of(ALICE, BOB))
    assert role(trust, "bob") is Role.HOST
    assert len(trust.certificates()) == 3
    told(trust, doc_of(ALICE, BOB, stopped=True))
    assert role(trust, "bob") is Role.ACQUAINTANCE


def test_acquaintances_are_only_so_many(trust: Trust) -> None:
    first = identity_of("0")
    for number in range(MOST_ACQUAINTED + 1):
        trust.meet(identity_of(str(number)).certificate)
    assert len(trust.certificates()) == MOST_ACQUAINTED
    assert role(trust, "0") is None
    trust.meet(first.certificate)
    assert role(trust, "0") is Role.ACQUAINTANCE


def test_who_has_just_gone_can_be_told_so_and_nothing_more(trust: Trust) -> None:
    told(trust, doc_of(*TRIO))
    told(trust, doc_of(ALICE, CAROL))
    gone = trust.member(BOB)
    assert gone == member(BOB)
    assert gone is not None
    assert trust.pinned(gone) == gone.certificate
    assert role(trust, "bob") is None
    assert trust.certificate_of(gone.id) is None
    told(trust, doc_of(*TRIO))
    back = trust.member(BOB)
    assert back is not gone
    assert back is not None
    assert trust.pinned(back) == back.certificate
    other = doc_of(ALICE)
    told(trust, replace(other, spec=replace(other.spec, name=SessionName("other"))))
    assert trust.member(BOB) is None


def test_who_has_gone_is_remembered_only_so_long(trust: Trust) -> None:
    for number in range(2 * MOST_FORMER):
        told(trust, doc_of(ALICE, HostName(f"h{number}")))
    told(trust, doc_of(ALICE))
    assert len(trust._former) == MOST_FORMER
