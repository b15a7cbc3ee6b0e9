from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessiond.core.election import DocumentOffer, Hello, Presence
from sessiond.core.roles import Role
from sessiond.core.soundness import (
    MOST_MEMBERS,
    require_no_revival,
    require_sound,
    require_sound_offers,
)
from sessiond.core.spec import LinkSettings
from sessiond.core.stamped import LinkPort, Member, Person, StampedSpec, Station
from sessiond.errors import Refused
from sessiond.units import Address, HostId, HostName, MountPath, Term, UdpPort
from tests.core.examples import (
    ALICE,
    BOB,
    CAROL,
    certificate,
    document,
    facts,
    hosts,
    session,
)

GOOD = document()
MIX = GOOD.spec.mounts[0].path
ONE = GOOD.members[0]
ONE_ID = facts(ALICE).id
DORA = Person(
    label="Dora",
    id=HostId("d" * 32),
    certificate=certificate("dora"),
    role=Role.VIEWER,
)
MANY = tuple(Member(name=HostName(f"h{n}")) for n in range(MOST_MEMBERS + 1))


def link(
    a: HostName = ALICE, b: HostName = BOB, port: int = 4464, server: HostName = ALICE
) -> LinkPort:
    return LinkPort(a=a, b=b, udp_port=UdpPort(port), server=server)


def at(address: str) -> StampedSpec:
    member = Member(name=ALICE, address=Address(address))
    return replace(GOOD, members=(member, *GOOD.members[1:]))


@given(st.integers(1, 9))
def test_what_a_leader_settles_is_sound(count: int) -> None:
    require_sound(document(session(hosts(count))))
    require_sound(document(session(hosts(count)), station=None))
    require_sound(document(session(hosts(count)), people=(DORA,)))
    require_sound(document(session(hosts(count)), titles={MIX: "A - B"}))


@pytest.mark.parametrize(
    ("doc", "why"),
    [
        (replace(GOOD, members=MANY), "more than 400 members"),
        (replace(GOOD, members=(Member(name=BOB),) * 2), "have one name"),
        (replace(GOOD, members=(replace(ONE, name=BOB), ONE)), "have one id"),
        (replace(GOOD, people=(DORA, replace(DORA, id=ONE_ID))), "have one name"),
        (replace(GOOD, people=(DORA, replace(DORA, label="D"))), "have one id"),
        (replace(GOOD, people=(replace(DORA, id=ONE_ID),)), "has a member's id"),
        (replace(GOOD, people=(replace(DORA, label=""),)), "is called ''"),
        (replace(GOOD, titles={MIX: "A\nB"}), "titles is none"),
        (replace(GOOD, titles={MountPath("/x.ogg"): "A"}), "titles is none"),
        (replace(GOOD, people=(replace(DORA, label="a\nb"),)), "is called"),
        (replace(GOOD, people=(replace(DORA, label="Dora\u200b"),)), "is called"),
        (replace(GOOD, people=(replace(DORA, role=Role.HOST),)), "has the role host"),
        (at("-J:7700"), "alice has the address"),
        (at("alice:99999"), "alice has the address"),
        (replace(GOOD, links=(link(), link(port=4465))), "join the same hosts"),
        (replace(GOOD, links=(link(a=BOB, b=ALICE),)), "has alice as server"),
        (replace(GOOD, links=(link(server=CAROL),)), "has carol as server"),
        (replace(GOOD, links=(link(port=22),)), "has the port 22"),
        (replace(GOOD, links=(link(port=5465),)), "has the port 5465"),
        (replace(GOOD, station=Station(address="-x", port=8000)), "'-x'"),
        (replace(GOOD, station=Station(address="a", port=0)), "has the port 0"),
    ],
)
def test_what_no_leader_settles_is_refused(doc: StampedSpec, why: str) -> None:
    with pytest.raises(Refused) as refused:
        require_sound(doc)
    assert why in refused.value.hint


def test_a_spec_that_no_file_could_say_is_refused_before_anything_is_made_of_it() -> (
    None
):
    endless = session(links=LinkSettings(channels=2**53 - 1))
    with pytest.raises(Refused, match="can't be as it is asked for"):
        require_sound(replace(GOOD, spec=endless))


OVER = replace(GOOD, stopped=True)
WITHOUT = replace(GOOD, members=GOOD.members[1:])


LATER = replace(WITHOUT, stamp=replace(GOOD.stamp, revision=9), people=(DORA,))


@pytest.mark.parametrize("known", [OVER, WITHOUT])
def test_nothing_that_goes_on_is_taken_by_whom_it_is_over_for(
    known: StampedSpec,
) -> None:
    presence = Presence(stamp=GOOD.stamp)
    hello = Hello(term=Term(1), presence=presence)
    for offered, passes in (
        (GOOD, False),
        (LATER, False),
        (OVER, True),
        (replace(LATER, stopped=True), True),
        (known, True),
    ):
        messages = (
            hello,
            DocumentOffer(term=Term(1), presence=presence, document=offered),
        )
        for here in (None, GOOD):
            require_no_revival(messages, here, ALICE)
        if passes:
            require_no_revival(messages, known, ALICE)
            continue
        with pytest.raises(Refused, match="alice takes part in jam no more"):
            require_no_revival(messages, known, ALICE)


def test_of_messages_only_offers_of_this_session_are_looked_at() -> None:
    presence = Presence(stamp=GOOD.stamp)
    offer = DocumentOffer(term=Term(1), presence=presence, document=GOOD)
    require_sound_offers((Hello(term=Term(1), presence=presence), offer), "jam")
    with pytest.raises(Refused, match="is of jam, not of other"):
        require_sound_offers((offer,), "other")
