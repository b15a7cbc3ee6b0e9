"""`start` and `step`: the whole interface of the state machine."""

from sessiond.core.election.effects import Effect, Persisted
from sessiond.core.election.events import Event
from sessiond.core.election.state import ElectionState, ElectorConfig
from sessiond.units import Seconds


def start(config: ElectorConfig, persisted: Persisted, now: Seconds) -> ElectionState:
    """Return the state of an agent that has just started; then step with `Woke`."""
    return ElectionState(
        config=config, persisted=persisted, started_at=now, joined_at=now
    )


def step(
    state: ElectionState,
    event: Event,
    now: Seconds,
) -> tuple[ElectionState, tuple[Effect, ...]]:
    """Return the state after an event, and what is to be done, in that order."""
    del event, now
    return state, ()
