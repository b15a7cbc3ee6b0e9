"""What this host's own listener makes of a station's answer, title included."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from agent.adapters.icecast import IcecastDoor
from agent.adapters.mount_listener import MountListener
from agent.mount_watch import MountWatch
from agent.source.framing import OggFraming
from sessiond.core.onair import ListenState, MountSeen
from sessiond.core.stamped import Station
from sessiond.core.titles import TitleHeard
from sessiond.units import MountPath, Seconds
from tests.agent.test_source_framing import HEAD, SOUND, page
from tests.support.eventually import aeventually
from tests.support.icecast import ADDRESS
from tests.support.scripted import Scripted, scripted

MIX = MountPath("/mix.ogg")
ICY = b"HTTP/1.0 200 OK\r\nIcy-MetaInt: 4\r\n\r\n"
TEXT = b"StreamTitle='A - B';"
MP3 = ICY + b"abcd" + b"\x02" + TEXT.ljust(32, b"\0") + b"efgh" + b"\x00" + b"ij"


class StoppedClock:
    def now(self) -> Seconds:
        return Seconds(7.0)


def ogg(title: str) -> bytes:
    framing = OggFraming(title)
    tags = page(b"OpusTags\0\0\0\0\0\0\0\0")
    units = framing.feed(HEAD + tags + SOUND)
    return b"".join(framing.written(unit) for unit in units)


def at(station: Scripted) -> Station:
    return Station(address=ADDRESS, port=station.port)


@contextlib.asynccontextmanager
async def listening(answer: bytes) -> AsyncIterator[tuple[Scripted, MountListener]]:
    async with scripted(answer, hang_up=False).running() as station:
        made = MountListener(at(station), MIX, StoppedClock(), lambda: None)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(made.run())
            yield station, made
            running.cancel()


async def test_mp3_titles_are_asked_for_and_read() -> None:
    async with listening(MP3) as (station, made):
        await aeventually(lambda: made.listening.title == "A - B", within=5)
        assert made.listening.state is ListenState.OPEN
        assert b"Icy-MetaData: 1\r\n" in station.received


async def test_ogg_titles_are_read_in_the_stream() -> None:
    answer = b"HTTP/1.0 200 OK\r\n\r\n" + ogg("Ä - B")
    async with listening(answer) as (_, made):
        await aeventually(lambda: made.listening.title == "Ä - B", within=5)


async def test_a_new_connection_knows_no_title_yet() -> None:
    async with listening(MP3) as (station, made):
        await aeventually(lambda: made.listening.title == "A - B", within=5)
        station.answer = ICY + b"ab"
        made.ask_again()
        await aeventually(
            lambda: made.listening.title == "" and made.listening.bytes_heard == 2,
            within=5,
        )


async def test_who_asked_is_told_of_another_title() -> None:
    told: list[str] = []
    async with scripted(MP3, hang_up=False).running() as station:
        made = MountListener(
            at(station), MIX, StoppedClock(), lambda: told.append(made.listening.title)
        )
        async with asyncio.TaskGroup() as group:
            running = group.create_task(made.run())
            await aeventually(lambda: "A - B" in told, within=5)
            running.cancel()


def watch_of(door: IcecastDoor, station: Scripted) -> MountWatch:
    where = at(station)
    return MountWatch(door, where, (MIX,), clock=StoppedClock(), bell=lambda: None)


@pytest.mark.parametrize("ours", [True, False])
async def test_a_watch_compares_what_is_seen_with_what_was_asked_for(
    *, ours: bool
) -> None:
    async with (
        scripted(MP3, hang_up=False).running() as station,
        IcecastDoor() as door,
        asyncio.TaskGroup() as group,
    ):
        watch = watch_of(door, station)
        assert watch.titles({MIX: "C"}) == {}
        running = group.create_task(watch.run())
        since = Seconds(7.0) if ours else None

        def compared() -> bool:
            # The station's status is no part of this.
            label = "[session=jam term=1 host=bob role=leader]" if ours else "filler"
            watch.mounts = (MountSeen(path=MIX, description=label),)
            seen = TitleHeard(title="A - B", wanted="C", other_since=since)
            return watch.titles({MIX: "C"}) == {MIX: seen}

        await aeventually(compared, within=5)
        same = TitleHeard(title="A - B", wanted="A - B")
        assert watch.titles({MIX: "A - B"}) == {MIX: same}
        running.cancel()
