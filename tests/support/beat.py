"""Doing something again and again beside a test, until its block ends."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable


@contextlib.asynccontextmanager
async def every(
    seconds: float, act: Callable[[], Awaitable[None]]
) -> AsyncIterator[None]:
    """Call `act` at once and then `seconds` after each end of it, as long as wanted."""
    ending = asyncio.Event()

    async def beat() -> None:
        while not ending.is_set():
            await act()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await ending.wait()

    async with asyncio.TaskGroup() as group:
        group.create_task(beat())
        try:
            yield
        finally:
            ending.set()
