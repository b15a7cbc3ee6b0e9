"""Telling Icecast a title: what it says counts, not how."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from agent.source.announcer import Announcer, announce
from sessiond.core.sourcing import Seat, SourceOrder
from sessiond.core.spec import Codec
from sessiond.errors import Refused, Unavailable
from sessiond.units import Hertz, HostName, Kbps, MountPath, SessionName
from tests.support.eventually import aeventually
from tests.support.icecast import ADDRESS, free_port
from tests.support.scripted import Scripted, scripted

DONE = b"HTTP/1.0 200 OK\r\n\r\n<message>Metadata update successful</message>"
NO = b"HTTP/1.0 200 OK\r\n\r\n<message>Mountpoint will not accept URL updates</message>"


def order(port: int, title: str) -> SourceOrder:
    return SourceOrder(
        path=MountPath("/a.mp3"),
        hidden=MountPath("/a-standby.mp3"),
        codec=Codec.MP3,
        bitrate_kbps=Kbps(96),
        rate_hz=Hertz(48000),
        jack_client="air-a.mp3",
        address=ADDRESS,
        port=port,
        session=SessionName("jam"),
        host=HostName("alice"),
        title=title,
    )


@contextlib.asynccontextmanager
async def announcing(shown: str | None = None) -> AsyncIterator[Announcer]:
    made = Announcer(Seat.HIDDEN, "hack", shown=shown)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(made.run())
        yield made
        running.cancel()


def asked(station: Scripted) -> int:
    return station.received.count(b"GET /admin/metadata?")


async def test_a_title_is_told_once_with_the_seat_that_it_is_for() -> None:
    async with scripted(DONE).running() as station, announcing() as made:
        made.want(order(station.port, "A - B"))
        await aeventually(lambda: made.shown == "A - B", within=5)
        made.want(order(station.port, "A - B"))
        assert asked(station) == 1
        assert b"mount=%2Fa-standby.mp3&" in station.received
        assert made.refused == ""


async def test_a_title_of_another_mount_is_taken_away() -> None:
    async with scripted(DONE).running() as station, announcing() as made:
        made.want(order(station.port, ""))
        await aeventually(lambda: made.shown == "", within=5)
        assert b"&song= HTTP" in station.received


async def test_what_the_put_began_with_is_not_told_again() -> None:
    async with scripted(DONE).running() as station, announcing("A - B") as made:
        made.want(order(station.port, "A - B"))
        with pytest.raises(AssertionError):
            await aeventually(lambda: asked(station), within=0.3)


async def test_a_refusal_is_kept_and_asked_again_until_it_is_done() -> None:
    async with scripted(NO).running() as station, announcing() as made:
        made.want(order(station.port, "A - B"))
        await aeventually(lambda: "will not accept" in made.refused, within=5)
        assert made.shown is None
        station.answer = DONE
        await aeventually(lambda: made.shown == "A - B", within=5)
        assert made.refused == ""


async def test_a_refused_title_that_is_taken_back_is_no_trouble_any_more() -> None:
    async with scripted(NO).running() as station, announcing("") as made:
        made.want(order(station.port, "A - B"))
        await aeventually(lambda: made.refused, within=5)
        made.want(order(station.port, ""))
        await aeventually(lambda: not made.refused, within=5)


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (NO, Refused, "will not accept URL updates"),
        (b"", Refused, "it said nothing"),
        (b"HTTP/1.0 401 No\r\n\r\n", Refused, "401"),
    ],
)
async def test_only_icecasts_word_is_a_success(
    answer: bytes, error: type[Exception], words: str
) -> None:
    async with scripted(answer).running() as station:
        with pytest.raises(error, match=words):
            await announce(order(station.port, "A"), Seat.PRIMARY, "hack")


async def test_a_station_that_is_away_is_told_so() -> None:
    with pytest.raises(Unavailable, match="can't be told the title"):
        await announce(order(free_port(), "A"), Seat.PRIMARY, "hack")
