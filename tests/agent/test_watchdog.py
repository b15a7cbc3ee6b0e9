"""Only what a new agent would cure keeps the watchdog hungry."""

import asyncio
from dataclasses import dataclass, field

import pytest

from agent.adapters.monotonic import MonotonicClock
from agent.elect import Elector
from agent.watchdog import (
    ANSWER_LIMIT,
    ELECTOR_LIMIT,
    TURN_LIMIT,
    Signs,
    Watchdog,
    complaint,
)
from sessiond.core.election import (
    Effect,
    ElectionState,
    ElectorConfig,
    Event,
    Message,
    Persisted,
    WakeAt,
    Woke,
)
from sessiond.units import HostName, Seconds, SessionName
from tests.support.eventually import aeventually
from tests.support.fakes import FakeClock

NOW = Seconds(1000.0)
TINY = 0.001
WELL = Signs(turn=NOW, elector_due=Seconds(NOW + 1), answered=NOW)


def ago(limit: Seconds) -> Seconds:
    return Seconds(NOW - limit - TINY)


def test_an_agent_that_does_its_work_has_nothing_to_complain_of() -> None:
    assert not complaint(WELL, NOW)
    idle = Signs(turn=NOW, elector_due=None, answered=NOW)
    assert not complaint(idle, NOW)


@pytest.mark.parametrize(
    ("signs", "word"),
    [
        (Signs(turn=ago(TURN_LIMIT), elector_due=None, answered=NOW), "turn"),
        (Signs(turn=NOW, elector_due=ago(ELECTOR_LIMIT), answered=NOW), "elector"),
        (Signs(turn=NOW, elector_due=None, answered=ago(ANSWER_LIMIT)), "server"),
    ],
)
def test_what_stands_still_is_named(signs: Signs, word: str) -> None:
    assert word in complaint(signs, NOW)


@dataclass
class Stage:
    """An agent's parts, to be stopped one by one, and its watchdog."""

    clock: FakeClock = field(default_factory=FakeClock)
    turns: int = 1
    due: Seconds | None = None
    serves: bool = True
    fed: int = 0

    async def answers(self, within: Seconds) -> bool:
        return self.serves

    def feed(self) -> None:
        self.fed += 1

    def watchdog(self, period: float = 0.02) -> Watchdog:
        return Watchdog(
            period=Seconds(period),
            clock=self.clock,
            turns=lambda: self.turns,
            elector_due=lambda: self.due,
            server=self,
            feed=self.feed,
        )


async def test_a_long_turn_is_borne_and_an_endless_one_is_not() -> None:
    stage = Stage()
    watchdog = stage.watchdog()
    stage.clock.advance(TURN_LIMIT / 2)
    await watchdog.ask()
    assert not watchdog.look()
    stage.clock.advance(TURN_LIMIT / 2 + 1)
    await watchdog.ask()
    assert "turn" in watchdog.look()
    assert stage.fed == 1
    stage.turns += 1
    assert not watchdog.look()


async def test_a_server_that_answers_again_is_forgiven() -> None:
    stage = Stage(serves=False)
    watchdog = stage.watchdog()
    stage.clock.advance(ANSWER_LIMIT + 1)
    await watchdog.ask()
    assert "server" in watchdog.look()
    stage.serves = True
    await watchdog.ask()
    assert not watchdog.look()


async def test_it_is_fed_again_and_again() -> None:
    stage = Stage()
    running = asyncio.ensure_future(stage.watchdog().run())
    await aeventually(lambda: stage.fed > 4, within=5)
    running.cancel()
    await asyncio.wait([running])


def elector() -> Elector:
    async def tell(_: HostName, __: Message) -> tuple[Message, ...]:
        return ()

    return Elector(
        ElectorConfig(me=HostName("alice"), session=SessionName("jam")),
        Persisted(),
        clock=MonotonicClock(),
        persist=lambda _: None,
        tell=tell,
        keep_conflict=lambda _: None,
        changed=lambda: None,
    )


async def test_an_elector_that_was_woken_waits_for_what_comes_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    driver = elector()
    woken: list[Event] = []

    def step(
        state: ElectionState, event: Event, now: Seconds
    ) -> tuple[ElectionState, tuple[Effect, ...]]:
        woken.append(event)
        return state, (WakeAt(at=Seconds(now + 0.01)),) if len(woken) < 3 else ()

    monkeypatch.setattr("agent.elect.step", step)
    driver.post(Woke())
    assert driver.due is not None
    await aeventually(lambda: len(woken) == 3, within=5)
    await aeventually(lambda: driver.due is None, within=5)


async def test_an_elector_whose_step_failed_stays_due(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    driver, faults = elector(), list[object]()

    def step(
        state: ElectionState, _: Event, now: Seconds
    ) -> tuple[ElectionState, tuple[Effect, ...]]:
        if driver.due is not None:
            raise ZeroDivisionError
        return state, (WakeAt(at=now),)

    monkeypatch.setattr("agent.elect.step", step)
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: faults.append(context))
    driver.post(Woke())
    await aeventually(lambda: faults, within=5)
    assert driver.due is not None
    assert driver.due <= loop.time()
