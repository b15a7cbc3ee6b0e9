"""Every answer that a station, or what stands in its place, may give to a PUT."""

import asyncio

import pytest

from agent.source.put import MountInUse, PasswordDenied, open_put
from sessiond.core.sourcing import Seat, SourceOrder
from sessiond.core.spec import Codec
from sessiond.errors import SessiondError, Unavailable
from sessiond.units import Hertz, HostName, Kbps, MountPath, SessionName
from tests.support.eventually import aeventually
from tests.support.icecast import ADDRESS, free_port
from tests.support.scripted import scripted

HEAD = b"PUT /a.ogg HTTP/1.1\r\n\r\n"


def order(port: int, *, tls: bool = False) -> SourceOrder:
    return SourceOrder(
        path=MountPath("/a.ogg"),
        hidden=MountPath("/a-standby.ogg"),
        codec=Codec.OPUS,
        bitrate_kbps=Kbps(96),
        rate_hz=Hertz(48000),
        jack_client="air-a.ogg",
        address=ADDRESS,
        port=port,
        tls=tls,
        session=SessionName("jam"),
        host=HostName("alice"),
    )


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.0 200 OK\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"]
)
async def test_both_ways_of_saying_yes_open_the_put(answer: bytes) -> None:
    async with scripted(answer, hang_up=False).running() as station:
        put = await open_put(order(station.port), Seat.PRIMARY, HEAD)
        await put.send(b"sound")
        await put.close()
        await aeventually(station.ended.is_set, within=1)
        assert bytes(station.received) == HEAD + b"sound"


@pytest.mark.parametrize(
    ("answer", "kind", "word"),
    [
        (
            b"HTTP/1.0 403 Forbidden\r\n\r\n<b>Mountpoint in use</b>",
            MountInUse,
            "Another source holds /a.ogg",
        ),
        (
            b"HTTP/1.1 409 Conflict\r\n\r\nMountpoint in use",
            MountInUse,
            "Another source holds /a.ogg",
        ),
        (
            b"HTTP/1.0 403 Forbidden\r\n\r\ntoo many sources connected",
            MountInUse,
            "limit of sources",
        ),
        (
            b"HTTP/1.0 403 Forbidden\r\n\r\nContent-type not supported",
            MountInUse,
            "does not take the format",
        ),
        (b"HTTP/1.0 401 Who\r\n\r\n", PasswordDenied, "to the user source"),
        (b"HTTP/1.0 404 No\r\n\r\n", Unavailable, "answered 404"),
        (b"\r\n\r\n", Unavailable, "answered nothing known"),
        (b"SSH-2.0-OpenSSH\r\n", Unavailable, "can't be reached"),
        (b"x" * 20000, Unavailable, "can't be reached"),
        (b"", Unavailable, "can't be reached"),
    ],
)
async def test_every_no_has_its_meaning(
    answer: bytes, kind: type[SessiondError], word: str
) -> None:
    async with scripted(answer).running() as station:
        with pytest.raises(kind, match=word):
            await open_put(order(station.port), Seat.PRIMARY, HEAD)


async def test_a_refusal_names_the_seats_own_mount() -> None:
    async with scripted(b"HTTP/1.0 403 No\r\n\r\nMountpoint in use").running() as there:
        with pytest.raises(MountInUse, match=r"holds /a-standby\.ogg"):
            await open_put(order(there.port), Seat.HIDDEN, HEAD)


async def test_nobody_there_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="can't be reached"):
        await open_put(order(free_port()), Seat.PRIMARY, HEAD)


async def test_a_station_that_says_nothing_is_given_up() -> None:
    async with scripted(b"", hang_up=False).running() as station:
        with pytest.raises(Unavailable, match="did not answer within 3 s"):
            await open_put(order(station.port), Seat.PRIMARY, HEAD)


async def test_no_tls_where_it_was_asked_for_is_said() -> None:
    async with scripted(b"").running() as station:
        with pytest.raises(Unavailable):
            await open_put(order(station.port, tls=True), Seat.PRIMARY, HEAD)


async def test_the_end_of_the_connection_is_noticed() -> None:
    async with scripted(b"HTTP/1.0 200 OK\r\n\r\n").running() as station:
        put = await open_put(order(station.port), Seat.PRIMARY, HEAD)
        async with asyncio.timeout(1):
            assert await put.ended() == "Icecast closed the connection."
        await put.close()


async def test_a_cut_ends_it_with_a_reset() -> None:
    answer = b"HTTP/1.0 200 OK\r\n\r\n"
    async with scripted(answer, hang_up=False).running() as station:
        put = await open_put(order(station.port), Seat.PRIMARY, HEAD)
        put.cut()
        await aeventually(station.ended.is_set, within=1)
        assert station.cut
        await put.close()
