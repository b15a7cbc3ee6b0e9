import time
from collections.abc import Callable

import pytest

from tests.support.eventually import (
    aeventually,
    asteadily,
    eventually,
    every,
    steadily,
)


def after(looks: int) -> Callable[[], int]:
    """Return a predicate that is false for so many looks, and then their number."""
    seen = 0

    def holds() -> int:
        nonlocal seen
        seen += 1
        return seen if seen > looks else 0

    return holds


def refuses() -> bool:
    raise AssertionError("still dark")


def test_the_first_true_value_is_returned() -> None:
    assert eventually(after(3), within=5) == 4


def test_there_is_one_look_even_without_time() -> None:
    assert eventually(after(0), within=0) == 1


def test_failure_names_predicate_and_last_look() -> None:
    with pytest.raises(AssertionError, match=r"holds .* within 0.05 s; last: 0"):
        eventually(after(1000), within=0.05)


def test_an_assertion_means_not_yet_and_is_the_cause() -> None:
    with pytest.raises(AssertionError, match="last: still dark") as caught:
        eventually(refuses, within=0.05)
    assert isinstance(caught.value.__cause__, AssertionError)


def test_other_errors_end_the_wait_at_once() -> None:
    started = time.monotonic()
    with pytest.raises(ZeroDivisionError):
        eventually(lambda: 1 // 0, within=5)
    assert time.monotonic() - started < 1


async def test_async_wait_takes_plain_and_async_predicates() -> None:
    plain = after(2)

    async def asked() -> int:
        return plain()

    assert await aeventually(after(2), within=5) == 3
    assert await aeventually(asked, within=5) == 3


async def test_async_failure_names_the_last_look() -> None:
    with pytest.raises(AssertionError, match="last: still dark"):
        await aeventually(refuses, within=0.05)


async def test_a_look_that_hangs_is_cut_off() -> None:
    async def hangs() -> bool:
        async for _ in every(60):
            pass
        return True

    with pytest.raises(AssertionError, match="last: nothing"):
        await aeventually(hangs, within=0.05)


async def test_steadily_fails_at_the_first_false_look() -> None:
    steadily(lambda: True, during=0.05)
    await asteadily(lambda: True, during=0.05)
    falls = after(3)
    with pytest.raises(AssertionError, match="ceased to hold; seen: False"):
        steadily(lambda: not falls(), during=5)
    with pytest.raises(AssertionError, match="ceased to hold; seen: False"):
        await asteadily(lambda: not falls(), during=5)


async def test_every_beats_at_once_and_then_in_time() -> None:
    started = time.monotonic()
    async for beat in every(0.02):
        if beat == 3:
            break
    assert time.monotonic() - started >= 0.06
