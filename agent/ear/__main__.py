"""``python -m agent.ear``: listens to the session's own mounts as the audience does.

A process of its own, so that decoding never waits for the agent nor the agent for it.
It only listens: nothing depends on it, and it takes what processor time others leave.
Its steering socket answers ``{"report": true}``. Ends with an exit code of
`sessiond.errors`.
"""

import argparse
import asyncio
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from agent.mixdown.messages import HISTORY
from agent.steering import Json, SteeringServer, ask
from agent.unfailing import unfailing
from sessiond.core.delay import find_delay
from sessiond.core.ear_messages import sounds_report
from sessiond.core.hearing import MountSound, SilenceRule
from sessiond.core.levelhistory import Histories, levels_of, merged, parse_history
from sessiond.errors import Refused, SessiondError
from sessiond.hearing.ears import all_ears
from sessiond.hearing.mount_ear import MountEar
from sessiond.hearing.stream import split
from sessiond.units import Decibels, MountPath, Seconds

# The mix-down keeps somewhat more than two seconds of slots.
_ASK_EVERY: Final = Seconds(1.0)
_ASK_WITHIN: Final = Seconds(0.5)

# Looking for a delay takes a few milliseconds; it changes when a connection does.
_LOOK_EVERY: Final = 5
# One that was found holds for so long where the music tells nothing.
_DELAY_HOLDS: Final = Seconds(60.0)

# Sound that is made comes before sound that is checked.
_NICENESS: Final = 10


class Ear:
    """Listens to several mounts, and finds how late each is.

    Args:
        ears: By the name of the bus that the mount is made of.
        mixdown: Where this host's mix-down is steered; may be absent.
    """

    def __init__(self, ears: Mapping[str, MountEar], mixdown: Path) -> None:
        self._ears = ears
        self._mixdown = mixdown
        self._histories: Histories = {}
        self._delays: dict[str, tuple[Seconds, Seconds]] = {}
        self._ending = asyncio.Event()

    def answer(self, request: Mapping[str, Json]) -> Mapping[str, Json]:
        """Answer one request of the agent's.

        Raises:
            Refused: It is none of ours.
        """
        if request != {"report": True}:
            raise Refused("an ear knows one request: report")
        return sounds_report(self.sounds())  # type: ignore[return-value]

    def sounds(self) -> tuple[MountSound, ...]:
        """Return what each mount sounds like now."""
        return tuple(
            replace(ear.sound(), delay_s=self._delay(bus))
            for bus, ear in self._ears.items()
        )

    def stop(self) -> None:
        """End `run`."""
        self._ending.set()

    async def run(self) -> None:
        """Listen until told to stop.

        Raises:
            Broken: FFmpeg is missing.
        """
        async with all_ears(tuple(self._ears.values())):
            looks = 0
            while not self._ending.is_set():
                await self._ask()
                looks += 1
                if looks % _LOOK_EVERY == 0:
                    self._find_delays()
                with suppress(TimeoutError):
                    async with asyncio.timeout(_ASK_EVERY):
                        await self._ending.wait()

    async def _ask(self) -> None:
        """Ask the mix-down how loud its buses were."""
        try:
            answer = await ask(self._mixdown, HISTORY, within=_ASK_WITHIN)
            history = parse_history(answer)
        except SessiondError:
            # It is starting, or this host mixes nothing: there is no delay then.
            return
        at = now()
        self._histories = {
            bus: merged(self._histories.get(bus, ()), levels_of(history, bus, at))
            for bus in self._ears
        }

    def _find_delays(self) -> None:
        for bus, ear in self._ears.items():
            found = find_delay(self._histories.get(bus, ()), ear.played())
            if found is not None:
                self._delays[bus] = (found, now())

    def _delay(self, bus: str) -> Seconds | None:
        found, at = self._delays.get(bus, (None, Seconds(0)))
        return found if now() - at < _DELAY_HOLDS else None


def now() -> Seconds:
    """Return the monotonic clock."""
    return Seconds(time.monotonic())


def main(argv: Sequence[str] | None = None) -> int:
    """Run one ear; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m agent.ear", description=__doc__)
    parser.add_argument("--name", required=True, help="the proc's name, to be known by")
    parser.add_argument("--socket", required=True, type=Path, help="steering socket")
    parser.add_argument("--server", help="taken by every program of ours; not needed")
    parser.add_argument("--mixdown", required=True, type=Path, help="its socket")
    parser.add_argument("--silent-below", type=float, required=True, metavar="DB")
    parser.add_argument("--silent-after", type=float, required=True, metavar="SECONDS")
    parser.add_argument("urls", nargs="+", metavar="URL", help="where a mount plays")
    given = parser.parse_args(argv)
    with suppress(OSError):
        os.nice(_NICENESS)
    rule = SilenceRule(
        below_db=Decibels(given.silent_below), after=Seconds(given.silent_after)
    )
    try:
        asyncio.run(_run(given.urls, rule, given.mixdown, given.socket))
    except SessiondError as e:
        sys.stderr.write(f"{given.name}: {e.sentence} {e.hint}".rstrip() + "\n")
        return e.exit_code
    return 0


async def _run(
    urls: Sequence[str], rule: SilenceRule, mixdown: Path, socket: Path
) -> None:
    ears = {}
    for url in urls:
        path = MountPath(split(url).path)
        ears[path.removeprefix("/")] = MountEar(url, path, rule=rule, now=now)
    ear = Ear(ears, mixdown)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ear.stop)
    async with SteeringServer(socket, ear.answer):
        await ear.run()


if __name__ == "__main__":
    sys.stderr = unfailing()  # a full disk must not end it
    sys.exit(main())
