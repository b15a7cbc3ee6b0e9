from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessiond.core.spec import BroadcastSettings, TopologyChoice
from sessiond.core.stamped import LinkPort, Member
from sessiond.core.topology import (
    FIRST_PORT,
    LAST_PORT,
    hubs,
    pairs,
    resolved,
    settle_links,
)
from sessiond.units import HostName, UdpPort
from tests.core.examples import ALICE, BOB, CAROL, TRIO, hosts, session

MESH, STAR, AUTO = TopologyChoice.MESH, TopologyChoice.STAR, TopologyChoice.AUTO
NAMES = hosts(8)
ALL_PAIRS = frozenset(combinations(NAMES, 2))
PORTS = st.integers(FIRST_PORT, FIRST_PORT + 12).map(UdpPort)


def members(names: tuple[HostName, ...], *behind_nat: HostName) -> tuple[Member, ...]:
    return tuple(Member(name=n, reachable=n not in behind_nat) for n in names)


@pytest.mark.parametrize(
    ("count", "asked", "got"),
    [
        (2, AUTO, MESH),
        (4, AUTO, MESH),
        (5, AUTO, STAR),
        (9, MESH, MESH),
        (2, STAR, STAR),
    ],
)
def test_auto_is_a_mesh_up_to_four_hosts(
    count: int, asked: TopologyChoice, got: TopologyChoice
) -> None:
    assert resolved(session(hosts(count), topology=asked)) is got


@pytest.mark.parametrize(
    ("leader", "standby", "expected"),
    [
        (None, None, (NAMES[1], NAMES[0])),
        (NAMES[4], None, (NAMES[4], NAMES[1])),
        (NAMES[1], None, (NAMES[1], NAMES[0])),
        (NAMES[4], NAMES[5], (NAMES[4], NAMES[5])),
        (None, NAMES[5], (NAMES[5], NAMES[1])),
        (HostName("stranger"), NAMES[5], (NAMES[5], NAMES[1])),
    ],
)
def test_a_stars_hubs_are_leader_and_standby_and_the_best_ranks_stand_in(
    leader: HostName | None, standby: HostName | None, expected: tuple[HostName, ...]
) -> None:
    wish = BroadcastSettings(prefer=(NAMES[1],), never=frozenset({NAMES[2]}))
    assert hubs(session(NAMES, broadcast=wish), leader, standby) == expected


def test_hosts_that_never_broadcast_are_hubs_only_when_nobody_else_is_left() -> None:
    wish = BroadcastSettings(never=frozenset({ALICE, BOB}))
    spec = session(TRIO, topology=STAR, broadcast=wish)
    assert hubs(spec, None, None) == (CAROL, ALICE)


def test_a_star_of_one_has_one_hub() -> None:
    assert hubs(session((ALICE,), topology=STAR), None, None) == (ALICE,)


def test_a_mesh_has_no_hubs_and_links_everybody() -> None:
    spec = session(TRIO)
    assert hubs(spec, ALICE, BOB) == ()
    assert pairs(spec, ()) == {(ALICE, BOB), (ALICE, CAROL), (BOB, CAROL)}


def test_a_star_links_everybody_to_both_hubs_and_the_hubs_to_each_other() -> None:
    centre = (NAMES[3], NAMES[0])
    linked = pairs(session(NAMES), centre)
    assert linked == {pair for pair in ALL_PAIRS if set(pair) & set(centre)}
    assert len(linked) == 7 + 6


def test_pairs_are_in_the_order_of_names_whatever_the_order_of_hosts() -> None:
    assert pairs(session((CAROL, ALICE)), ()) == {(ALICE, CAROL)}


def test_the_first_ports_are_the_lowest_free_on_both_hosts() -> None:
    links = settle_links(pairs(session(), ()), members(TRIO), (), {})
    assert [(x.a, x.b, x.udp_port) for x in links] == [
        (ALICE, BOB, 4464),
        (ALICE, CAROL, 4465),
        (BOB, CAROL, 4466),
    ]


@pytest.mark.parametrize(
    ("behind_nat", "server"),
    [((), ALICE), ((ALICE,), BOB), ((BOB,), ALICE), ((ALICE, BOB), ALICE)],
)
def test_a_host_that_cant_be_reached_is_the_client(
    behind_nat: tuple[HostName, ...], server: HostName
) -> None:
    (link,) = settle_links(
        frozenset({(ALICE, BOB)}), members((ALICE, BOB), *behind_nat), (), {}
    )
    assert link.server == server


@pytest.mark.parametrize("host", [ALICE, BOB])
def test_a_busy_port_at_either_end_moves_that_link_alone(host: HostName) -> None:
    wanted = pairs(session(), ())
    before = settle_links(wanted, members(TRIO), (), {})
    busy = {host: frozenset({before[0].udp_port})}
    after = settle_links(wanted, members(TRIO), before, busy)
    assert after[0].udp_port == 4467
    assert after[1:] == before[1:]


def test_a_link_that_is_wanted_no_more_frees_its_port() -> None:
    before = settle_links(pairs(session(), ()), members(TRIO), (), {})
    after = settle_links(frozenset({(BOB, CAROL)}), members(TRIO), before, {})
    assert after == (before[2],)
    again = settle_links(frozenset({(ALICE, BOB)}), members(TRIO), after, {})
    assert again[0].udp_port == FIRST_PORT


@st.composite
def networks(
    draw: st.DrawFn,
) -> tuple[frozenset[tuple[HostName, HostName]], tuple[Member, ...]]:
    wanted = draw(st.frozensets(st.sampled_from(sorted(ALL_PAIRS)), max_size=20))
    behind = draw(st.frozensets(st.sampled_from(NAMES), max_size=4))
    return wanted, members(NAMES, *behind)


BUSY = st.dictionaries(st.sampled_from(NAMES), st.frozensets(PORTS, max_size=3))


@given(networks(), networks(), BUSY)
def test_what_is_still_wanted_stays_exactly_as_it_was(
    old: tuple[frozenset[tuple[HostName, HostName]], tuple[Member, ...]],
    new: tuple[frozenset[tuple[HostName, HostName]], tuple[Member, ...]],
    busy: dict[HostName, frozenset[UdpPort]],
) -> None:
    before = settle_links(*old, (), {})
    after = settle_links(*new, before, busy)
    hit = {
        link
        for link in before
        if any(link.udp_port in busy.get(h, ()) for h in (link.a, link.b))
    }
    kept = {x for x in before if (x.a, x.b) in new[0]} - hit
    assert kept <= set(after)
    assert not hit & set(after)


@given(networks(), networks(), BUSY)
def test_links_are_the_wanted_pairs_and_no_host_uses_a_port_twice_or_a_busy_one(
    old: tuple[frozenset[tuple[HostName, HostName]], tuple[Member, ...]],
    new: tuple[frozenset[tuple[HostName, HostName]], tuple[Member, ...]],
    busy: dict[HostName, frozenset[UdpPort]],
) -> None:
    wanted, found = new
    links = settle_links(wanted, found, settle_links(*old, (), {}), busy)
    assert [(x.a, x.b) for x in links] == sorted(wanted)
    used = [(host, x.udp_port) for x in links for host in (x.a, x.b)]
    assert len(used) == len(set(used))
    assert not any(port in busy.get(host, ()) for host, port in used)
    assert all(FIRST_PORT <= port <= LAST_PORT for _, port in used)
    assert settle_links(wanted, found, links, busy) == links


@given(st.integers(2, 12), st.sampled_from(list(TopologyChoice)))
def test_adding_a_host_moves_nobody(count: int, topology: TopologyChoice) -> None:
    names = hosts(count + 1)
    leader, standby = names[0], names[1]

    def settled(
        some: tuple[HostName, ...], before: tuple[LinkPort, ...]
    ) -> tuple[LinkPort, ...]:
        spec = session(some, topology=topology)
        wanted = pairs(spec, hubs(spec, leader, standby))
        return settle_links(wanted, members(some), before, {})

    fewer = settled(names[:-1], ())
    more = settled(names, fewer)
    staying = pairs(
        session(names, topology=topology),
        hubs(session(names, topology=topology), leader, standby),
    )
    assert {x for x in fewer if (x.a, x.b) in staying} <= set(more)


def test_a_host_whose_every_port_is_busy_is_linked_all_the_same() -> None:
    every = frozenset(UdpPort(port) for port in range(FIRST_PORT, LAST_PORT + 1))
    wanted, members = frozenset({(ALICE, BOB)}), (Member(name=ALICE), Member(name=BOB))
    once = settle_links(wanted, members, (), {BOB: every})
    assert [link.udp_port for link in once] == [FIRST_PORT]
    assert settle_links(wanted, members, once, {BOB: every}) == once
