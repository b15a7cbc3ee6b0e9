import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing

import pytest

from agent.publish import MOST_WATCHERS
from sessiond.core.conditions import Reason
from sessiond.core.election import Liveness, Role
from sessiond.core.status import LinkState, MountState, Phase, ProcState
from sessiond.core.titles import TitleHeard
from sessiond.errors import Refused, Unavailable
from sessiond.units import MountPath, ProcName, Seconds
from tests.agent.band import JAM, SOON, band, jam, show
from tests.core.examples import ALICE, BOB
from tests.support.eventually import aeventually

MIX = MountPath("/mix.ogg")


async def test_everybody_shows_the_same_picture_of_a_session_on_the_air() -> None:
    async with band() as opened:
        alice, bob = await opened.add("alice"), await opened.add("bob")
        leader = await opened.formed(show(), alice, bob)
        await aeventually(lambda: MIX in opened.radio.mounts, within=SOON)
        for agent in (alice, bob):
            shown = await agent.service.status(None)
            assert (shown.session, shown.leader) == (JAM, leader.host.name)
            assert shown.role is Role.LEADER
            assert shown.broadcaster == leader.host.name
            assert shown.mounts[0].state is MountState.LIVE
            assert shown.mounts[0].url == "http://127.0.0.1:1/mix.ogg"
            assert [h.name for h in shown.hosts] == [ALICE, BOB]
            assert all(h.audio.rate_hz == 48000 for h in shown.hosts)


async def test_a_host_shows_its_processes_with_pids_and_states() -> None:
    async with band() as opened:
        alice, bob = await opened.add("alice"), await opened.add("bob")
        await opened.formed(jam(), alice, bob)
        (link,) = alice.publisher.own().procs
        assert (link.name, link.program) == ("link-bob", "jacktrip")
        assert link.state is ProcState.RUNNING
        assert link.pid == alice.procs.seen()[ProcName("link-bob")].identity.pid
        assert link.restarts == 0


async def test_a_link_shows_its_queue_and_half_the_round_trip_while_it_sounds() -> None:
    async with band() as opened:
        alice, bob = await opened.add("alice"), await opened.add("bob")
        await opened.formed(jam(), alice, bob)
        assert [end.latency_ms for end in alice.publisher.own().links] == [None]
        said = (
            "Received Connection from Peer!\n"
            "2026-11-22T06:43:04 10.0.0.2 send: 0/0 recv: 0/0 prot: 0/0/0 tot: 203 "
            "sync: 4/0/0/0/0 skew: 0/0 bcast: 0/0 autoq: 2.3/47.2\n"
        )
        alice.procs.write(ProcName("link-bob"), said)

        def shown() -> float:
            (end,) = alice.publisher.own().links
            assert end.latency_ms is not None
            return end.latency_ms - (end.rtt_ms or 0) / 2

        period = alice.publisher.own().audio.period_frames
        late = await aeventually(shown, within=SOON)
        assert late == pytest.approx(3.5 * period / 48, abs=0.02)


async def test_a_link_that_died_counts_its_restarts() -> None:
    async with band() as opened:
        alice, bob = await opened.add("alice"), await opened.add("bob")
        await opened.formed(jam(), alice, bob)
        alice.procs.end(ProcName("link-bob"), 1)
        await aeventually(
            lambda: [p.restarts for p in alice.publisher.own().procs] == [1],
            within=SOON,
        )


async def test_a_host_that_went_is_shown_as_gone_and_its_link_as_down() -> None:
    async with band() as opened:
        alice, bob = await opened.add("alice"), await opened.add("bob")
        leader = await opened.formed(jam(), alice, bob)
        gone = bob if leader is alice else alice
        await opened.end(gone)

        async def is_gone() -> bool:
            shown = await leader.service.status(JAM)
            state = {h.name: h.state for h in shown.hosts}[gone.host.name]
            return state is not Liveness.ALIVE and (
                shown.links[0].state is LinkState.DOWN
            )

        await aeventually(is_gone, within=SOON)
        gone.procs.die()


async def test_an_icecast_that_went_is_off_air_and_said_so() -> None:
    async with band() as opened:
        alice, bob = await opened.add("alice"), await opened.add("bob")
        leader = await opened.formed(show(), alice, bob)
        await aeventually(lambda: MIX in opened.radio.mounts, within=SOON)
        await leader.service.status(None)
        opened.radio.up = False
        shown = await leader.service.status(None)
        assert shown.phase is Phase.OFF_AIR
        await aeventually(
            lambda: (
                Reason.STATION_UNREACHABLE in {c.reason for c in leader.host.conditions}
            ),
            within=SOON,
        )


async def test_a_stopped_session_is_shown_as_stopped() -> None:
    async with band() as opened:
        alice, bob = await opened.add("alice"), await opened.add("bob")
        leader = await opened.formed(jam(), alice, bob)
        await leader.service.stop(JAM)
        shown = await leader.service.status(None)
        assert shown.phase is Phase.STOPPED
        assert leader.publisher.own().session == ""
        assert leader.publisher.own().links == ()


async def test_without_a_session_there_is_no_picture() -> None:
    async with band() as opened:
        alice = await opened.add("alice")
        with pytest.raises(Refused):
            await alice.publisher.status()
        own = alice.publisher.own()
        assert (own.session, own.stamp, own.procs) == ("", None, ())


async def test_a_watcher_is_shown_the_picture_when_it_has_changed_and_only_then() -> (
    None
):
    async with band() as opened:
        alice = await opened.add("alice")
        await opened.formed(jam(ALICE), alice)
        watching = alice.publisher.watch()
        assert isinstance(watching, AsyncGenerator)
        async with aclosing(watching) as pictures:
            first = await anext(pictures)
            second = asyncio.ensure_future(anext(pictures))
            for _ in range(3):
                alice.publisher.ring()
                await alice.publisher.status()
            assert not second.done()
            await alice.service.mute(None, muted=True, by_owner=True)
            async with asyncio.timeout(SOON):
                shown = await second
            assert not first.hosts[0].muted
            assert shown.hosts[0].muted


async def test_watchers_are_so_many_and_no_more() -> None:
    async with band() as opened, AsyncExitStack() as stack:
        alice = await opened.add("alice")
        await opened.formed(jam(ALICE), alice)
        watching = []
        for _ in range(MOST_WATCHERS):
            pictures = alice.service.watch(None)
            assert isinstance(pictures, AsyncGenerator)
            watching.append(await stack.enter_async_context(aclosing(pictures)))
            await anext(pictures)
        with pytest.raises(Unavailable, match="are watching here already"):
            await anext(aiter(alice.service.watch(None)))
        await watching[0].aclose()
        late = alice.service.watch(None)
        assert isinstance(late, AsyncGenerator)
        await stack.enter_async_context(aclosing(late))
        assert (await anext(late)).session == JAM


async def test_a_host_shows_the_titles_that_its_listeners_see() -> None:
    async with band() as opened:
        alice, bob = await opened.add("alice"), await opened.add("bob")
        leader = await opened.formed(show(), alice, bob)
        now = leader.host.clock.now()
        off = TitleHeard(title="A", wanted="B", other_since=Seconds(now - 9))
        leader.host.titles = {MIX: off}
        (shown,) = leader.publisher.own().titles
        assert (shown.path, shown.title) == (MIX, "A")
        assert [c.reason for c in shown.conditions] == [Reason.TITLE_NOT_SHOWN]
