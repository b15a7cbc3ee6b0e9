from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessiond.core.admitting import (
    CLOCKS_APART,
    Claim,
    admitted,
    without_member,
)
from sessiond.core.amend import checked
from sessiond.core.settle import first_document, settle
from sessiond.core.spec import BroadcastSettings, HostRef
from sessiond.core.stamped import MOST_PEOPLE, MOST_USED, Member, Person, StampedSpec
from sessiond.core.trust import Role, trusted_by
from sessiond.errors import Refused, Unavailable
from sessiond.units import Address, HostId, HostName, TokenId
from tests.core.examples import (
    ALICE,
    BOB,
    CAROL,
    RADIO,
    all_facts,
    certificate,
    document,
    facts,
    hosts,
    identities,
    mount,
    session,
)

DAVE = HostName("dave")
NOW = 1_800_000_000.5
ENDS = 1_800_000_900
LETTERS = {Role.HOST: "h", Role.OPERATOR: "o", Role.VIEWER: "v"}


def token(number: int, role: Role = Role.HOST, ends: int = ENDS) -> TokenId:
    return TokenId(f"{LETTERS[role]}{ends:08x}{number:016x}")


def claim(
    name: str = DAVE, role: Role = Role.HOST, number: int = 1, **fields: object
) -> Claim:
    known = facts(HostName(name))
    ends = fields.get("expires_at", ENDS)
    assert isinstance(ends, int)
    given: dict[str, Any] = {
        "role": role,
        "name": name,
        "id": known.id,
        "certificate": certificate(name),
        "address": known.address if role is Role.HOST else None,
        "token_id": token(number, role, ends),
        "expires_at": ENDS,
    }
    return Claim(**(given | fields))


def begun(*known: HostName) -> StampedSpec:
    """Return a document in which only these have joined."""
    return first_document(session(), {}, RADIO, identities=identities(*known))


def member(name: HostName) -> Member:
    return Member(
        name=name,
        id=facts(name).id,
        address=facts(name).address,
        certificate=certificate(name),
    )


# ── hosts ───────────────────────────────────────────────────────────────────────────


def test_a_host_that_the_spec_names_takes_its_place() -> None:
    doc = admitted(begun(ALICE), claim(BOB), NOW)
    assert doc.member(BOB) == member(BOB)
    assert doc.spec == begun(ALICE).spec
    assert doc.used == (token(1),)
    assert facts(BOB).id in {one.id for one in trusted_by(doc, ALICE)}


def test_the_operators_address_gives_way_to_the_hosts_own() -> None:
    there = Address("10.0.0.2:7700")
    named = (HostRef(name=ALICE), HostRef(name=BOB, address=there))
    doc = first_document(session(hosts=named), {}, RADIO, identities={})
    assert admitted(doc, claim(BOB), NOW).member(BOB) == member(BOB)


def test_a_new_host_is_appended_and_settling_links_it() -> None:
    before = document()
    doc = admitted(before, claim(DAVE, reachable=False), NOW)
    assert doc.spec.host_names == (ALICE, BOB, CAROL, DAVE)
    assert doc.members == (*before.members, replace(member(DAVE), reachable=False))
    settled = settle(doc, all_facts(), leader=ALICE, standby=BOB)
    assert {link.peer_of(DAVE) for link in settled.links} - {None} == {
        ALICE,
        BOB,
        CAROL,
    }
    assert settled.members == doc.members


def test_the_same_claim_once_more_changes_nothing() -> None:
    once = admitted(document(), claim(), NOW)
    assert admitted(once, claim(), NOW) == once
    moved = claim(address=Address("10.0.0.9:7700"))
    assert admitted(once, moved, NOW) == once


def test_a_member_that_joins_anew_keeps_its_place_and_uses_its_token() -> None:
    again = claim(BOB, address=Address("10.0.0.9:7700"), number=2)
    doc = admitted(document(), again, NOW)
    assert doc.members[1] == replace(member(BOB), address=again.address)
    assert doc.spec == document().spec
    assert doc.used == (token(2),)


@pytest.mark.parametrize("role", list(LETTERS))
def test_a_second_certificate_of_a_known_key_is_refused(role: Role) -> None:
    name = BOB if role is Role.HOST else "Dora"
    known = admitted(document(), claim(name, role), NOW)
    again = claim(name, role, 2, certificate=certificate("new"))
    with pytest.raises(Refused, match="by another certificate"):
        admitted(known, again, NOW)


def test_a_name_that_another_id_carries_is_refused() -> None:
    with pytest.raises(Refused, match="Another computer is bob") as refused:
        admitted(document(), claim(BOB, id=HostId("e" * 32)), NOW)
    assert "agent.toml" in refused.value.hint


def test_one_computer_has_one_name() -> None:
    with pytest.raises(Refused, match="belongs to jam as bob") as refused:
        admitted(
            document(),
            claim(DAVE, id=facts(BOB).id, certificate=certificate(BOB)),
            NOW,
        )
    assert "sessiond remove jam bob" in refused.value.hint


@pytest.mark.parametrize("name", ["", "Dave", "*", "dave@h:1", "d" * 33, "../x"])
def test_what_is_no_host_name_is_refused(name: str) -> None:
    with pytest.raises(Refused, match="host's name"):
        admitted(document(), claim(name, id=HostId("e" * 32)), NOW)


def test_a_full_session_takes_no_more_hosts() -> None:
    full = document(session(hosts(200)))
    with pytest.raises(Refused) as refused:
        admitted(full, claim(), NOW)
    assert "at most 200 hosts" in refused.value.hint


# ── tokens ──────────────────────────────────────────────────────────────────────────


def test_a_used_token_admits_nobody_else() -> None:
    first = admitted(begun(ALICE), claim(CAROL), NOW)
    for name in (DAVE, BOB):
        with pytest.raises(Refused, match="used already") as refused:
            admitted(first, claim(name), NOW)
        assert "sessiond invite" in refused.value.hint


def test_a_used_token_gives_a_member_nothing_new() -> None:
    first = admitted(document(), claim(CAROL), NOW)
    renewed = claim(BOB, address=Address("x:1"))
    assert admitted(first, renewed, NOW) == first


def test_a_used_token_does_not_bring_back_whom_it_admitted() -> None:
    gone = without_member(admitted(document(), claim(), NOW), DAVE)
    with pytest.raises(Refused, match="used already"):
        admitted(gone, claim(), NOW)


def test_an_expired_token_admits_nobody() -> None:
    with pytest.raises(Refused, match="expired"):
        admitted(document(), claim(), float(ENDS))
    admitted(document(), claim(), ENDS - 0.1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"token_id": token(1, Role.VIEWER)},
        {"token_id": token(1, ends=ENDS + 1)},
        {"expires_at": ENDS + 1, "token_id": token(1)},
        {"token_id": TokenId("x")},
        {"role": Role.OPERATOR, "token_id": token(1)},
    ],
)
def test_a_claim_is_what_its_token_says(wrong: dict[str, object]) -> None:
    with pytest.raises(Refused):
        admitted(document(), claim(**wrong), NOW)  # type: ignore[arg-type]


def test_used_tokens_are_forgotten_once_they_have_expired() -> None:
    gone = int(NOW - CLOCKS_APART)
    old, live = token(8, ends=gone), token(9, ends=gone + 1)
    doc = admitted(document(used=(old, live)), claim(), NOW)
    assert doc.used == (live, token(1))


def test_a_clock_that_is_fast_brings_no_used_token_back() -> None:
    once = admitted(document(), claim(), NOW)
    fast = admitted(
        without_member(once, DAVE),
        claim("erin", number=2, expires_at=ENDS + 1800),
        NOW + 1800,
    )
    with pytest.raises(Refused, match="used already"):
        admitted(fast, claim(), NOW)


def test_no_token_is_remembered_for_years() -> None:
    longest = int(NOW + CLOCKS_APART)
    admitted(document(), claim(expires_at=longest), NOW)
    with pytest.raises(Refused, match="lasts longer"):
        admitted(document(), claim(expires_at=longest + 1), NOW)


def test_no_more_join_than_the_document_can_remember() -> None:
    many = tuple(token(number) for number in range(100, 100 + MOST_USED))
    assert len(admitted(document(used=many[1:]), claim(), NOW).used) == MOST_USED
    with pytest.raises(Unavailable):
        admitted(document(used=many), claim(), NOW)


def test_nobody_joins_a_stopped_session() -> None:
    with pytest.raises(Refused, match="stopped"):
        admitted(document(stopped=True), claim(), NOW)


NAMES = st.sampled_from(["alice", "bob", "carol", "dave", "erin", "Dora", "../x", ""])
CLAIMS = st.builds(
    claim,
    NAMES,
    st.sampled_from([Role.HOST, Role.OPERATOR, Role.VIEWER]),
    st.integers(0, 3),
    id=st.sampled_from([facts(HostName(n)).id for n in ("alice", "dave", "erin")]),
)


@given(st.lists(CLAIMS | NAMES, max_size=12))
def test_whatever_is_claimed_each_id_and_each_name_has_one_place(
    steps: list[Claim | str],
) -> None:
    doc = begun(ALICE)
    for step in steps:
        try:
            if isinstance(step, str):
                doc = without_member(doc, step)
                continue
            doc = admitted(doc, step, NOW)
        except Refused:
            continue
        assert admitted(doc, step, NOW) == doc
        assert step.token_id in doc.used
    ids = [m.id for m in doc.members if m.id] + [p.id for p in doc.people]
    assert len(set(ids)) == len(ids)
    assert tuple(m.name for m in doc.members) == doc.spec.host_names
    assert len({p.label for p in doc.people}) == len(doc.people)
    assert len(set(doc.used)) == len(doc.used)
    assert checked(doc.spec).host_names == doc.spec.host_names


@given(st.text(max_size=40), st.sampled_from(list(Role)), st.text(max_size=30))
def test_no_claim_does_more_than_be_refused(name: str, role: Role, of: str) -> None:
    wild = Claim(
        role=role,
        name=name,
        id=HostId("e" * 32),
        certificate=certificate("e"),
        token_id=TokenId(of),
        expires_at=ENDS,
    )
    likely = replace(wild, role=Role.HOST, token_id=token(1))
    for one in (wild, likely):
        with suppress(Refused):
            admitted(document(), one, NOW)


# ── people ──────────────────────────────────────────────────────────────────────────


def person(label: str, role: Role) -> Person:
    known = facts(HostName(label))
    return Person(label=label, id=known.id, certificate=certificate(label), role=role)


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.VIEWER])
def test_a_person_gets_the_tokens_role_and_no_place_among_the_hosts(role: Role) -> None:
    doc = admitted(document(), claim("Dora", role), NOW)
    assert doc.people == (person("Dora", role),)
    assert (doc.spec, doc.members) == (document().spec, document().members)
    assert doc.used == (token(1, role),)
    assert admitted(doc, claim("Dora", role), NOW) == doc


def test_a_person_with_another_token_has_role_and_label_renewed() -> None:
    once = admitted(document(), claim("Dora", Role.VIEWER), NOW)
    same = {"id": once.people[0].id, "certificate": once.people[0].certificate}
    more = claim("Dora B.", Role.OPERATOR, 2, **same)
    doc = admitted(once, more, NOW)
    assert [(p.label, p.role) for p in doc.people] == [("Dora B.", Role.OPERATOR)]


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.VIEWER])
def test_no_link_makes_a_person_of_a_host(role: Role) -> None:
    alices = claim("x", role, id=facts(ALICE).id, certificate=certificate(ALICE))
    with pytest.raises(Refused, match="alice's key is a host's of jam"):
        admitted(document(), alices, NOW)


def test_a_persons_key_is_no_hosts() -> None:
    known = admitted(document(), claim("Dora", Role.VIEWER, 2), NOW)
    doras = claim(DAVE, id=known.people[0].id, certificate=known.people[0].certificate)
    with pytest.raises(Refused, match="This key is Dora's in jam"):
        admitted(known, doras, NOW)
    assert admitted(known, claim(), NOW).people == known.people


def test_a_used_token_gives_its_role_to_nobody_else() -> None:
    doc = admitted(document(), claim("Dora", Role.VIEWER, 2), NOW)
    doc = admitted(doc, claim("Emil", Role.OPERATOR), NOW)
    with pytest.raises(Refused, match="used already"):
        admitted(doc, claim("Dora", Role.OPERATOR), NOW)


def test_two_people_are_called_apart() -> None:
    doc = admitted(document(), claim("Dora", Role.VIEWER), NOW)
    with pytest.raises(Refused, match="Somebody else is Dora"):
        admitted(doc, claim("Dora", Role.VIEWER, 2, id=HostId("e" * 32)), NOW)


@pytest.mark.parametrize("label", ["", "a\nb", "x" * 300, "alice\u200b", "\u202eecila"])
def test_a_persons_name_is_one_short_line(label: str) -> None:
    with pytest.raises(Refused, match="person's name"):
        admitted(document(), claim(label, Role.VIEWER), NOW)


def test_people_are_only_so_many() -> None:
    crowd = tuple(person(f"p{n}", Role.VIEWER) for n in range(MOST_PEOPLE))
    full = document(people=crowd)
    with pytest.raises(Refused, match="no room"):
        admitted(full, claim("Dora", Role.VIEWER), NOW)
    assert len(admitted(full, claim("p0", Role.VIEWER), NOW).people) == MOST_PEOPLE


# ── going ───────────────────────────────────────────────────────────────────────────


def test_who_is_removed_is_trusted_no_more_and_named_nowhere() -> None:
    spec = session(
        mounts=(mount(), mount("/dj1.ogg", BOB)),
        broadcast=BroadcastSettings(prefer=(BOB, ALICE)),
    )
    doc = without_member(document(spec), BOB)
    assert doc.spec.host_names == (ALICE, CAROL)
    assert [m.path for m in doc.spec.mounts] == ["/mix.ogg"]
    assert doc.spec.broadcast.prefer == (ALICE,)
    assert [m.name for m in doc.members] == [ALICE, CAROL]
    assert facts(BOB).id not in {one.id for one in trusted_by(doc, ALICE)}


def test_a_person_is_removed_by_label() -> None:
    people = (person("dora", Role.VIEWER), person("emil", Role.OPERATOR))
    doc = without_member(document(people=people), "dora")
    assert doc == document(people=people[1:])


def test_a_host_and_a_person_of_one_name_go_together() -> None:
    both = document(people=(person(BOB, Role.VIEWER), person("emil", Role.VIEWER)))
    doc = without_member(both, BOB)
    assert (doc.spec.host_names, doc.people) == ((ALICE, CAROL), both.people[1:])


def test_nobody_and_the_last_host_are_not_removed() -> None:
    doc = document(people=(person("dora", Role.VIEWER),))
    with pytest.raises(Refused, match="Nobody called zoe") as refused:
        without_member(doc, "zoe")
    assert refused.value.hint == "In it are: alice, bob, carol, dora."
    with pytest.raises(Refused, match="last host") as refused:
        without_member(document(session((ALICE,))), ALICE)
    assert "sessiond stop jam" in refused.value.hint
