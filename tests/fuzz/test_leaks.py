"""What has been decoded and answered is forgotten: nothing of it stays in memory."""

import asyncio
import gc
import tracemalloc
from collections.abc import Sequence
from contextlib import suppress
from random import Random
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from sessiond.errors import Refused
from sessiond.wire import methods
from sessiond.wire.convert import decode, encode, to_wire
from tests.agent.band import band
from tests.agent.test_peering import invited
from tests.fuzz.inputs import fill, mutated, travellers
from tests.fuzz.test_handlers import ENDING, REQUESTS, aimed, ask
from tests.wire.values import any_of

FUZZED: Final = travellers()
# As many as would show: one that kept each would grow ten times as much.
TURNS: Final = 300
# A leak grows in each; what is made for once, a table or a cache, in one of them.
ROUNDS: Final = 2
KIB: Final = 1024
# Caches of protobuf's and Python's own.
LEFT_BY_DECODING: Final = 32 * KIB

# A leak has no smaller example that would be worth the time.
once = settings(
    max_examples=1,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.generate,),
)


def inputs(random: Random, value: Any) -> Sequence[bytes]:  # noqa: ANN401  any message
    """Return many messages of one type, as `test_messages` makes them."""
    whole, made = encode(value), []
    for turn in range(TURNS):
        message = type(to_wire(value))()
        fill(random, message)
        made.append(mutated(random, whole) if turn % 3 else message.SerializeToString())
    return made


def kept() -> int:
    """Return how many bytes are in use, in rubbish not counted."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


@pytest.mark.parametrize("name", sorted(FUZZED))
@once
@given(choose=st.data())
def test_decoding_keeps_nothing(name: str, choose: st.DataObject) -> None:
    cls = FUZZED[name]
    contents = inputs(Random(4), choose.draw(any_of(cls)))  # noqa: S311  no secret

    def take_all() -> None:
        for content in contents:
            with suppress(Refused):
                decode(cls, content)

    take_all()
    tracemalloc.start()
    try:
        grown = []
        for _ in range(ROUNDS):
            before = kept()
            take_all()
            grown.append(kept() - before)
    finally:
        tracemalloc.stop()
    assert min(grown) < LEFT_BY_DECODING, grown


# These wait for others each time, up to a limit of the caller's.
SLOW: Final = frozenset({methods.HOSTS.path})

# What an agent keeps on purpose is bounded by count: nonces, tries, hints, the log.
LEFT_BY_ANSWERING: Final = 256 * KIB
ANSWERED: Final = 60


async def answer_all(path: str, request: Any) -> None:  # noqa: ANN401  any request
    random = Random(4)  # noqa: S311  nothing secret
    async with band() as opened:
        alice = await invited(opened)

        async def ask_often() -> None:
            for _ in range(ANSWERED):
                await ask(alice, path, await aimed(alice, request, random))

        await ask_often()
        tracemalloc.start()
        try:
            before = kept()
            await ask_often()
            assert kept() - before < LEFT_BY_ANSWERING
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize("path", sorted(REQUESTS.keys() - ENDING - SLOW))
@once
@given(choose=st.data())
def test_answering_keeps_nothing(path: str, choose: st.DataObject) -> None:
    asyncio.run(answer_all(path, choose.draw(any_of(REQUESTS[path]))))
