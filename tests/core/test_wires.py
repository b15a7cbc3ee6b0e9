import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessiond.core.configfile import AudioConfig
from sessiond.core.jackgraph import Wire
from sessiond.core.wires import (
    air_client,
    bus,
    link_receive,
    link_send,
    missing,
    ours,
    patch,
    strip,
)
from sessiond.units import PortName
from tests.core.examples import BOB, mount

AUDIO = AudioConfig()
SIDES = st.lists(st.sampled_from("abcdefg").map(PortName), max_size=4, unique=True).map(
    tuple
)


def ports(text: str) -> tuple[PortName, ...]:
    return tuple(PortName(word) for word in text.split())


def test_ports_are_named_after_the_peer_the_host_and_the_mount() -> None:
    dj1 = mount("/dj1.ogg")
    assert link_send(BOB, 1) == ("link-bob:send_1",)
    assert link_receive(BOB, 2) == ("link-bob:receive_1", "link-bob:receive_2")
    assert strip(BOB) == ("mixdown:bob_1", "mixdown:bob_2")
    assert bus(dj1) == ("mixdown:dj1.ogg_1", "mixdown:dj1.ogg_2")
    assert air_client(dj1) == "air-dj1.ogg"


@pytest.mark.parametrize(
    ("sources", "sinks", "wires"),
    [
        ("", "x y", ""),
        ("a b", "", ""),
        ("a", "x", "a-x"),
        ("a b", "x y", "a-x b-y"),
        ("a b", "x", "a-x b-x"),
        ("a", "x y", "a-x a-y"),
        ("a b c", "x y", "a-x b-y c-y"),
        ("a b", "x y z", "a-x b-y b-z"),
    ],
)
def test_ports_are_patched_one_to_one_and_the_surplus_folds_onto_the_last(
    sources: str, sinks: str, wires: str
) -> None:
    pairs = (wire.split("-") for wire in wires.split())
    expected = {Wire(PortName(a), PortName(b)) for a, b in pairs}
    assert patch(ports(sources), ports(sinks)) == expected


@given(SIDES, SIDES)
def test_no_source_is_lost_and_no_sink_stays_silent(
    sources: tuple[PortName, ...], sinks: tuple[PortName, ...]
) -> None:
    wires = patch(sources, sinks)
    if not sources or not sinks:
        assert not wires
        return
    assert {w.source for w in wires} == set(sources)
    assert {w.destination for w in wires} == set(sinks)
    assert len(wires) == max(len(sources), len(sinks))


@pytest.mark.parametrize(
    ("source", "destination", "is_ours"),
    [
        ("link-bob:receive_1", "system:playback_1", True),
        ("system:capture_1", "link-bob:send_1", True),
        ("link-bob:receive_1", "link-carol:send_1", True),
        ("link-bob:receive_1", "mixdown:bob_1", True),
        ("system:capture_2", "mixdown:alice_2", True),
        ("mixdown:mix.ogg_1", "air-mix.ogg:input_1", True),
        # What an owner patches by hand stays.
        ("system:capture_1", "system:playback_1", False),
        ("ardour:out_1", "system:playback_1", False),
        ("link-bob:receive_1", "ardour:in_1", False),
        ("ardour:out_1", "link-bob:send_1", False),
        ("ardour:out_1", "mixdown:alice_1", False),
        ("mixdown:mix.ogg_1", "recorder:in_1", False),
        ("ardour:out_1", "air-mix.ogg:input_1", False),
        ("system:capture_1", "air-mix.ogg:input_1", False),
        ("linker:out", "system:playback_1", False),
        ("mixdown2:out", "system:playback_1", False),
    ],
)
def test_only_wires_between_our_clients_and_the_given_ports_are_ours(
    source: str, destination: str, is_ours: bool
) -> None:
    assert ours(Wire(PortName(source), PortName(destination)), AUDIO) is is_ours


def test_missing_ports_are_named_in_their_order() -> None:
    assert missing(ports("b a c"), ports("a")) == ["b", "c"]
