"""Signals to the agent: the end, or a start in place.

While one agent turns into the next, which takes a second, signals wait: the next one
takes them.
"""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Final

SIGNALS: Final = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})


class Ending:
    """Turns signals into the end, or into a restart in place.

    Args:
        may_restart: Asked at a hang-up; False lets this agent go on as it is.

    Attributes:
        late: Signals that came once it was settled that the agent starts again.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, may_restart: Callable[[], bool]
    ) -> None:
        self._again: asyncio.Future[bool] = loop.create_future()
        self._may_restart = may_restart
        self.late: set[signal.Signals] = set()
        loop.add_signal_handler(signal.SIGTERM, self._end, signal.SIGTERM)
        loop.add_signal_handler(signal.SIGINT, self._end, signal.SIGINT)
        # With a terminal it means that its window was closed: that must not leave a
        # microphone open.
        hang_up = self._end if _has_terminal() else self._begin_again
        loop.add_signal_handler(signal.SIGHUP, hang_up, signal.SIGHUP)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def _end(self, number: signal.Signals) -> None:
        if not self._again.done():
            self._again.set_result(False)
        elif self._again.result():
            self.late.add(number)

    def _begin_again(self, number: signal.Signals) -> None:
        if self._again.done():
            self._end(number)
        else:
            self.begin_again()

    def begin_again(self) -> None:
        """Have the agent started again in place, if it may be."""
        if not self._again.done() and self._may_restart():
            self._again.set_result(True)

    @property
    def again(self) -> bool:
        """Whether the agent is to be started again in place; known after `wait`."""
        return self._again.result()

    async def wait(self) -> None:
        """Return at the first signal that ends this agent."""
        await self._again


def start_in_place(
    words: Sequence[str], given: Mapping[str, str], late: set[signal.Signals]
) -> None:
    """Turn this process into a new agent; pid and children stay.

    Args:
        words: Its command line.
        given: What its environment has beyond ours.
        late: Signals that it finds waiting.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    for number in late:
        signal.pthread_kill(threading.get_ident(), number)
    argv = [sys.executable, "-m", "agent", *words]
    os.execve(sys.executable, argv, {**os.environ, **given})  # noqa: S606


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
