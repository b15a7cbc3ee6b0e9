"""Row 24: a JACK server is killed and started again, a musician's or the broadcaster's.

Its owner starts it again; the agent only waits for it.
"""

from functools import partial
from pathlib import Path

import pytest

from tests.faults.asking import running_on
from tests.faults.breaking import audio_again, signal_those
from tests.faults.measure import Case, Goal, Shown
from tests.faults.stage import TRIO, Stage, staged

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]


def play(folder: Path, *, musician: bool) -> Shown:
    with staged(folder, *TRIO) as stage:
        return kill(stage, musician=musician)


def kill(stage: Stage, *, musician: bool) -> Shown:
    host = stage.others[1] if musician else stage.broadcaster
    others = [name for name in TRIO if name != host.name]
    before = {name: links_to(stage, name, others) for name in others}
    stage.breaks()
    signal_those(host, "jackd")
    stage.play_on(2.5)
    audio_again(host, stage.cured)
    stage.whole_again()
    took = stage.since_cure()
    after = {name: links_to(stage, name, others) for name in others}
    assert after == before, "a link between the others changed"
    stage.play_on(2.0)
    return stage.shown(took)


def links_to(stage: Stage, name: str, others: list[str]) -> dict[str, int]:
    """Return the links between the hosts whose JACK lives, by name."""
    wanted = {f"link-{other}" for other in others}
    pids = running_on(stage.host(name))
    return {proc: pid for proc, pid in pids.items() if proc in wanted}


ALSO = "recovery: from JACK's return until all is whole; the others' links stay"
MUSICIAN = Case(
    row="24 musician",
    fault="a musician's jackd kill -9, started again",
    goal=Goal(silence=0.0, recovery=5.0, switches=0, terms=0),
    play=partial(play, musician=True),
    also=ALSO,
)
BROADCASTER = Case(
    row="24 broadcaster",
    fault="the broadcaster's jackd kill -9, started again",
    goal=Goal(silence=0.0, recovery=5.0, switches=1),
    play=partial(play, musician=False),
    also=ALSO,
)
CASES = (MUSICIAN, BROADCASTER)


def test_a_host_whose_jack_died_is_part_of_the_session_again_within_5_s(
    tmp_path: Path,
) -> None:
    with staged(tmp_path, *TRIO) as stage:
        MUSICIAN.judge(kill(stage, musician=True))
        stage.attend()
        BROADCASTER.judge(kill(stage, musician=False))
