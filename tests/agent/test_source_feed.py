"""The right to feed a mount, on a clock that stands still until told to go on."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from mutagen.ogg import OggPage

from agent.source.feed import Feed
from sessiond.core.election import Role
from sessiond.core.sourcing import (
    LEASE_SECONDS,
    Lease,
    Seat,
    SourceOrder,
    SourceState,
)
from sessiond.core.spec import Codec
from sessiond.units import Hertz, HostName, Kbps, MountPath, Seconds, SessionName, Term
from tests.support.eventually import aeventually
from tests.support.icecast import ADDRESS
from tests.support.scripted import Scripted, scripted

YES = b"HTTP/1.0 200 OK\r\n\r\n"
IN_USE = b"HTTP/1.0 403 Forbidden\r\n\r\nMountpoint in use"
DENIED = b"HTTP/1.0 401 No\r\n\r\n"


@dataclass(slots=True)
class Hand:
    """A clock's hand."""

    now: float = 1000.0


def order(port: int, codec: Codec = Codec.MP3, name: str = "") -> SourceOrder:
    return SourceOrder(
        path=MountPath("/a.mp3"),
        hidden=MountPath("/a-standby.mp3"),
        codec=codec,
        bitrate_kbps=Kbps(96),
        rate_hz=Hertz(48000),
        jack_client="air-a.mp3",
        address=ADDRESS,
        port=port,
        name=name,
        session=SessionName("jam"),
        host=HostName("alice"),
    )


def lease(grant: int, hand: Hand, seat: Seat = Seat.PRIMARY) -> Lease:
    return Lease(
        seat=seat,
        term=Term(3),
        role=Role.STANDBY if seat is Seat.HIDDEN else Role.LEADER,
        grant=grant,
        sent_at=Seconds(hand.now),
    )


@contextlib.asynccontextmanager
async def feeding(
    station: Scripted, hand: Hand, *, name: str = "", seat: Seat = Seat.PRIMARY
) -> AsyncIterator[Feed]:
    where = order(station.port, name=name)
    feed = Feed(where, "hack", seat=seat, now=lambda: Seconds(hand.now))
    async with asyncio.TaskGroup() as group:
        running = group.create_task(feed.run())
        yield feed
        running.cancel()


async def become(feed: Feed, state: SourceState) -> None:
    await aeventually(lambda: feed.report().state is state, within=2)


async def test_without_sound_nothing_is_opened() -> None:
    hand = Hand()
    async with (
        scripted(YES, hang_up=False).running() as station,
        feeding(station, hand) as feed,
    ):
        feed.renew(lease(1, hand))
        with pytest.raises(AssertionError):
            await aeventually(lambda: station.received, within=0.3)
        feed.encode(b"sound")
        await become(feed, SourceState.LIVE)


async def test_the_hidden_seat_goes_to_the_standby_mount() -> None:
    hand = Hand()
    async with (
        scripted(YES, hang_up=False).running() as station,
        feeding(station, hand, seat=Seat.HIDDEN) as feed,
    ):
        feed.renew(lease(1, hand, Seat.HIDDEN))
        feed.encode(b"sound")
        await become(feed, SourceState.LIVE)
        assert station.received.startswith(b"PUT /a-standby.mp3 ")
        assert feed.report().path == "/a-standby.mp3"
        assert feed.report().role is Role.STANDBY


async def test_after_a_pause_not_one_byte_more_goes_out() -> None:
    hand = Hand()
    async with (
        scripted(YES, hang_up=False).running() as station,
        feeding(station, hand) as feed,
    ):
        feed.renew(lease(1, hand))
        feed.encode(b"early")
        await become(feed, SourceState.LIVE)
        feed.encode(b"sound")
        await aeventually(lambda: b"sound" in station.received, within=1)
        hand.now += LEASE_SECONDS + 0.1
        feed.encode(b"late")
        await become(feed, SourceState.WAITING)
        await aeventually(station.ended.is_set, within=1)
        assert station.cut
        assert b"late" not in station.received
        # The encoder was there before the PUT, but its first sound was not kept.
        assert b"early" not in station.received


async def test_one_grant_is_one_accepted_put() -> None:
    hand = Hand()
    async with scripted(YES).running() as station, feeding(station, hand) as feed:
        feed.encode(b"sound")
        feed.renew(lease(4, hand))
        await become(feed, SourceState.LOST)
        station.hang_up = False
        feed.renew(lease(4, hand))
        feed.renew(lease(3, hand))
        with pytest.raises(AssertionError):
            await aeventually(
                lambda: feed.report().state is not SourceState.LOST, within=0.4
            )
        feed.renew(lease(5, hand))
        await become(feed, SourceState.LIVE)
        assert feed.report().grant == 5


async def test_a_refusal_does_not_use_the_grant_up() -> None:
    hand = Hand()
    async with scripted(IN_USE).running() as station, feeding(station, hand) as feed:
        feed.encode(b"sound")
        feed.renew(lease(1, hand))
        await become(feed, SourceState.REFUSED)
        station.answer, station.hang_up = YES, False
        await become(feed, SourceState.LIVE)


async def test_a_denial_uses_the_grant_up() -> None:
    hand = Hand()
    async with scripted(DENIED).running() as station, feeding(station, hand) as feed:
        feed.encode(b"sound")
        feed.renew(lease(1, hand))
        await become(feed, SourceState.DENIED)
        length = len(station.received)
        with pytest.raises(AssertionError):
            await aeventually(lambda: len(station.received) > length, within=0.6)


async def test_words_that_icecast_cannot_take_are_a_denial() -> None:
    hand = Hand()
    async with (
        scripted(YES).running() as station,
        feeding(station, hand, name="a\nb") as feed,
    ):
        feed.encode(b"sound")
        feed.renew(lease(1, hand))
        await become(feed, SourceState.DENIED)
        assert "line break" in feed.report().detail
        assert not station.received


async def test_a_right_taken_back_ends_the_put() -> None:
    hand = Hand()
    async with (
        scripted(YES, hang_up=False).running() as station,
        feeding(station, hand) as feed,
    ):
        feed.encode(b"sound")
        feed.renew(lease(1, hand))
        await become(feed, SourceState.LIVE)
        feed.renew(None)
        await become(feed, SourceState.WAITING)
        await aeventually(station.ended.is_set, within=1)
        assert not station.cut


async def test_a_stalled_station_is_left_after_five_seconds() -> None:
    hand = Hand()
    async with scripted(YES, hang_up=False).running() as station:
        station.reads = False
        async with feeding(station, hand) as feed:
            feed.encode(b"sound")
            feed.renew(lease(1, hand))
            await become(feed, SourceState.LIVE)
            feed.encode(bytes(30_000_000))
            await aeventually(lambda: feed.report().state is SourceState.LOST, within=7)
            assert "for 5 s" in feed.report().detail


def opus(serial: int) -> bytes:
    """Return what an encoder begins with: headers, and a page of sound."""
    pages = []
    for number, (packet, position) in enumerate(
        [(b"OpusHead" + bytes(11), 0), (b"OpusTags" + bytes(8), 0), (b"sound", 960)]
    ):
        page = OggPage()
        page.packets, page.position, page.first = [packet], position, number == 0
        page.serial, page.sequence = serial, number
        pages.append(page.write())
    return b"".join(pages)


async def test_an_encoder_that_takes_another_s_place_has_the_title_too() -> None:
    hand = Hand()
    async with scripted(YES, hang_up=False).running() as station:
        where = order(station.port, Codec.OPUS)
        feed = Feed(where, "hack", seat=Seat.PRIMARY, now=lambda: Seconds(hand.now))
        async with asyncio.TaskGroup() as group:
            running = group.create_task(feed.run())
            feed.renew(lease(1, hand))
            feed.encode(opus(7))
            await become(feed, SourceState.LIVE)
            assert feed.report().title == ""
            feed.entitle(dataclasses.replace(where, title="A - B"))
            feed.begin_chain()
            feed.encode(opus(8))
            await aeventually(lambda: b"title=B" in station.received, within=5)
            assert station.received.count(b"PUT ") == 1
            assert b"artist=A" in station.received
            assert feed.report().title == "A - B"
            running.cancel()
        assert feed.report().title == ""
