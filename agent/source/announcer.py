"""Having Icecast show a title where the stream has no place for one: Vorbis and MP3.

Icecast forgets a title with its source: each PUT has an announcer of its own.
"""

import asyncio
import contextlib
from typing import Final

from agent.source.put import connect
from sessiond.core.put_head import title_head, title_refusal
from sessiond.core.sourcing import Seat, SourceOrder
from sessiond.errors import Refused, SessiondError, Unavailable
from sessiond.units import Seconds

# A station that has just taken a PUT answers at once; the music does not wait for it.
_WITHIN: Final = Seconds(2.0)

# What was refused once is asked again this often: the mount may be too new.
_RETRY_SECONDS: Final = Seconds(1.0)

# Icecast's page with its answer has some 300 bytes.
_ANSWER_BYTES: Final = 8192


class Announcer:
    """Keeps one seat's title at Icecast as it is ordered.

    Args:
        seat: Which of the order's two mounts.
        password: The source's.
        shown: The title that the PUT itself begins with; None where it can't: a
            listener who comes from another mount may still see that one's.

    Attributes:
        shown: What Icecast has taken; None before it has anything.
        refused: Why it has not taken what was ordered since; empty while it has.
    """

    def __init__(self, seat: Seat, password: str, *, shown: str | None) -> None:
        self._seat = seat
        self._password = password
        self._order: SourceOrder | None = None
        self._bell = asyncio.Event()
        self.shown = shown
        self.refused = ""

    def want(self, order: SourceOrder) -> None:
        """Take an order; only its title may differ from those before it."""
        self._order = order
        self._bell.set()

    async def run(self) -> None:
        """Announce every title that is not shown yet, until cancelled."""
        while True:
            order = self._order
            if order is None or order.title == self.shown:
                self.refused = ""
                await self._bell.wait()
            else:
                await self._try(order)
            self._bell.clear()

    async def _try(self, order: SourceOrder) -> None:
        try:
            await announce(order, self._seat, self._password)
        except SessiondError as e:
            self.refused = e.sentence
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_RETRY_SECONDS):
                    await self._bell.wait()
        else:
            self.shown, self.refused = order.title, ""


async def announce(order: SourceOrder, seat: Seat, password: str) -> None:
    """Have Icecast show the order's title on a mount that has our source.

    Raises:
        Refused: Icecast does not show it.
        Unavailable: It does not answer.
    """
    head = title_head(order, seat, password=password)
    try:
        async with asyncio.timeout(_WITHIN):
            answer = await _asked(order, head)
    except TimeoutError as e:
        raise Unavailable("Icecast did not answer when told the title.") from e
    except OSError as e:
        raise Unavailable(f"Icecast can't be told the title: {e}.") from e
    if words := title_refusal(answer):
        raise Refused(f"Icecast does not show the title: {words}.")


async def _asked(order: SourceOrder, head: bytes) -> str:
    reader, writer = await connect(order)
    try:
        writer.write(head)
        await writer.drain()
        answer = b""
        while len(answer) < _ANSWER_BYTES and (
            more := await reader.read(_ANSWER_BYTES)
        ):
            answer += more
        return answer.decode("utf-8", "replace")
    finally:
        writer.transport.abort()
