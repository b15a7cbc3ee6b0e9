from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessiond.core.roles import Role
from sessiond.core.settle import (
    FIRST_STAMP,
    amended,
    external_station,
    first_document,
    identified,
    settle,
)
from sessiond.core.spec import HostRef, IcecastServer, TopologyChoice
from sessiond.core.stamped import Member, Person, Station
from sessiond.units import Address, HostId, HostName, TokenId, UdpPort
from tests.core.examples import (
    ALICE,
    BOB,
    CAROL,
    RADIO,
    TRIO,
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
PERSON = Person(
    label="Dora",
    id=HostId("d" * 32),
    certificate=certificate("dora"),
    role=Role.VIEWER,
)
EMBEDDED = Station(address="alice.local", port=8000, host=ALICE)


def test_a_first_document_has_every_host_and_no_stamp_yet() -> None:
    doc = first_document(
        session(), {BOB: facts(BOB)}, RADIO, identities=identities(BOB)
    )
    assert doc.stamp == FIRST_STAMP
    assert doc.station == RADIO
    assert [m.name for m in doc.members] == list(TRIO)
    assert len(doc.links) == 3


def test_a_first_document_knows_whom_the_creator_knows() -> None:
    doc = first_document(
        session(), {BOB: facts(BOB)}, RADIO, identities=identities(BOB)
    )
    assert doc.member(ALICE) == Member(name=ALICE)
    assert doc.member(BOB) == Member(
        name=BOB,
        id=facts(BOB).id,
        address=facts(BOB).address,
        certificate=certificate(BOB),
    )


def test_no_host_takes_a_place_by_what_it_says_of_itself() -> None:
    doc = first_document(session(), all_facts(), RADIO, identities={})
    assert doc.members == tuple(Member(name=name) for name in TRIO)
    assert settle(doc, all_facts(), leader=None, standby=None) == doc


def test_a_host_of_the_studio_takes_its_place_once_it_is_known() -> None:
    doc = first_document(session(), {}, RADIO, identities={})
    known = identified(doc, identities(CAROL))
    heard = {CAROL: facts(CAROL, reachable=False)}
    later = settle(known, heard, leader=ALICE, standby=BOB)
    assert later.member(CAROL) == Member(
        name=CAROL,
        id=facts(CAROL).id,
        address=facts(CAROL).address,
        reachable=False,
        certificate=certificate(CAROL),
    )


def test_an_identity_is_kept_whoever_else_has_the_name() -> None:
    doc = document()
    impostor = {BOB: (HostId("f" * 32), certificate("evil"))}
    assert identified(doc, impostor) == doc


def test_a_certificate_is_renewed_for_the_same_key_only() -> None:
    doc = document()
    renewed = identified(doc, {BOB: (facts(BOB).id, certificate("new"))})
    found = renewed.member(BOB)
    assert found is not None
    assert (found.id, found.certificate) == (facts(BOB).id, certificate("new"))
    assert identified(renewed, {}) == renewed


def test_one_id_has_one_place() -> None:
    two = identities(ALICE)[ALICE]
    doc = first_document(session(), {}, RADIO, identities={BOB: two, CAROL: two})
    assert [member.id for member in doc.members] == [None, two[0], None]
    later = identified(doc, {ALICE: two, CAROL: two})
    assert later == doc


def test_a_persons_id_takes_no_hosts_place() -> None:
    known = identities(BOB)
    shadow = Person(
        label="x", id=facts(BOB).id, certificate=certificate(BOB), role=Role.VIEWER
    )
    doc = first_document(session(), {}, RADIO, identities=identities(ALICE))
    bob = identified(replace(doc, people=(shadow,)), known).member(BOB)
    assert bob is not None
    assert bob.id is None


def test_settling_keeps_certificates_and_people() -> None:
    doc = document(people=(PERSON,), used=(TokenId("h" + "0" * 24),))
    later = settle(doc, all_facts(), leader=ALICE, standby=BOB)
    assert [m.certificate for m in later.members] == [certificate(n) for n in TRIO]
    assert (later.people, later.used) == (doc.people, doc.used)


def test_a_namesake_with_another_id_does_not_take_a_members_place() -> None:
    doc = document()
    impostor = facts(BOB, id=HostId("f" * 32), address=Address("evil:7700"))
    later = settle(doc, {BOB: impostor}, leader=ALICE, standby=BOB)
    assert later.member(BOB) == doc.member(BOB)


def test_a_member_that_moved_is_known_at_its_new_address() -> None:
    moved = facts(BOB, address=Address("10.9.9.9:7700"))
    later = settle(document(), {BOB: moved}, leader=ALICE, standby=BOB)
    found = later.member(BOB)
    assert found is not None
    assert found.address == "10.9.9.9:7700"


@pytest.mark.parametrize("address", ["-J:7700", "bob:99999", "bob"])
def test_an_address_that_no_file_could_say_is_not_taken(address: str) -> None:
    before = document()
    astray = {BOB: replace(facts(BOB), address=Address(address))}
    assert settle(before, astray, leader=None, standby=None) == before


def test_the_operators_address_of_a_host_is_kept_until_it_is_heard() -> None:
    named = (HostRef(name=ALICE), HostRef(name=BOB, address=Address("10.0.0.2:7700")))
    doc = first_document(session(hosts=named), {}, RADIO, identities={})
    assert doc.member(BOB) == Member(name=BOB, address=Address("10.0.0.2:7700"))


def test_a_busy_port_that_a_host_reports_moves_its_link() -> None:
    doc = document()
    busy = facts(CAROL, busy_ports=frozenset({doc.links[1].udp_port}))
    later = settle(doc, {CAROL: busy}, leader=ALICE, standby=BOB)
    assert later.links[1].udp_port == UdpPort(4467)
    assert (later.links[0], later.links[2]) == (doc.links[0], doc.links[2])


@given(
    st.integers(1, 9),
    st.sampled_from(list(TopologyChoice)),
    st.sampled_from([None, *hosts(9)]),
    st.sampled_from([None, *hosts(9)]),
    st.frozensets(st.sampled_from(hosts(9))),
    st.frozensets(st.sampled_from(hosts(9))),
)
def test_a_settled_document_is_not_stamped_again(
    count: int,
    topology: TopologyChoice,
    leader: HostName | None,
    standby: HostName | None,
    heard: frozenset[HostName],
    proven: frozenset[HostName],
) -> None:
    spec = session(hosts(count), topology=topology)
    found = {name: facts(name) for name in spec.host_names if name in heard}
    known = identities(*proven)
    once = settle(
        first_document(spec, found, RADIO, identities=known),
        found,
        leader=leader,
        standby=standby,
    )
    again = identified(once, known)
    assert settle(again, found, leader=leader, standby=standby) == once


def test_a_new_standby_adds_its_links_and_takes_only_the_old_ones_away() -> None:
    spec = session(hosts(6), topology=TopologyChoice.STAR)
    first, second, third = spec.host_names[:3]
    before = document(spec, leader=first, standby=second)
    after = settle(before, all_facts(spec.host_names), leader=first, standby=third)
    at_first = {x for x in before.links if x.peer_of(first)}
    assert at_first <= set(after.links)
    assert {x.peer_of(third) for x in after.links} - {None} == {
        n for n in spec.host_names if n != third
    }


@pytest.mark.parametrize(
    ("server", "station"),
    [
        (None, None),
        (
            IcecastServer(host="radio", port=8443, tls=True),
            Station(address="radio", port=8443, tls=True),
        ),
    ],
)
def test_only_a_server_that_the_spec_names_is_external(
    server: IcecastServer | None, station: Station | None
) -> None:
    assert external_station(session(icecast=server)) == station


def test_an_amended_spec_takes_its_new_server() -> None:
    other = session(icecast=IcecastServer(host="other"))
    assert amended(document(), other, identities={}).station == Station(
        address="other", port=8000
    )


def test_an_embedded_station_stays_where_it_is() -> None:
    doc = document(session(icecast=None), station=EMBEDDED)
    fewer = replace(doc.spec, mounts=())
    assert amended(doc, fewer, identities={}).station == EMBEDDED


def test_an_amended_document_keeps_what_else_was_settled() -> None:
    doc = document()
    later = amended(doc, session((ALICE, BOB)), identities={})
    assert later.spec.host_names == (ALICE, BOB)
    assert (later.stamp, later.links) == (doc.stamp, doc.links)
    assert later.members == doc.members[:2]


def test_an_amended_document_knows_a_new_host_of_the_studio() -> None:
    wider = session((*TRIO, DAVE))
    later = amended(document(), wider, identities=identities(DAVE, BOB))
    found = later.member(DAVE)
    assert found is not None
    assert (found.id, found.certificate) == (facts(DAVE).id, certificate(DAVE))
    assert later.members[:3] == document().members


def test_a_title_goes_with_its_mount() -> None:
    mix, dj = mount(), mount("/dj1.ogg", ALICE)
    titles = {mix.path: "A - B", dj.path: "C"}
    both = document(session(mounts=(mix, dj)), titles=titles)
    kept = settle(both, all_facts(), leader=None, standby=None)
    assert kept.titles == titles
    fewer = replace(both, spec=session(mounts=(dj,)))
    assert settle(fewer, all_facts(), leader=None, standby=None).titles == {
        dj.path: "C"
    }
