from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessiond.core.settle import (
    FIRST_STAMP,
    amended,
    external_station,
    first_document,
    settle,
)
from sessiond.core.spec import HostRef, IcecastServer, TopologyChoice
from sessiond.core.stamped import Member, Station
from sessiond.units import Address, HostId, HostName, UdpPort
from tests.core.examples import (
    ALICE,
    BOB,
    CAROL,
    RADIO,
    TRIO,
    all_facts,
    document,
    facts,
    hosts,
    session,
)

EMBEDDED = Station(address="alice.local", port=8000, host=ALICE)


def test_a_first_document_has_every_host_and_no_stamp_yet() -> None:
    doc = first_document(session(), {BOB: facts(BOB)}, RADIO)
    assert doc.stamp == FIRST_STAMP
    assert doc.station == RADIO
    assert [m.name for m in doc.members] == list(TRIO)
    assert len(doc.links) == 3


def test_a_host_that_was_not_found_has_neither_id_nor_address() -> None:
    doc = first_document(session(), {BOB: facts(BOB)}, RADIO)
    assert doc.member(ALICE) == Member(name=ALICE)
    found = doc.member(BOB)
    assert found is not None
    assert found.id == facts(BOB).id
    assert found.address == facts(BOB).address


def test_a_member_is_completed_once_it_is_heard() -> None:
    doc = first_document(session(), {}, RADIO)
    heard = {CAROL: facts(CAROL, reachable=False)}
    later = settle(doc, heard, leader=ALICE, standby=BOB)
    assert later.member(CAROL) == Member(
        name=CAROL,
        id=facts(CAROL).id,
        address=facts(CAROL).address,
        reachable=False,
    )


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


def test_the_operators_address_of_a_host_is_kept_until_it_is_heard() -> None:
    named = (HostRef(name=ALICE), HostRef(name=BOB, address=Address("10.0.0.2:7700")))
    doc = first_document(session(hosts=named), {}, RADIO)
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
)
def test_a_settled_document_is_not_stamped_again(
    count: int,
    topology: TopologyChoice,
    leader: HostName | None,
    standby: HostName | None,
    heard: frozenset[HostName],
) -> None:
    spec = session(hosts(count), topology=topology)
    found = {name: facts(name) for name in spec.host_names if name in heard}
    once = settle(
        first_document(spec, found, RADIO), found, leader=leader, standby=standby
    )
    assert settle(once, found, leader=leader, standby=standby) == once


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
    assert amended(document(), other).station == Station(address="other", port=8000)


def test_an_embedded_station_stays_where_it_is() -> None:
    doc = document(session(icecast=None), station=EMBEDDED)
    fewer = replace(doc.spec, mounts=())
    assert amended(doc, fewer).station == EMBEDDED


def test_an_amended_document_keeps_what_else_was_settled() -> None:
    doc = document()
    later = amended(doc, session((ALICE, BOB)))
    assert later.spec.host_names == (ALICE, BOB)
    assert (later.stamp, later.links, later.members) == (
        doc.stamp,
        doc.links,
        doc.members,
    )
