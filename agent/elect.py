"""The elector's driver: brings events to `core.election` and performs its effects.

A step is taken in one piece: nothing is awaited between deciding, storing and handing
the messages on, so two events never interleave. It never waits for JACK.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final, TypeVar, assert_never

from agent.doors import Bell, Clock
from sessiond.core.election import (
    AnswerHandover,
    ConfirmStamp,
    Effect,
    ElectorConfig,
    Event,
    HandoverRequested,
    KeepConflict,
    Leadership,
    Message,
    MessageReceived,
    Persist,
    Persisted,
    Rejection,
    RejectStamp,
    Send,
    StampRequested,
    WakeAt,
    Woke,
    leadership,
    start,
    step,
)
from sessiond.core.stamped import Stamp, StampedSpec
from sessiond.errors import Refused, SessiondError, Unavailable
from sessiond.units import HostName, Seconds

T = TypeVar("T")

Tell = Callable[[HostName, Message], Awaitable[Sequence[Message]]]
"""Sends a message and returns what came back; an empty answer for a lost one."""

# A leader without a majority's acks loses its rights after 2.25 s; whoever asked is
# told by then (elector: NO_MAJORITY). Twice that for wifi, and a little more.
ANSWER_LIMIT: Final = Seconds(6.0)
# Heartbeats to a silent host pile up for as long as a call's deadline; two a second.
MOST_UNDER_WAY: Final = 4
# Many look within one turn, and what they see would hardly differ: deadlines in it are
# seconds. A step makes a new picture at once.
MOMENT: Final = Seconds(0.02)
# A full disk seldom heals sooner.
DISK_RETRY: Final = Seconds(0.25)

_REASONS: Final = {
    Rejection.NOT_LEADER: "this host does not lead the session any more",
    Rejection.NO_MAJORITY: "no majority of the hosts stored the change in time",
    Rejection.CONFLICT: "the session was changed by somebody else in the meantime",
    Rejection.STOPPED: "the session has been stopped",
    Rejection.NO_ABLE_HOST: "no other host is able to broadcast now",
}

_REFUSED: Final = {Rejection.CONFLICT, Rejection.STOPPED, Rejection.NO_ABLE_HOST}


class Elector:
    """One session's elector on this host.

    Args:
        config: Who it is.
        persisted: What the disk knows.
        clock: Monotonic; the event loop's own.
        persist: Stores durably before it returns; raises Unavailable when it can't.
        tell: Carries messages.
        keep_conflict: Keeps the losing document of a partition.
        changed: Rung when leadership, right or document changed.
    """

    def __init__(
        self,
        config: ElectorConfig,
        persisted: Persisted,
        *,
        clock: Clock,
        persist: Callable[[Persisted], None],
        tell: Tell,
        keep_conflict: Callable[[StampedSpec], None],
        changed: Bell,
    ) -> None:
        self._clock = clock
        self._persist = persist
        self._tell = tell
        self._keep_conflict = keep_conflict
        self._changed = changed
        self._state = start(config, persisted, clock.now())
        self._seen_at = clock.now()
        self._seen_state = self._state
        self._seen = leadership(self._state, self._seen_at)
        self._group: asyncio.TaskGroup | None = None
        self._ended = False
        self._early: list[Send] = []
        self._shown: Leadership | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._under_way: dict[HostName, int] = {}
        self._requests = 0
        self._stamps: dict[int, asyncio.Future[Stamp]] = {}
        self._handovers: dict[int, asyncio.Future[HostName]] = {}

    @property
    def leadership(self) -> Leadership:
        """Who leads, and what this host may do, at this moment."""
        now = self._clock.now()
        if self._seen_state is not self._state or now - self._seen_at >= MOMENT:
            self._seen = leadership(self._state, now)
            self._seen_state, self._seen_at = self._state, now
        return self._seen

    @property
    def document(self) -> StampedSpec | None:
        """As `leadership.stamped`; asked far more often than anything else."""
        return self._state.persisted.stamped

    @property
    def able(self) -> bool:
        """What it has last taken in of this host's ability to broadcast."""
        return self._state.able

    @property
    def due(self) -> Seconds | None:
        """When the elector is to be woken, on its clock; long past if that failed."""
        timer = self._timer
        if timer is None or timer.cancelled():
            return None
        return Seconds(timer.when())

    async def run(self) -> None:
        """Take part in the election until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                early, self._early = self._early, []
                for send in early:
                    self._send(send.to, send.message)
                self.post(Woke())
                await asyncio.get_running_loop().create_future()
            finally:
                # Before the group waits for what is under way: it takes no more.
                self._end()

    def post(self, event: Event) -> None:
        """Take an event in and do what follows from it."""
        self._take(event, reply_to=None)

    async def receive(self, sender: HostName, message: Message) -> tuple[Message, ...]:
        """Take a member's message in and return what is to be answered to it."""
        return self._take(
            MessageReceived(sender=sender, message=message), reply_to=sender
        )

    async def stamp(
        self, document: StampedSpec, *, based_on: Stamp | None = None
    ) -> Stamp:
        """Have the document stamped; returns once a majority has stored it.

        A caretaker stores it alone, as an edit (`Stamp.edit`).

        Raises:
            Refused: The session was changed or stopped in the meantime.
            Unavailable: This host does not lead, the disk is full, or no majority
                stored it in time.
        """
        number = self._number()
        answer: asyncio.Future[Stamp] = asyncio.get_running_loop().create_future()
        self._stamps[number] = answer
        request = StampRequested(request=number, document=document, based_on=based_on)
        return await self._answered(request, answer, self._stamps, number)

    async def handover(self, to: HostName | None) -> HostName:
        """Order another host to take over and return which; it then shows.

        Raises:
            Refused: No other host is able, or not this one.
            Unavailable: This host does not lead, or has no majority.
        """
        number = self._number()
        answer: asyncio.Future[HostName] = asyncio.get_running_loop().create_future()
        self._handovers[number] = answer
        request = HandoverRequested(request=number, to=to)
        return await self._answered(request, answer, self._handovers, number)

    async def _answered(
        self,
        request: Event,
        answer: "asyncio.Future[T]",
        waiting: "dict[int, asyncio.Future[T]]",
        number: int,
    ) -> T:
        try:
            if self._ended:
                raise _ended()
            self.post(request)
            async with asyncio.timeout(ANSWER_LIMIT):
                return await answer
        except TimeoutError as e:
            raise Unavailable(
                f"Nothing came of it within {ANSWER_LIMIT:g} s.",
                "Try again; `sessiond status` shows who is there.",
            ) from e
        finally:
            del waiting[number]

    def _number(self) -> int:
        self._requests += 1
        return self._requests

    def _take(self, event: Event, reply_to: HostName | None) -> tuple[Message, ...]:
        if self._ended:
            return ()
        state, effects = step(self._state, event, self._clock.now())
        try:
            self._write_down(effects)
        except SessiondError as e:
            # As if the event had been lost: nothing that it led to may be said. But
            # time goes on, and whoever asked for it is told.
            self._wake_at(Seconds(self._clock.now() + DISK_RETRY))
            self._fail(event, e)
            return ()
        self._state = state
        replies = [r for e in effects if (r := self._perform(e, reply_to)) is not None]
        shown = replace(self.leadership, heard_leader_ago=None)
        if shown != self._shown:
            self._shown = shown
            self._changed()
        return tuple(replies)

    def _write_down(self, effects: Sequence[Effect]) -> None:
        """Do what must be on the disk before anything is said."""
        for effect in effects:
            if isinstance(effect, KeepConflict):
                self._keep_conflict(effect.stamped)
            elif isinstance(effect, Persist):
                self._persist(effect.persisted)

    def _fail(self, event: Event, error: SessiondError) -> None:
        """Tell whoever asked for an event that it came to nothing."""
        future: asyncio.Future[Stamp] | asyncio.Future[HostName] | None = None
        if isinstance(event, StampRequested):
            future = self._stamps.get(event.request)
        elif isinstance(event, HandoverRequested):
            future = self._handovers.get(event.request)
        if future is not None and not future.done():
            future.set_exception(error)

    def _end(self) -> None:
        """Take no more part, and tell everybody who still waits."""
        self._ended = True
        self._group = None
        if self._timer is not None:
            self._timer.cancel()
        for stamp in self._stamps.values():
            if not stamp.done():
                stamp.set_exception(_ended())
        for handover in self._handovers.values():
            if not handover.done():
                handover.set_exception(_ended())

    def _perform(self, effect: Effect, reply_to: HostName | None) -> Message | None:
        """Do one effect; returns a message that rides in the answer, if it is one."""
        match effect:
            case Send(to=to, message=message):
                if to == reply_to:
                    return message
                self._send(to, message)
            case WakeAt(at=at):
                self._wake_at(at)
            case ConfirmStamp() | RejectStamp():
                self._answer_stamp(effect)
            case AnswerHandover():
                self._answer_handover(effect)
            case Persist() | KeepConflict():
                pass
            case _:
                assert_never(effect)
        return None

    def _wake_at(self, at: Seconds) -> None:
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        pause = max(0.0, at - self._clock.now())
        self._timer = loop.call_later(pause, self._wake)

    def _wake(self) -> None:
        rung = self._timer
        self.post(Woke())
        if self._timer is rung:
            self._timer = None

    def _send(self, to: HostName, message: Message) -> None:
        if self._group is None:
            self._early.append(Send(to=to, message=message))
            return
        if self._under_way.get(to, 0) >= MOST_UNDER_WAY:
            return
        self._under_way[to] = self._under_way.get(to, 0) + 1
        self._group.create_task(self._carry(to, message))

    async def _carry(self, to: HostName, message: Message) -> None:
        try:
            replies = await self._tell(to, message)
        finally:
            self._under_way[to] -= 1
        for reply in replies:
            self.post(MessageReceived(sender=to, message=reply))

    def _answer_stamp(self, effect: ConfirmStamp | RejectStamp) -> None:
        answer = self._stamps.get(effect.request)
        if answer is None or answer.done():
            return
        if isinstance(effect, ConfirmStamp):
            answer.set_result(effect.stamp)
        else:
            answer.set_exception(_rejected(effect.reason))

    def _answer_handover(self, effect: AnswerHandover) -> None:
        answer = self._handovers.get(effect.request)
        if answer is None or answer.done():
            return
        if effect.to is not None:
            answer.set_result(effect.to)
        else:
            answer.set_exception(_rejected(effect.reason or Rejection.NO_ABLE_HOST))


def _ended() -> SessiondError:
    return Unavailable("This host takes part in the session no more.")


def _rejected(reason: Rejection) -> SessiondError:
    sentence = f"It was not done: {_REASONS[reason]}."
    if reason in _REFUSED:
        return Refused(sentence, "Look at `sessiond status`, then ask again.")
    return Unavailable(sentence, "Look at `sessiond status`, then ask again.")
