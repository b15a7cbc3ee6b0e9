"""How an encoder's life is kept, with programs that stand in for FFmpeg."""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agent.adapters.executables import Executables
from agent.source.encoder import Encoder
from sessiond.errors import Broken, Unavailable
from sessiond.units import Seconds
from tests.support.eventually import aeventually

GIVE = "import sys,time\nsys.stdout.buffer.write(b'sound')\nsys.stdout.flush()\n"
STAY = "time.sleep(60)\n"


@dataclass(slots=True)
class Sink:
    """What came out, and how often it began anew."""

    sound: bytearray = field(default_factory=bytearray)
    chains: int = 0

    def take(self, chunk: bytes) -> None:
        self.sound += chunk

    def begin(self) -> None:
        self.chains += 1


def encoder(program: str, sink: Sink, *, backoff: tuple[float, ...] = ()) -> Encoder:
    return Encoder(
        (sys.executable, "-c", program),
        os.environ,
        sink=sink.take,
        restarted=sink.begin,
        now=lambda: Seconds(time.monotonic()),
        backoff=tuple(Seconds(wait) for wait in backoff),
    )


@contextlib.asynccontextmanager
async def running(made: Encoder) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(made.run())
        yield
        task.cancel()


async def test_its_output_goes_to_the_sink_and_it_ends_when_told() -> None:
    sink = Sink()
    made = encoder(GIVE + STAY, sink)
    async with running(made):
        await aeventually(lambda: bytes(sink.sound) == b"sound", within=10)
        assert made.pid
        assert made.encoded_bytes == 5
    assert made.pid == 0


async def test_one_that_dies_is_started_anew_as_a_new_chain() -> None:
    sink = Sink()
    made = encoder(GIVE, sink, backoff=(0.01,) * 20)
    async with running(made):
        await aeventually(lambda: bytes(sink.sound) == b"sound" * 3, within=20)
        assert made.restarts == sink.chains >= 2


async def test_one_that_always_dies_is_given_up_with_its_last_words() -> None:
    program = "import sys\nsys.exit('no JACK here')"
    made = encoder(program, Sink(), backoff=(0.01, 0.01))
    with pytest.raises(Unavailable, match=r"3 times in a row.*no JACK here"):
        await made.run()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("Unknown encoder 'libopus'", "lacks the codec"),
        ("Unknown input format: 'jack'", "can't record from JACK"),
    ],
)
async def test_what_a_person_must_mend_is_not_tried_again(
    words: str, sentence: str
) -> None:
    program = f"import sys\nsys.exit({words!r})"
    with pytest.raises(Broken, match=sentence):
        await encoder(program, Sink(), backoff=(0.01,)).run()


async def test_a_missing_program_is_named(tmp_path: Path) -> None:
    (tmp_path / "setpriv").symlink_to("/usr/bin/setpriv")
    made = Encoder(
        ("ffmpeg",),
        os.environ,
        sink=Sink().take,
        restarted=Sink().begin,
        now=lambda: Seconds(0),
        executables=Executables(str(tmp_path)),
    )
    with pytest.raises(Broken, match="the program ffmpeg is missing"):
        await made.run()


async def test_one_that_gives_nothing_any_more_is_killed() -> None:
    sink = Sink()
    made = encoder(GIVE + STAY, sink, backoff=(0.01,))
    async with running(made):
        await aeventually(lambda: made.restarts == 1, within=12)


async def test_one_that_ignores_sigterm_is_killed() -> None:
    sink = Sink()
    deaf = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    made = encoder(deaf + GIVE + STAY, sink)
    async with running(made):
        await aeventually(lambda: sink.sound, within=10)
    assert made.pid == 0


async def test_only_the_last_words_are_kept() -> None:
    many = "for n in range(9999): print('warning', n, 'x' * 999, file=sys.stderr)\n"
    sink = Sink()
    made = encoder(GIVE + many + STAY, sink)
    async with running(made):
        await aeventually(lambda: "warning 9998" in made.said, within=10)
        assert len(made.said) < 2500


async def test_one_that_nobody_hears_is_replaced_at_once() -> None:
    sink = Sink()
    made = encoder(GIVE + STAY, sink, backoff=(0.01,) * 5)
    made.renew()  # there is none yet
    async with running(made):
        await aeventually(lambda: bytes(sink.sound) == b"sound", within=10)
        before = made.pid
        made.renew()
        await aeventually(lambda: bytes(sink.sound) == b"sound" * 2, within=10)
        assert made.pid not in {0, before}
        assert sink.chains == 1
    made.renew()
    assert made.pid == 0
