"""What a source process is told and what it then does: one encoder, two feeds."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from agent.source.encoder import Encoder
from agent.source.feed import Feed
from agent.steering import Json
from sessiond.core.source_messages import (
    parse_lease,
    parse_order,
    parse_seat,
    report_document,
)
from sessiond.core.sourcing import (
    Lease,
    Seat,
    SeatReport,
    SourceOrder,
    SourceReport,
    ffmpeg_argv,
)
from sessiond.errors import Refused, SessiondError
from sessiond.units import Seconds

Now = Callable[[], Seconds]

_NOTHING_ORDERED: Final = SeatReport(detail="nothing ordered yet")


class Source:
    """The source process without its rim (arguments, socket, signals).

    Args:
        env: FFmpeg's environment.
        now: The clock of leases.
    """

    def __init__(self, env: Mapping[str, str], *, now: Now) -> None:
        self._env = env
        self._now = now
        self._bell = asyncio.Event()
        self._order: SourceOrder | None = None
        self._password = ""
        self._leases: dict[Seat, Lease] = {}
        self._used = dict.fromkeys(Seat, 0)
        self._feeds: dict[Seat, Feed] = {}
        self._encoder: Encoder | None = None
        self._failure: SessiondError | None = None
        self._stopping = False

    def answer(self, request: Mapping[str, Json]) -> Mapping[str, Json]:
        """Take one request of the agent's; the answer is always the report.

        Raises:
            Refused: It is no request of ours; nothing changed.
        """
        match request:
            case {"order": order, "password": str(password), **rest} if not rest:
                self._take_order(parse_order(order), password)
            case {"lease": lease, **rest} if not rest:
                self._take_lease(parse_lease(lease))
            case {"revoke": seat, **rest} if not rest:
                self._revoke(parse_seat(seat))
            case {"report": True, **rest} if not rest:
                pass
            case {"stop": True, **rest} if not rest:
                self.stop()
            case _:
                known = "order with password, lease, revoke, report, stop"
                raise Refused(f"a source knows these requests: {known}")
        return {"report": report_document(self._report())}

    def stop(self) -> None:
        """End both PUTs, then FFmpeg and `run`."""
        self._stopping = True
        self._bell.set()

    async def run(self) -> None:
        """Do what was ordered until told to stop.

        Raises:
            Broken: FFmpeg, its codec or its JACK input is missing.
            Unavailable: FFmpeg ended too often in a row.
        """
        while not self._stopping:
            await self._bell.wait()
            self._bell.clear()
            if self._order is not None and not self._stopping:
                await self._fulfil(self._order)
            if self._failure is not None:
                raise self._failure

    async def _fulfil(self, order: SourceOrder) -> None:
        """Encode and feed until the order changes, the end, or a failure."""
        self._feeds = {seat: self._feed(order, seat) for seat in Seat}
        self._encoder = Encoder(
            ffmpeg_argv(order),
            self._env,
            sink=self._encoded,
            restarted=self._begin_chain,
            now=self._now,
        )
        async with asyncio.TaskGroup() as group:
            feeding = [group.create_task(feed.run()) for feed in self._feeds.values()]
            encoding = group.create_task(self._encode(self._encoder))
            await self._bell.wait()
            # The mounts are freed first: FFmpeg may take its time.
            for each in feeding:
                each.cancel()
            await asyncio.wait(feeding)
            encoding.cancel()
        self._used = {seat: feed.used for seat, feed in self._feeds.items()}
        self._feeds, self._encoder = {}, None

    def _feed(self, order: SourceOrder, seat: Seat) -> Feed:
        used = self._used[seat]
        feed = Feed(order, self._password, seat=seat, used=used, now=self._now)
        feed.renew(self._leases.get(seat))
        return feed

    def _encoded(self, chunk: bytes) -> None:
        for feed in self._feeds.values():
            feed.encode(chunk)

    def _begin_chain(self) -> None:
        for feed in self._feeds.values():
            feed.begin_chain()

    async def _encode(self, encoder: Encoder) -> None:
        try:
            await encoder.run()
        except SessiondError as e:
            self._failure = e
            self._bell.set()

    def _take_order(self, order: SourceOrder, password: str) -> None:
        before, known = self._order, self._password
        self._order, self._password = order, password
        if before is not None and _but_for_title(before) == _but_for_title(order):
            # The encoder and both PUTs go on, unless a new encoder is asked for.
            if order.encoder > before.encoder and self._encoder is not None:
                self._encoder.renew()
            for feed in self._feeds.values():
                feed.entitle(order)
            if password == known:
                return
        self._bell.set()

    def _take_lease(self, lease: Lease) -> None:
        before = self._leases.get(lease.seat)
        # One that waited in the socket while we were paused may come after a newer.
        if before is not None and lease.sent_at < before.sent_at:
            return
        self._leases[lease.seat] = lease
        if feed := self._feeds.get(lease.seat):
            feed.renew(lease)

    def _revoke(self, seat: Seat) -> None:
        self._leases.pop(seat, None)
        if feed := self._feeds.get(seat):
            feed.renew(None)

    def _report(self) -> SourceReport:
        encoder = self._encoder
        if encoder is None:
            return SourceReport(primary=_NOTHING_ORDERED, hidden=_NOTHING_ORDERED)
        return SourceReport(
            primary=self._feeds[Seat.PRIMARY].report(),
            hidden=self._feeds[Seat.HIDDEN].report(),
            encoder_pid=encoder.pid,
            encoder_restarts=encoder.restarts,
            encoded_bytes=encoder.encoded_bytes,
            # FFmpeg warns of this and that; its words matter where it gives no sound.
            encoder_said="" if encoder.encoded_bytes else encoder.said,
        )


def _but_for_title(order: SourceOrder) -> SourceOrder:
    return replace(order, title="", encoder=0)
