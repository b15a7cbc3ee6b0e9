import asyncio
from threading import Thread

import pytest

from agent.bell import TurnBell
from sessiond.units import Seconds
from tests.support.eventually import aeventually

LONG = Seconds(20.0)


def bell() -> TurnBell:
    return TurnBell(asyncio.get_running_loop())


async def test_a_ring_before_the_wait_is_heard_once() -> None:
    ringing = bell()
    ringing()
    ringing()
    await ringing.wait(LONG)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await ringing.wait(LONG)


@pytest.mark.parametrize("within", [0.0, -1.0, 0.001])
async def test_without_a_ring_the_wait_ends_by_itself(within: float) -> None:
    await bell().wait(Seconds(within))


async def test_any_thread_may_ring() -> None:
    ringing = bell()
    thread = Thread(target=ringing)
    thread.start()
    await ringing.wait(LONG)
    thread.join()


async def test_a_cancellation_that_comes_with_a_ring_is_not_lost() -> None:
    ringing = bell()

    async def listen() -> None:
        while True:
            await ringing.wait(LONG)

    listener = asyncio.get_running_loop().create_task(listen())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    ringing._rung.set()
    await asyncio.sleep(0)
    listener.cancel()
    await aeventually(listener.done, within=1)
    assert listener.cancelled()


def test_a_loop_that_has_closed_hears_nothing() -> None:
    loop = asyncio.new_event_loop()
    ringing = TurnBell(loop)
    loop.close()
    ringing()
