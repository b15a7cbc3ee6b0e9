"""A computer that woke up on another network, and all that only looks like it."""

import pytest

from agent.network_watch import NetworkWatch

HOME, HALL, NOWHERE = "192.168.1.20", "10.0.0.7", "127.0.0.1"


@pytest.mark.parametrize(
    ("seen", "begun"),
    [
        ((HOME, HOME), 0),
        ((HALL, HALL), 1),
        ((HALL, HALL, HALL, HALL), 1),
        ((HALL, HOME, HALL, HOME), 0),
        ((NOWHERE, NOWHERE, HOME, HOME), 0),
        ((NOWHERE, HALL, HALL), 1),
        ((HALL, HALL, HOME, HOME), 2),
    ],
)
def test_only_another_address_that_stays_is_a_move(
    seen: tuple[str, ...], begun: int
) -> None:
    left = list(seen)
    begins: list[str] = []
    watch = NetworkWatch(
        advertised=HOME,
        own_address=lambda: left.pop(0),
        begin_again=lambda: begins.append("again"),
    )
    for _ in seen:
        watch.look()
    assert len(begins) == begun


async def test_an_address_that_the_owner_chose_is_not_looked_after() -> None:
    watch = NetworkWatch(
        advertised="100.64.0.9", own_address=lambda: HOME, begin_again=lambda: None
    )
    await watch.run()
