"""Several ears at once, for as long as a block lasts."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from sessiond.errors import SessiondError
from sessiond.hearing.mount_ear import MountEar


@asynccontextmanager
async def all_ears(ears: Sequence[MountEar]) -> AsyncGenerator[None, None]:
    """Listen with each of them until the block ends.

    Raises:
        Broken: FFmpeg is missing; the block is cancelled then.
        Refused: An address is none; likewise.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(ear.run()) for ear in ears]
            yield
            # Where the block failed the group does so itself.
            for task in tasks:
                task.cancel()
    except ExceptionGroup as e:
        # They all miss the same FFmpeg: one complaint will do.
        match e.exceptions[0]:
            case SessiondError() as error:
                raise error from e
            case _:
                raise
