"""Foreign calls that may block for ever, with an end to our waiting for them.

A daemon thread of its own runs each call: the event loop's shared pool would be used
up by calls that hang, and its threads would keep the agent from ending.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from sessiond.units import Seconds

T = TypeVar("T")


def begin(call: Callable[[], T], name: str) -> Future[T]:
    """Start a call in a thread of that name and return what will come of it."""
    future: Future[T] = Future()

    def run() -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            result = call()
        except Exception as e:  # noqa: BLE001  it is raised where it is waited for
            future.set_exception(e)
        else:
            future.set_result(result)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future


async def wait(future: Future[T], within: Seconds) -> T:
    """Return what the call returned.

    Raises:
        TimeoutError: It goes on in its thread; nobody waits for it any more.
    """
    # Not `wait_for`: in Python 3.11 it loses a cancellation that comes with the answer.
    async with asyncio.timeout(within):
        return await asyncio.wrap_future(future)
