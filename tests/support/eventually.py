"""The only waiting in tests: ask again and again until it holds, or say why not.

`eventually` waits for something, `steadily` sees that something goes on, `every` is
the beat of a part that a test plays itself. No test sleeps in another way.
"""

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Final, TypeVar, overload

T = TypeVar("T")

# Short against every deadline in the tests, long against the cost of one look.
PAUSE: Final = 0.02


class _Wait:
    """One wait: when it ends, and what the last look saw."""

    def __init__(self, predicate: Callable[[], object], within: float) -> None:
        self._predicate = predicate
        self._within = within
        self._ends = time.monotonic() + within
        self._seen = "nothing"
        self._cause: AssertionError | None = None

    def saw(self, value: object) -> None:
        self._seen, self._cause = repr(value), None

    def failed(self, cause: AssertionError) -> None:
        self._seen, self._cause = str(cause) or "a failed assertion", cause

    def check_time(self) -> None:
        """Raise AssertionError once the time is up."""
        if time.monotonic() < self._ends:
            return
        sentence = (
            f"{_name(self._predicate)} did not hold within {self._within:g} s; "
            f"last: {self._seen}"
        )
        raise AssertionError(sentence) from self._cause


def _name(predicate: Callable[[], object]) -> str:
    code = getattr(predicate, "__code__", None)
    if code is None:
        return repr(predicate)
    return (
        f"{predicate.__qualname__} (line {code.co_firstlineno} of {code.co_filename})"
    )


def eventually(predicate: Callable[[], T], *, within: float) -> T:
    """Return the predicate's first true value, or fail.

    Args:
        predicate: Asked every 20 ms. An AssertionError inside it means *not yet*;
            any other exception ends the wait.
        within: Seconds on the monotonic clock; there is always one look.

    Raises:
        AssertionError: Names the predicate and what its last look saw.
    """
    wait = _Wait(predicate, within)
    while True:
        try:
            value = predicate()
        except AssertionError as e:
            wait.failed(e)
        else:
            if value:
                return value
            wait.saw(value)
        wait.check_time()
        time.sleep(PAUSE)


@overload
async def aeventually(
    predicate: Callable[[], Coroutine[object, object, T]], *, within: float
) -> T: ...
@overload
async def aeventually(predicate: Callable[[], T], *, within: float) -> T: ...
async def aeventually(predicate: Callable[[], T | Awaitable[T]], *, within: float) -> T:
    """Wait as `eventually` does, but let the event loop run meanwhile.

    Args:
        predicate: A plain or an async function without arguments.
        within: Seconds on the monotonic clock. A look that takes longer than what
            is left is cancelled and counts as *not yet*.

    Raises:
        AssertionError: Names the predicate and what its last look saw.
    """
    wait = _Wait(predicate, within)
    try:
        async with asyncio.timeout(within):
            return await _first_true(predicate, wait)
    except TimeoutError:
        wait.check_time()
        raise


async def _first_true(predicate: Callable[[], T | Awaitable[T]], wait: _Wait) -> T:
    while True:
        try:
            answer = predicate()
            value = await answer if inspect.isawaitable(answer) else answer
        except AssertionError as e:
            wait.failed(e)
        else:
            if value:
                return value
            wait.saw(value)
        await asyncio.sleep(PAUSE)


def steadily(predicate: Callable[[], object], *, during: float) -> None:
    """Fail unless the predicate holds at every look for `during` seconds."""
    ends = time.monotonic() + during
    while time.monotonic() < ends:
        value = predicate()
        assert value, f"{_name(predicate)} ceased to hold; seen: {value!r}"
        time.sleep(PAUSE)


async def asteadily(predicate: Callable[[], object], *, during: float) -> None:
    """Fail as `steadily` does, but let the event loop run meanwhile.

    Args:
        predicate: A plain or an async function without arguments.
        during: Seconds on the monotonic clock.
    """
    ends = time.monotonic() + during
    while time.monotonic() < ends:
        answer = predicate()
        value = await answer if inspect.isawaitable(answer) else answer
        assert value, f"{_name(predicate)} ceased to hold; seen: {value!r}"
        await asyncio.sleep(PAUSE)


async def every(seconds: float) -> AsyncIterator[int]:
    """Yield 0, 1, 2, … for ever, the first at once and then one each `seconds`.

    For what a test plays itself: a source that feeds bytes, an agent that renews.
    """
    beat = 0
    while True:
        yield beat
        beat += 1
        await asyncio.sleep(seconds)
