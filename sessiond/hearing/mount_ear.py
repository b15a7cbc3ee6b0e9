"""One listener on one mount, for as long as it runs: connects, decodes, remembers."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from sessiond.core.delay import Levels
from sessiond.core.hearing import (
    Hearing,
    MountSound,
    SilenceRule,
    figures,
    hear,
    known,
    played,
)
from sessiond.core.tenths import Tenth
from sessiond.errors import Unavailable
from sessiond.hearing.decoder import decoding
from sessiond.hearing.stream import tuned_in
from sessiond.units import MountPath, Seconds

# Between tries, where nothing plays.
RETRY_SECONDS: Final = Seconds(1.0)

# Bytes of a stream that FFmpeg makes no sound of for so long need a new beginning.
_NO_SOUND_LIMIT: Final = Seconds(10.0)


class MountEar:
    """Listens to one mount.

    Args:
        url: Where it plays.
        path: What it is called.
        rule: What counts as silence.
        now: A monotonic clock.
        record: Gets the bytes of the stream as they come, without titles in between.

    Attributes:
        trouble: Why nothing is heard; empty while something is.
    """

    def __init__(
        self,
        url: str,
        path: MountPath,
        *,
        rule: SilenceRule,
        now: Callable[[], Seconds],
        record: Callable[[bytes], None] | None = None,
    ) -> None:
        self._url = url
        self._path = path
        self._rule = rule
        self._now = now
        self._record = record
        self._hearing = Hearing()
        self._anew = False
        self._listening = False
        self._title = ""
        self._sound_at = now()
        self.trouble = ""

    def sound(self) -> MountSound:
        """Return what is known at this moment."""
        found = figures(self._hearing, self._path, self._now(), rule=self._rule)
        return known(found, title=self._title, listening=self._listening)

    def played(self) -> Levels:
        """Return when a player plays what, and how loud it is."""
        return played(self._hearing)

    async def run(self) -> None:
        """Listen for ever, and come back when there is something to hear again.

        Raises:
            Broken: FFmpeg is missing.
            Refused: The address is none.
        """
        while True:
            try:
                await self._listen()
                self.trouble = "the stream ended"
            except Unavailable as e:
                self.trouble = e.sentence
            self._listening = False
            await asyncio.sleep(RETRY_SECONDS)

    async def _listen(self) -> None:
        self._anew = True
        async with tuned_in(self._url) as stream, decoding(self._take) as decoder:
            self._listening, self._sound_at = True, self._now()
            while sound := await stream.sound():
                if self._record is not None:
                    self._record(sound)
                self._title = stream.title
                await decoder.feed(sound)
                if self._now() - self._sound_at > _NO_SOUND_LIMIT:
                    raise Unavailable("what comes gives no sound")

    def _take(self, tenths: Sequence[Tenth]) -> None:
        now = self._now()
        self._hearing = hear(
            self._hearing, tenths, now, rule=self._rule, anew=self._anew
        )
        self._anew, self._sound_at, self.trouble = False, now, ""
