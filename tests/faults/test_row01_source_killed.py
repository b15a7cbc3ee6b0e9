"""Row 1: the source of a mount, or its FFmpeg, is killed.

The standby mount takes the listeners at once, and the same host goes on.
"""

from functools import partial
from pathlib import Path

import pytest

from tests.faults.breaking import signal_those
from tests.faults.measure import Case, Goal, Shown
from tests.faults.stage import DUO, Stage, staged

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]


def play(folder: Path, word: str) -> Shown:
    with staged(folder, *DUO) as stage:
        return kill(stage, word)


def kill(stage: Stage, word: str) -> Shown:
    stage.breaks()
    signal_those(stage.broadcaster, word)
    # One source takes the other's place within a second, or the other stays.
    stage.play_on(4.0)
    held = stage.holder()
    assert held is not None, "nobody is on the primary mount"
    assert held.host == stage.first, f"{held.host} is on the primary mount"
    return stage.shown()


GOAL = Goal(silence=0.0, recovery=1.0, switches=0, terms=0)
SOURCE = Case(
    row="1 source",
    fault="source kill -9",
    goal=GOAL,
    play=partial(play, word="agent.source"),
)
ENCODER = Case(
    row="1 ffmpeg", fault="ffmpeg kill -9", goal=GOAL, play=partial(play, word="ffmpeg")
)
CASES = (SOURCE, ENCODER)


def test_a_killed_source_and_its_encoder_are_back_within_1_s_without_silence(
    tmp_path: Path,
) -> None:
    with staged(tmp_path, *DUO) as stage:
        SOURCE.judge(kill(stage, "agent.source"))
        stage.attend()
        ENCODER.judge(kill(stage, "ffmpeg"))
