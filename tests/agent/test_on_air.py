"""What a standby and a broadcaster have done, at fake sources and a fake station."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.bell import TurnBell
from agent.host import Host
from agent.mount_admin import MountAdmin
from agent.on_air import CALLED_AGAIN, OnAir
from agent.source.steer import renew
from agent.steering import Json, SteeringServer
from sessiond.core import election as el
from sessiond.core.configfile import AgentConfig
from sessiond.core.holder import HolderLabel, Role, describe
from sessiond.core.plan import plan_host
from sessiond.core.seats import BROUGHT_BACK_WITHIN, PLAYS_AFTER, SETTLED_AFTER
from sessiond.core.sourcing import Seat, SourceReport, SourceState
from sessiond.core.spec import Codec, StandbyMode
from sessiond.core.stamped import StampedSpec
from sessiond.units import HostName, MountPath, ProcName, Seconds, SessionName, Term
from tests.agent.players import Child
from tests.core.examples import (
    ALICE,
    BOB,
    document,
    leadership,
    mount,
    session,
    setup,
    view,
)
from tests.support.fake_icecast import FakeIcecast, FakeIcecastDoor, FakeListener
from tests.support.fakes import FakeClock, FakeJackServer, FakeStore
from tests.support.identities import identity_of

MIX, DJ = MountPath("/mix.ogg"), MountPath("/dj1.opus")
FILLER = MountPath("/mix-filler.ogg")
HIDDEN = {MIX: MountPath("/mix-standby.ogg"), DJ: MountPath("/dj1-standby.opus")}
DOC = document(session((ALICE, BOB), (mount(MIX), mount(DJ, ALICE, codec=Codec.OPUS))))


class Hands:
    """Bob's hands on a stage: two sources that have their orders, and a station.

    Attributes:
        lead: What the elector says; also its door.
        told: What it was told.
        seen: The evidence of each mount.
        asked_again: The mounts whose own listener was sent back.
    """

    def __init__(self, folder: Path, radio: FakeIcecast) -> None:
        self.radio = radio
        self.clock = FakeClock()
        self.leadership = leadership(DOC, ALICE, standby=BOB)
        self.told: list[el.Event] = []
        self.seen = dict.fromkeys(
            (MIX, DJ), el.MountWitnessed(evidence=el.Evidence.UNKNOWN)
        )
        self.asked_again: list[MountPath] = []
        plan = plan_host(view(BOB, DOC))
        self.children = {
            name: Child(proc, FakeJackServer(), radio)
            for name in plan.sources
            if (proc := plan.proc(name)) is not None
        }
        for name, child in self.children.items():
            child.seats = {
                seat: replace(child.seats[seat], path=plan.sources[name].mount(seat))
                for seat in Seat
            }
            child.order = plan.sources[name]
        config = AgentConfig(name=BOB, state_dir="/state", advertise="10.0.0.2")
        self.host = Host(
            config=config,
            identity=identity_of(BOB),
            setup=setup(BOB),
            clock=self.clock,
            store=FakeStore(folder),
        )
        self.on_air = OnAir(
            me=BOB,
            elector=self,
            run_folder=folder,
            running=lambda: frozenset(self.children),
            witnessed=self.seen.__getitem__,
            moved=self.asked_again.append,
            admin=MountAdmin(FakeIcecastDoor(radio), self.host),
            clock=self.clock,
            bell=TurnBell(asyncio.get_running_loop()),
        )

    def post(self, event: el.Event) -> None:
        self.told.append(event)

    def state(self, path: MountPath, seat: Seat) -> SourceState:
        return self.children[ProcName(f"source-{path[1:]}")].seats[seat].state

    def alice_feeds(self, *paths: MountPath) -> None:
        label = HolderLabel(
            session=SessionName("jam"), host=ALICE, term=Term(1), role=Role.LEADER
        )
        for path in paths:
            assert self.radio.put(path, describe("", label))
            self.seen[path] = el.MountWitnessed(
                evidence=el.Evidence.PROGRESSING,
                holder=label,
                stream_start=self.radio.mounts[path].stream_start,
            )

    def alice_falls_silent(self) -> None:
        for path, seen in self.seen.items():
            self.seen[path] = replace(seen, evidence=el.Evidence.STALLED)
        silent = {ALICE: el.Liveness.SUSPECT, BOB: el.Liveness.ALIVE}
        self.leadership = replace(self.leadership, liveness=silent, broadcaster=None)

    def bob_is_elected(self) -> None:
        grant = self.leadership.grant + 1
        self.leadership = replace(
            self.leadership, right=True, my_role=Role.LEADER, leader=BOB, grant=grant
        )

    async def steer(self, times: int = 1) -> None:
        for _ in range(times):
            await self.on_air.steer()


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened


async def opened(stack: AsyncExitStack, folder: Path, radio: FakeIcecast) -> Hands:
    hands = Hands(folder, radio)
    for name, child in hands.children.items():
        await stack.enter_async_context(
            SteeringServer(folder / f"{name}.sock", child.answer)
        )
    return hands


@pytest.fixture
async def hands(stack: AsyncExitStack, tmp_path: Path) -> Hands:
    """Return Bob's hands while Alice is on the air and he stands by."""
    made = await opened(stack, tmp_path, FakeIcecast())
    made.alice_feeds(MIX, DJ)
    await made.steer(2)
    return made


async def test_a_standby_feeds_every_hidden_mount_and_nothing_else(
    hands: Hands,
) -> None:
    assert set(hands.radio.mounts) == {MIX, DJ, *HIDDEN.values()}
    assert hands.state(MIX, Seat.PRIMARY) is SourceState.WAITING
    label = hands.radio.mounts[HIDDEN[MIX]].label
    assert label is not None
    assert (label.host, label.role) == (BOB, Role.STANDBY)
    assert not hands.told


async def test_who_is_no_standby_any_more_leaves_the_hidden_mounts(
    hands: Hands,
) -> None:
    hands.leadership = replace(hands.leadership, standby=HostName("carol"))
    await hands.steer()
    assert set(hands.radio.mounts) == {MIX, DJ}


@pytest.mark.parametrize("foreign", [False, True])
async def test_promotion_takes_the_mounts_brings_listeners_back_and_then_leaves(
    stack: AsyncExitStack, tmp_path: Path, *, foreign: bool
) -> None:
    hands = await opened(stack, tmp_path, FakeIcecast(foreign=foreign))
    hands.alice_feeds(MIX, DJ)
    await hands.steer(2)
    for path, hidden in HIDDEN.items():
        hands.radio.set_fallback(path, hidden)
    listeners = {path: hands.radio.listen(path) for path in (MIX, DJ)}
    hands.radio.drop(MIX)
    hands.radio.drop(DJ)
    assert [listener.path for listener in listeners.values()] == list(HIDDEN.values())

    hands.bob_is_elected()
    await hands.steer(2)
    assert el.SourceAccepted() in hands.told
    # The mounts have nothing to play yet.
    assert [listener.path for listener in listeners.values()] == list(HIDDEN.values())
    assert hands.state(MIX, Seat.HIDDEN) is SourceState.LIVE
    hands.clock.advance(SETTLED_AFTER)
    await hands.steer()
    assert {path: each.path for path, each in listeners.items()} == {MIX: MIX, DJ: DJ}
    assert set(hands.radio.mounts) == {MIX, DJ}
    # The next standby's hidden mount is where they go next time.
    assert hands.radio.put(HIDDEN[MIX])
    hands.radio.drop(MIX)
    assert listeners[MIX].path == HIDDEN[MIX]


async def test_a_source_that_is_back_takes_its_listeners_from_the_standby_once(
    hands: Hands,
) -> None:
    hands.bob_is_elected()
    for path in (MIX, DJ):
        hands.radio.drop(path)
    await hands.steer(2)
    hands.clock.advance(SETTLED_AFTER)
    await hands.steer()
    assert hands.radio.put(HIDDEN[MIX])
    listener = hands.radio.listen(HIDDEN[MIX])
    await hands.steer(2)
    assert listener.path == HIDDEN[MIX]  # it asked for that one

    child = hands.children[ProcName("source-mix.ogg")]
    child.answer({"revoke": Seat.PRIMARY.value})
    await hands.steer()
    hands.bob_is_elected()
    await hands.steer(2)
    assert hands.state(MIX, Seat.PRIMARY) is SourceState.LIVE
    assert listener.path == HIDDEN[MIX]
    hands.clock.advance(PLAYS_AFTER)
    await hands.steer()
    assert listener.path == MIX


async def promoted(hands: Hands) -> FakeListener:
    """Have Bob take the mounts over; return a listener on his hidden mount."""
    for path in (MIX, DJ):
        hands.radio.drop(path)
    listener = hands.radio.listen(HIDDEN[MIX])
    hands.bob_is_elected()
    await hands.steer(2)
    return listener


async def test_a_station_that_hangs_is_asked_for_the_listeners_again(
    hands: Hands,
) -> None:
    listener = await promoted(hands)
    hands.radio.up = False
    hands.clock.advance(SETTLED_AFTER)
    await hands.steer(3)
    # They hear the hidden mount, which is not left while they might be dropped.
    assert hands.state(MIX, Seat.HIDDEN) is SourceState.LIVE
    hands.radio.up = True
    await hands.steer()
    assert listener.path == MIX
    assert hands.state(MIX, Seat.HIDDEN) is SourceState.WAITING


@pytest.mark.parametrize(
    ("lacks", "after"), [("up", BROUGHT_BACK_WITHIN), ("rights", SETTLED_AFTER)]
)
async def test_a_hidden_mount_ends_though_its_listeners_can_never_be_moved(
    hands: Hands, lacks: str, after: Seconds
) -> None:
    await promoted(hands)
    setattr(hands.radio, lacks, False)
    hands.clock.advance(after)
    await hands.steer()
    assert hands.state(MIX, Seat.HIDDEN) is SourceState.WAITING


# The filler, and how a mount begins


class Desk:
    """A mix-down's socket that notes what it is asked."""

    def __init__(self) -> None:
        self.faded: list[Json] = []

    def answer(self, request: Mapping[str, Json]) -> Mapping[str, Json]:
        self.faded.append(request["fade_in"])
        return {"accepted": True}


@pytest.fixture
async def desk(stack: AsyncExitStack, tmp_path: Path) -> Desk:
    desk = Desk()
    socket = SteeringServer(tmp_path / "mixdown.sock", desk.answer)
    await stack.enter_async_context(socket)
    return desk


def in_mode(mode: StandbyMode) -> StampedSpec:
    settings = replace(DOC.spec.broadcast, standby=mode)
    return replace(DOC, spec=replace(DOC.spec, broadcast=settings))


@pytest.mark.parametrize("mode", [StandbyMode.HOT, StandbyMode.COLD])
async def test_whoever_hears_the_filler_is_called_to_a_mount_that_plays(
    hands: Hands, mode: StandbyMode
) -> None:
    hands.leadership = leadership(in_mode(mode), None, standby=None)
    hands.radio.put(FILLER)
    listener = hands.radio.listen(FILLER)
    hands.radio.drop(MIX)
    hands.bob_is_elected()
    await hands.steer(2)
    assert hands.state(MIX, Seat.PRIMARY) is SourceState.LIVE
    assert listener.path == FILLER  # there is no page to play yet
    hands.clock.advance(SETTLED_AFTER)
    await hands.steer()
    assert listener.path == MIX


async def test_whoever_could_not_be_called_at_first_is_called_again(
    hands: Hands,
) -> None:
    hands.radio.drop(MIX)
    hands.radio.put(FILLER)
    listener = hands.radio.listen(FILLER)
    hands.bob_is_elected()
    await hands.steer(2)
    hands.radio.up = False
    hands.clock.advance(SETTLED_AFTER)
    await hands.steer()
    assert listener.path == FILLER
    hands.radio.up = True
    hands.clock.advance(CALLED_AGAIN[0])
    await hands.steer()
    assert listener.path == MIX


async def test_a_show_is_not_missed_for_seconds_where_the_station_was_busy(
    hands: Hands,
) -> None:
    hands.leadership = leadership(in_mode(StandbyMode.COLD), None, standby=None)
    hands.radio.drop(MIX)
    hands.radio.put(FILLER)
    listener = hands.radio.listen(FILLER)
    hands.bob_is_elected()
    await hands.steer(2)
    hands.radio.up = False
    hands.clock.advance(PLAYS_AFTER)
    await hands.steer()
    hands.radio.up = True
    hands.clock.advance(0.5)
    await hands.steer()
    assert listener.path == MIX


async def test_a_station_without_a_filler_denies_nothing_that_matters(
    hands: Hands,
) -> None:
    hands.radio.drop(MIX)
    hands.radio.rights = False
    hands.bob_is_elected()
    await hands.steer(2)
    hands.clock.advance(SETTLED_AFTER)
    await hands.steer()
    hands.host.station_denied = ""
    for wait in CALLED_AGAIN:
        hands.clock.advance(wait)
        await hands.steer()
    assert hands.host.station_denied == ""


async def test_a_mount_that_comes_on_the_air_begins_softly_once(
    hands: Hands, desk: Desk
) -> None:
    hands.leadership = leadership(DOC, None, standby=None)
    for path in (MIX, DJ):
        hands.radio.drop(path)
    await hands.steer()
    for seat in Seat:
        hands.children[ProcName("source-mix.ogg")].answer({"revoke": seat.value})
        hands.children[ProcName("source-dj1.opus")].answer({"revoke": seat.value})
    await hands.steer()
    hands.bob_is_elected()
    await hands.steer(4)
    assert sorted(map(str, desk.faded)) == ["dj1.opus", "mix.ogg"]

    hands.children[ProcName("source-mix.ogg")].answer({"revoke": Seat.PRIMARY.value})
    await hands.steer()
    hands.bob_is_elected()
    await hands.steer(3)
    assert hands.state(MIX, Seat.PRIMARY) is SourceState.LIVE
    assert len(desk.faded) == 2


async def test_nobody_hears_a_promotion_begin(hands: Hands, desk: Desk) -> None:
    await hands.steer(2)
    assert hands.state(MIX, Seat.HIDDEN) is SourceState.LIVE
    for path in (MIX, DJ):
        hands.radio.drop(path)
    hands.bob_is_elected()
    await hands.steer(4)
    assert hands.state(MIX, Seat.PRIMARY) is SourceState.LIVE
    assert desk.faded == []


async def test_listeners_of_a_silent_host_are_rescued_once(hands: Hands) -> None:
    listener = hands.radio.listen(DJ)
    hands.alice_falls_silent()
    await hands.steer()
    assert listener.path == HIDDEN[DJ]
    assert hands.asked_again == [MIX, DJ]
    await hands.steer(3)
    assert hands.asked_again == [MIX, DJ]


async def test_what_a_silent_host_left_on_the_mounts_is_ended_once(
    hands: Hands,
) -> None:
    hands.alice_falls_silent()
    hands.bob_is_elected()
    await hands.steer()
    assert el.SourceRefused() in hands.told
    assert hands.state(MIX, Seat.PRIMARY) is SourceState.REFUSED
    judged = hands.radio.mounts[MIX].stream_start
    hands.leadership = replace(hands.leadership, fence=judged)
    await hands.steer(3)
    assert hands.state(MIX, Seat.PRIMARY) is SourceState.LIVE
    assert hands.state(DJ, Seat.PRIMARY) is SourceState.LIVE


async def test_the_same_verdict_ends_no_second_source(
    hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed: list[MountPath] = []

    async def kill(_: object, __: object, path: MountPath, **___: str) -> None:
        killed.append(path)  # and at once the mount has another source

    monkeypatch.setattr(FakeIcecastDoor, "kill_source", kill)
    hands.bob_is_elected()
    hands.leadership = replace(hands.leadership, fence="1")
    await hands.steer(3)
    assert killed == [MIX]


async def test_a_source_that_could_not_be_ended_is_tried_again(hands: Hands) -> None:
    hands.alice_falls_silent()
    hands.bob_is_elected()
    judged = hands.radio.mounts[MIX].stream_start
    hands.leadership = replace(hands.leadership, fence=judged)
    hands.radio.up = False
    await hands.steer(2)
    assert hands.state(MIX, Seat.PRIMARY) is SourceState.REFUSED
    hands.radio.up = True
    await hands.steer(2)
    assert hands.state(MIX, Seat.PRIMARY) is SourceState.LIVE


async def test_a_mount_that_another_feeds_is_left_alone(hands: Hands) -> None:
    hands.bob_is_elected()
    before = {path: hands.radio.mounts[path].stream_start for path in (MIX, DJ)}
    await hands.steer(3)
    assert {p: hands.radio.mounts[p].stream_start for p in (MIX, DJ)} == before
    assert hands.state(DJ, Seat.PRIMARY) is SourceState.WAITING


async def test_an_icecast_that_denies_is_told_of_and_forgiven(hands: Hands) -> None:
    hands.radio.rights = False
    hands.alice_falls_silent()
    await hands.steer()
    assert hands.host.station_denied
    hands.radio.rights = True
    hands.radio.drop(MIX)
    hands.bob_is_elected()
    await hands.steer(2)
    assert not hands.host.station_denied


async def test_leases_of_what_plays_are_renewed_at_every_second_look(
    hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewed: list[str] = []

    async def noted(path: Path, **lease: Any) -> SourceReport:  # noqa: ANN401  passed on
        renewed.append(path.stem)
        return await renew(path, **lease)

    monkeypatch.setattr("agent.on_air.renew", noted)
    await hands.steer(4)
    assert sorted(renewed) == ["source-dj1.opus"] * 2 + ["source-mix.ogg"] * 2
    for path in (MIX, DJ):
        hands.radio.drop(path)
    hands.bob_is_elected()
    await hands.steer(2)
    hands.clock.advance(SETTLED_AFTER)
    await hands.steer(2)
    renewed.clear()
    # What tells of the station is the first mount's.
    await hands.steer(4)
    assert sorted(renewed) == ["source-dj1.opus"] * 2 + ["source-mix.ogg"] * 4
    # A new grant does not wait.
    hands.leadership = replace(hands.leadership, term=Term(9))
    renewed.clear()
    await hands.steer()
    assert sorted(renewed) == ["source-dj1.opus", "source-mix.ogg"]
