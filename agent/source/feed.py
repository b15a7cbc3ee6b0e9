"""The right to feed a seat, and the feeding: election.md, "Behind".

A source has two of these, one a seat, on one encoder. A `Feed` opens a PUT only under a
fresh lease whose grant number has not been used, keeps trying while Icecast refuses or
can't be reached, and ends the PUT when the agent has been silent for `LEASE_SECONDS`,
when a send stalls, and when it is told to. After that only a higher grant number opens
the next one.
"""

import asyncio
import contextlib
import sys
from collections.abc import Callable
from typing import Final

from agent.source.announcer import Announcer
from agent.source.framing import framing_for
from agent.source.put import MountInUse, PasswordDenied, Put, open_put
from sessiond.core.put_head import request_head
from sessiond.core.sourcing import (
    LEASE_SECONDS,
    Lease,
    Seat,
    SeatReport,
    SourceOrder,
    SourceState,
)
from sessiond.errors import Refused, Unavailable
from sessiond.units import Seconds, Term

# A mount that another holds, or a station that is away, is tried this often.
RETRY_SECONDS: Final = Seconds(0.25)

# While it goes on trying, a source is what the last try made it.
_TRYING: Final = frozenset({SourceState.REFUSED, SourceState.UNREACHABLE})

Now = Callable[[], Seconds]


class Feed:
    """One seat's connection to Icecast, fed with what the encoder gives.

    Args:
        order: Where to.
        seat: Which of the order's two mounts.
        password: The source's; kept only for the PUT's head.
        used: The highest grant number that is spent already.
        now: The clock of leases (`agent.source.leases.lease_clock`).
    """

    def __init__(
        self,
        order: SourceOrder,
        password: str,
        *,
        seat: Seat,
        used: int = 0,
        now: Now,
    ) -> None:
        self._order = order
        self.seat = seat
        self._password = password
        self._now = now
        self._framing = framing_for(order.codec, order.title)
        self._announcer = self._new_announcer()
        self._bell = asyncio.Event()
        self._waiting = bytearray()
        self._opened = False
        self._joined = False
        self._encoding = False
        self._gone = ""
        self._lease: Lease | None = None
        self._put_lease: Lease | None = None
        self._state = SourceState.WAITING
        self._detail = "no grant yet"
        self._bytes_sent = 0
        self._moved_at: Seconds | None = None
        self.used = used

    def renew(self, lease: Lease | None) -> None:
        """Take the agent's word; None takes the right to feed back."""
        self._lease = lease
        self._bell.set()

    def entitle(self, order: SourceOrder) -> None:
        """Take an order that differs from the one before in its title alone."""
        self._order = order
        self._framing.entitle(order.title)
        self._announcer.want(order)

    def encode(self, chunk: bytes) -> None:
        """Take a chunk of the encoder's; dropped while no PUT is open."""
        units = self._framing.feed(chunk)
        self._encoding = self._encoding or bool(units)
        if self._opened:
            for unit in units:
                self._joined = self._joined or unit.opens
                if self._joined:
                    self._waiting += self._framing.written(unit)
        if units:
            self._bell.set()

    def begin_chain(self) -> None:
        """Go on with another encoder's output: a new chain on the same PUT."""
        self._framing = framing_for(self._order.codec, self._order.title)
        self._encoding = False

    def report(self) -> SeatReport:
        """Return the seat's part of the process's report."""
        lease, moved_at = self._put_lease, self._moved_at
        return SeatReport(
            path=self._order.mount(self.seat),
            state=self._state,
            detail=self._detail,
            grant=self.used,
            term=lease.term if lease else Term(0),
            role=lease.role if lease else None,
            bytes_sent=self._bytes_sent,
            moved_ago=None if moved_at is None else Seconds(self._now() - moved_at),
            title=self._title(),
            title_refused=self._announcer.refused,
        )

    def _title(self) -> str:
        """Return what the present PUT was given; empty without one."""
        if not self._opened:
            return ""
        told = self._framing.title if self._framing.retitles else self._announcer.shown
        return told or ""

    async def run(self) -> None:
        """Feed the mount whenever that is permitted; ends the PUT when cancelled."""
        while True:
            lease = self._permitted()
            if lease is None:
                await self._ring(LEASE_SECONDS)
                continue
            put = await self._open(lease)
            if put is None:
                await self._ring(RETRY_SECONDS)
            else:
                await self._hold(put)

    def _permitted(self) -> Lease | None:
        """Return the lease under which a PUT may be opened now, if there is one."""
        lease = self._lease
        if lease is None or lease.grant <= self.used or not self._encoding:
            return None
        if not lease.is_fresh(self._now()):
            self._become(SourceState.WAITING, "the agent has been silent")
            return None
        return lease

    async def _open(self, lease: Lease) -> Put | None:
        if self._state not in _TRYING:
            self._become(SourceState.CONNECTING)
        try:
            head = request_head(self._order, password=self._password, lease=lease)
            put = await open_put(self._order, self.seat, head)
        except MountInUse as e:
            self._become(SourceState.REFUSED, e.sentence)
        except (PasswordDenied, Refused) as e:
            # The next try would end the same way; the agent may grant another.
            self.used = lease.grant
            self._become(SourceState.DENIED, e.sentence)
        except Unavailable as e:
            self._become(SourceState.UNREACHABLE, e.sentence)
        else:
            self.used = lease.grant
            self._put_lease = lease
            return put
        return None

    async def _hold(self, put: Put) -> None:
        """Feed an accepted PUT until it is over, then end it."""
        self._waiting = bytearray(self._framing.opening())
        self._announcer = self._new_announcer()
        self._bytes_sent, self._moved_at = 0, None
        self._opened, self._joined, self._gone = True, False, ""
        self._become(SourceState.LIVE)
        try:
            async with asyncio.TaskGroup() as group:
                beside = [group.create_task(self._watch(put))]
                if not self._framing.retitles:
                    beside.append(group.create_task(self._announcer.run()))
                await self._pump(put)
                for each in beside:
                    each.cancel()
        finally:
            self._opened = False
            self._waiting.clear()
            if self._state is SourceState.LIVE:
                # Cancelled: FFmpeg may take two seconds more, the mount is free now.
                self._become(SourceState.WAITING, "the source ends it")
            await put.close()

    def _new_announcer(self) -> Announcer:
        """Return one for a new PUT, which begins with what its headers say."""
        begun = None if self._framing.title is None else self._order.title
        made = Announcer(self.seat, self._password, shown=begun)
        made.want(self._order)
        return made

    async def _watch(self, put: Put) -> None:
        self._gone = await put.ended()
        self._bell.set()

    async def _pump(self, put: Put) -> None:
        """Send what the encoder gives, until the right or the connection ends."""
        while (lease := self._lease) is not None:
            if self._gone:
                self._become(SourceState.LOST, self._gone)
                return
            # Checked before every write: after a pause this comes first.
            if not lease.is_fresh(self._now()):
                put.cut()
                self._become(SourceState.WAITING, "the agent has been silent")
                return
            if not await self._send(put):
                return
        self._become(SourceState.WAITING, "the agent took the right back")

    async def _send(self, put: Put) -> bool:
        """Send all that waits, or wait for more; False once the connection is gone."""
        if not self._waiting:
            await self._ring(LEASE_SECONDS / 10)
            return True
        payload, self._waiting = bytes(self._waiting), bytearray()
        try:
            await put.send(payload)
        except Unavailable as e:
            put.cut()
            self._become(SourceState.LOST, e.sentence)
            return False
        self._bytes_sent += len(payload)
        self._moved_at = self._now()
        return True

    async def _ring(self, within: float) -> None:
        """Wait for the bell, at most this long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._bell.wait()
        self._bell.clear()

    def _become(self, state: SourceState, detail: str = "") -> None:
        if state is not self._state:
            # One line a change, for the log that the agent keeps. structlog would
            # double the time that a source takes to start, and so a takeover.
            sys.stderr.write(
                f"source.state seat={self.seat.value} from={self._state.value} "
                f"to={state.value} why={detail!r}\n"
            )
        self._state, self._detail = state, detail
