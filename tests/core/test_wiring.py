import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessiond.core.configfile import AudioConfig
from sessiond.core.jackgraph import Wire
from sessiond.core.plan import HostPlan, plan_host
from sessiond.core.spec import LinkSettings, TopologyChoice
from sessiond.units import (
    PortName,
)
from tests.core.examples import (
    ALICE,
    BOB,
    CAROL,
    TRIO,
    document,
    hosts,
    session,
    view,
)
from tests.core.jam import Sound, play

STAR, MESH = TopologyChoice.STAR, TopologyChoice.MESH


def wired(plan: HostPlan, source: str, destination: str) -> bool:
    return Wire(PortName(source), PortName(destination)) in plan.wires


def test_a_bus_is_wired_to_its_encoder_and_strips_to_who_plays() -> None:
    plan = plan_host(view(ALICE))
    assert wired(plan, "mixdown:mix.ogg_1", "air-mix.ogg:input_1")
    assert wired(plan, "mixdown:mix.ogg_2", "air-mix.ogg:input_2")
    assert wired(plan, "system:capture_1", "mixdown:alice_1")
    assert wired(plan, "link-bob:receive_2", "mixdown:bob_2")


def test_a_muted_host_sends_nothing_and_still_hears() -> None:
    audio = AudioConfig()
    for me in TRIO:
        plan = plan_host(view(me, muted=True))
        assert not any(wire.source in audio.inputs for wire in plan.wires)
        assert any(wire.destination in audio.outputs for wire in plan.wires)


def test_a_host_without_outputs_still_sends() -> None:
    plan = plan_host(view(CAROL, audio=AudioConfig(outputs=())))
    assert wired(plan, "system:capture_1", "link-alice:send_1")
    assert all(wire.destination.startswith("link-") for wire in plan.wires)


def test_two_inputs_on_a_mono_link_are_both_heard() -> None:
    doc = document(session(links=LinkSettings(channels=1)))
    plan = plan_host(view(CAROL, doc))
    assert wired(plan, "system:capture_1", "link-alice:send_1")
    assert wired(plan, "system:capture_2", "link-alice:send_1")
    assert wired(plan, "link-alice:receive_1", "system:playback_1")
    assert wired(plan, "link-alice:receive_1", "system:playback_2")


@given(
    st.integers(1, 8),
    st.sampled_from([MESH, STAR]),
    st.integers(1, 2),
    st.sampled_from([None, *range(8)]),
    st.sampled_from([None, *range(8)]),
)
def test_everybody_is_heard_once_by_everybody_and_nobody_hears_himself(
    count: int,
    topology: TopologyChoice,
    channels: int,
    leading: int | None,
    standing_by: int | None,
) -> None:
    some = hosts(count)
    leader = None if leading is None else some[leading % count]
    standby = None if standing_by is None else some[standing_by % count]
    if leader is None or standby == leader:
        standby = None
    spec = session(some, topology=topology, links=LinkSettings(channels=channels))
    doc = document(spec, leader=leader, standby=standby)
    mono = AudioConfig(inputs=(PortName("system:capture_1"),))
    jam = play(doc, leader=leader, standby=standby, audio=dict.fromkeys(some, mono))
    for me in some:
        others = Sound(name for name in some if name != me)
        assert jam.heard_by(me) == [others, others]


@pytest.mark.parametrize("topology", [MESH, STAR])
def test_every_strip_of_leader_and_standby_carries_its_own_host_alone(
    topology: TopologyChoice,
) -> None:
    some = hosts(6)
    leader, standby = some[3], some[1]
    doc = document(session(some, topology=topology), leader=leader, standby=standby)
    jam = play(doc, leader=leader, standby=standby)
    for mixing in (leader, standby):
        for whom in some:
            assert jam.mixed_by(mixing, whom) == [Sound([whom])] * 2


def test_a_stereo_side_stays_on_its_side() -> None:
    jam = play(document(), leader=ALICE, standby=BOB)
    assert jam.at(BOB, PortName("system:playback_1")) == Sound([ALICE, CAROL])
    assert wired(jam.plans[BOB], "link-alice:receive_1", "system:playback_1")
    assert not wired(jam.plans[BOB], "link-alice:receive_1", "system:playback_2")


def test_a_former_hubs_link_that_is_still_there_brings_nobody_twice() -> None:
    some = hosts(6)
    spec = session(some, topology=STAR)
    before = document(spec, leader=some[0], standby=some[1])
    jam = play(before, leader=some[1], standby=some[2])
    for me in some:
        assert all(count == 1 for sound in jam.heard_by(me) for count in sound.values())
