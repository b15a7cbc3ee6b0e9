"""A source as its agent steers it: one encoder, two seats, a lease for each."""

import asyncio
import contextlib
import dataclasses
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from agent.source.source import Source
from agent.steering import Json
from sessiond.core.holder import Role
from sessiond.core.source_messages import (
    lease_document,
    order_document,
    parse_report,
)
from sessiond.core.sourcing import (
    LEASE_SECONDS,
    Lease,
    Seat,
    SeatReport,
    SourceOrder,
    SourceReport,
    SourceState,
)
from sessiond.core.spec import Codec
from sessiond.errors import Refused
from sessiond.units import Hertz, HostName, Kbps, MountPath, Seconds, SessionName, Term
from tests.support.eventually import aeventually
from tests.support.icecast import ADDRESS
from tests.support.scripted import Scripted, scripted

YES = b"HTTP/1.0 200 OK\r\n\r\n"
ROLES = {Seat.PRIMARY: Role.LEADER, Seat.HIDDEN: Role.STANDBY}

# Stands in for FFmpeg; the deaf one's end takes as long as an end may take.
FFMPEG = "while echo sound; do sleep 0.05; done\n"
DEAF = "trap '' TERM\n" + FFMPEG


@dataclass(slots=True, kw_only=True)
class Steered:
    """A running source, its agent's words, and the clock of both."""

    source: Source
    station: Scripted
    now: float = 1000.0

    def say(self, **request: Json) -> SourceReport:
        return parse_report(self.source.answer(request)["report"])

    @property
    def words(self) -> str:
        return self.station.received.decode("latin-1")

    def was_told(self, words: str) -> bool:
        return words in self.words

    @staticmethod
    def file(seat: Seat) -> str:
        return "a.mp3" if seat is Seat.PRIMARY else "a-standby.mp3"

    def order(
        self,
        name: str = "",
        title: str = "",
        password: str = "hack",  # noqa: S107
        encoder: int = 0,
    ) -> SourceReport:
        order = SourceOrder(
            path=MountPath("/a.mp3"),
            hidden=MountPath("/a-standby.mp3"),
            codec=Codec.MP3,
            bitrate_kbps=Kbps(96),
            rate_hz=Hertz(48000),
            jack_client="air-a.mp3",
            address=ADDRESS,
            port=self.station.port,
            name=name,
            encoder=encoder,
            session=SessionName("jam"),
            host=HostName("alice"),
            title=title,
        )
        return self.say(order=order_document(order), password=password)

    def lease(self, seat: Seat, grant: int = 1) -> Lease:
        return Lease(
            seat=seat,
            term=Term(3),
            role=ROLES[seat],
            grant=grant,
            sent_at=Seconds(self.now),
        )

    def renew(self, seat: Seat, grant: int = 1) -> SourceReport:
        return self.say(lease=lease_document(self.lease(seat, grant)))

    def seat(self, seat: Seat) -> SeatReport:
        report = self.say(report=True)
        return report.primary if seat is Seat.PRIMARY else report.hidden

    async def become(self, seat: Seat, state: SourceState) -> None:
        await aeventually(lambda: self.seat(seat).state is state, within=5)

    async def send_more(self, seat: Seat) -> None:
        before = self.seat(seat).bytes_sent
        await aeventually(lambda: self.seat(seat).bytes_sent > before, within=5)


@contextlib.asynccontextmanager
async def steered(folder: Path, ffmpeg: str = FFMPEG) -> AsyncIterator[Steered]:
    program = folder / "ffmpeg"
    program.write_text(f"#!/bin/sh\n{ffmpeg}")
    program.chmod(0o700)
    async with scripted(YES, hang_up=False).running() as station:
        env = {"PATH": f"{folder}:{os.environ['PATH']}"}
        source = Source(env, now=lambda: Seconds(made.now))
        made = Steered(source=source, station=station)
        async with asyncio.TaskGroup() as group:
            group.create_task(source.run())
            try:
                yield made
            finally:
                source.stop()


@contextlib.asynccontextmanager
async def feeding_both(folder: Path, ffmpeg: str = FFMPEG) -> AsyncIterator[Steered]:
    async with steered(folder, ffmpeg) as made:
        made.order()
        for seat in Seat:
            made.renew(seat)
        for seat in Seat:
            await made.become(seat, SourceState.LIVE)
        yield made


async def test_one_encoder_feeds_both_seats(tmp_path: Path) -> None:
    async with feeding_both(tmp_path) as made:
        for seat in Seat:
            await made.send_more(seat)
        assert made.station.received.count(b"PUT /a.mp3 ") == 1
        assert made.station.received.count(b"PUT /a-standby.mp3 ") == 1
        report = made.say(report=True)
        assert (report.primary.path, report.primary.role) == ("/a.mp3", Role.LEADER)
        assert (report.hidden.path, report.hidden.role) == (
            "/a-standby.mp3",
            Role.STANDBY,
        )
        assert report.encoder_pid
        assert report.encoder_restarts == 0


@pytest.mark.parametrize("seat", Seat)
async def test_a_seat_is_left_and_taken_again_without_the_other(
    seat: Seat, tmp_path: Path
) -> None:
    (other,) = set(Seat) - {seat}
    async with feeding_both(tmp_path) as made:
        pid = made.say(report=True).encoder_pid
        made.say(revoke=seat.value)
        await made.become(seat, SourceState.WAITING)
        assert made.station.ends == 1
        made.renew(seat, grant=2)
        await made.become(seat, SourceState.LIVE)
        assert made.seat(seat).grant == 2
        assert made.seat(other).grant == 1
        assert made.seat(other).state is SourceState.LIVE
        assert made.say(report=True).encoder_pid == pid


@pytest.mark.parametrize("seat", Seat)
async def test_a_lease_that_runs_out_ends_its_own_seat_only(
    seat: Seat, tmp_path: Path
) -> None:
    (other,) = set(Seat) - {seat}
    async with feeding_both(tmp_path) as made:
        made.now += LEASE_SECONDS - 1
        made.renew(other)
        made.now += 2
        await made.become(seat, SourceState.WAITING)
        assert "silent" in made.seat(seat).detail
        assert made.seat(other).state is SourceState.LIVE


async def test_each_seat_counts_its_own_grants(tmp_path: Path) -> None:
    async with steered(tmp_path, DEAF) as made:
        made.order()
        made.renew(Seat.PRIMARY, grant=7)
        await made.become(Seat.PRIMARY, SourceState.LIVE)
        made.renew(Seat.HIDDEN, grant=1)
        await made.become(Seat.HIDDEN, SourceState.LIVE)
        # Another order ends both PUTs at once, and what was spent stays spent.
        made.order(name="Jam")
        await aeventually(lambda: made.station.ends == 2, within=5)
        assert made.seat(Seat.PRIMARY).state is SourceState.WAITING
        assert (made.seat(Seat.PRIMARY).grant, made.seat(Seat.HIDDEN).grant) == (7, 1)
        made.renew(Seat.HIDDEN, grant=2)
        await made.become(Seat.HIDDEN, SourceState.LIVE)
        assert made.seat(Seat.PRIMARY).state is SourceState.WAITING


async def test_a_lease_before_the_order_waits_for_it(tmp_path: Path) -> None:
    async with steered(tmp_path) as made:
        nothing = made.renew(Seat.HIDDEN)
        assert nothing.hidden.path is None
        assert "nothing ordered" in nothing.hidden.detail
        made.say(revoke="primary")
        made.order()
        await made.become(Seat.HIDDEN, SourceState.LIVE)


async def test_an_older_lease_does_not_undo_a_newer(tmp_path: Path) -> None:
    async with feeding_both(tmp_path) as made:
        old = dataclasses.replace(
            made.lease(Seat.HIDDEN), sent_at=Seconds(made.now - LEASE_SECONDS - 1)
        )
        made.say(lease=lease_document(old))
        await made.send_more(Seat.HIDDEN)
        assert made.seat(Seat.HIDDEN).state is SourceState.LIVE


async def test_a_wrong_request_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    async with feeding_both(tmp_path) as made:
        wrong = dataclasses.replace(made.lease(Seat.HIDDEN), role=Role.LEADER)
        for request in (
            {"lease": lease_document(wrong)},
            {"lease": None},
            {"revoke": "third"},
            {"revoke": None},
            {"revoke": "hidden", "lease": None},
        ):
            with pytest.raises(Refused):
                made.source.answer(request)
        assert {made.seat(seat).state for seat in Seat} == {SourceState.LIVE}


async def test_at_the_end_both_mounts_are_free_before_ffmpeg_ends(
    tmp_path: Path,
) -> None:
    async with feeding_both(tmp_path, DEAF) as made:
        pid = made.say(report=True).encoder_pid
        made.say(stop=True)
        await aeventually(lambda: made.station.ends == 2, within=2)
        # It is deaf to SIGTERM, and its two seconds have hardly begun.
        os.kill(pid, 0)
        assert not made.station.cut
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_another_title_changes_neither_encoder_nor_put(tmp_path: Path) -> None:
    async with feeding_both(tmp_path) as made:
        pid = made.say(report=True).encoder_pid
        made.order(title="A - B")
        for seat in Seat:
            told = f"/admin/metadata?mode=updinfo&mount=%2F{made.file(seat)}&"
            await aeventually(partial(made.was_told, told), within=5)
            await made.send_more(seat)
        report = made.say(report=True)
        assert report.encoder_pid == pid
        assert made.words.count("PUT ") == 2
        assert "song=A%20-%20B" in made.words
        # This station says no more than 200.
        await aeventually(
            lambda: "does not show" in made.seat(Seat.HIDDEN).title_refused, within=5
        )
        assert made.seat(Seat.HIDDEN).title == ""


async def test_another_password_with_a_title_is_another_order(tmp_path: Path) -> None:
    async with feeding_both(tmp_path) as made:
        pid = made.say(report=True).encoder_pid
        made.order(title="A - B", password="other")
        await aeventually(
            lambda: made.say(report=True).encoder_pid not in (0, pid), within=8
        )


async def test_a_new_encoder_is_heard_on_the_same_puts(tmp_path: Path) -> None:
    async with feeding_both(tmp_path) as made:
        pid = made.say(report=True).encoder_pid
        made.order(encoder=1)
        await aeventually(
            lambda: made.say(report=True).encoder_pid not in (0, pid), within=8
        )
        for seat in Seat:
            await made.send_more(seat)
        assert made.words.count("PUT ") == 2
        # An agent that began anew knows of no earlier start.
        pid = made.say(report=True).encoder_pid
        made.order(encoder=0)
        await made.send_more(Seat.PRIMARY)
        assert made.say(report=True).encoder_pid == pid
