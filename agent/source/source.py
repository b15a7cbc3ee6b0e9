"""What a source process is told and what it then does: one encoder and one feed."""

import asyncio
import contextlib
import dataclasses
from collections.abc import Callable, Mapping
from typing import Final

from agent.source.encoder import Encoder
from agent.source.feed import Feed
from agent.steering import Json
from sessiond.core.source_messages import parse_lease, parse_order, report_document
from sessiond.core.sourcing import (
    Lease,
    SourceOrder,
    SourceReport,
    SourceState,
    ffmpeg_argv,
)
from sessiond.errors import Refused, SessiondError
from sessiond.units import Seconds

Now = Callable[[], Seconds]

_NOTHING_ORDERED: Final = SourceReport(
    path=None, state=SourceState.WAITING, detail="nothing ordered yet"
)


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
        self._lease: Lease | None = None
        self._used = 0
        self._feed: Feed | None = None
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
            case {"lease": None, **rest} if not rest:
                self._take_lease(None)
            case {"lease": lease, **rest} if not rest:
                self._take_lease(parse_lease(lease))
            case {"report": True, **rest} if not rest:
                pass
            case {"stop": True, **rest} if not rest:
                self.stop()
            case _:
                known = "order with password, lease, report, stop"
                raise Refused(f"a source knows these requests: {known}")
        return {"report": report_document(self._report())}

    def stop(self) -> None:
        """End the PUT, FFmpeg and `run`."""
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
        feed = Feed(order, self._password, used=self._used, now=self._now)
        feed.renew(self._lease)
        encoder = Encoder(
            ffmpeg_argv(order),
            self._env,
            sink=feed.encode,
            restarted=feed.begin_chain,
            now=self._now,
        )
        self._feed, self._encoder = feed, encoder
        async with asyncio.TaskGroup() as group:
            feeding = group.create_task(feed.run())
            encoding = group.create_task(self._encode(encoder))
            await self._bell.wait()
            # The mount is freed first: FFmpeg may take its time.
            feeding.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await feeding
            encoding.cancel()
        self._used = feed.used
        self._feed = self._encoder = None

    async def _encode(self, encoder: Encoder) -> None:
        try:
            await encoder.run()
        except SessiondError as e:
            self._failure = e
            self._bell.set()

    def _take_order(self, order: SourceOrder, password: str) -> None:
        if (order, password) != (self._order, self._password):
            self._order, self._password = order, password
            self._bell.set()

    def _take_lease(self, lease: Lease | None) -> None:
        # One that waited in the socket while we were paused may come after a newer.
        if lease and self._lease and lease.sent_at < self._lease.sent_at:
            return
        self._lease = lease
        if self._feed is not None:
            self._feed.renew(lease)

    def _report(self) -> SourceReport:
        if self._feed is None or self._encoder is None:
            return _NOTHING_ORDERED
        report, encoder = self._feed.report(), self._encoder
        # FFmpeg warns of this and that; its words matter where it gives no sound.
        detail = report.detail
        if not encoder.encoded_bytes and encoder.said:
            detail = f"FFmpeg: {encoder.said}"
        return dataclasses.replace(
            report,
            detail=detail,
            encoder_pid=encoder.pid,
            encoder_restarts=encoder.restarts,
            encoded_bytes=encoder.encoded_bytes,
        )
