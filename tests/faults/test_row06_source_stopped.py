"""Row 6: the source of a mount, or its FFmpeg, stands still but lives."""

import signal
from functools import partial
from pathlib import Path

import pytest

from tests.faults.breaking import pids_with, signal_those
from tests.faults.measure import Case, Goal, Shown
from tests.faults.stage import DUO, Stage, staged
from tests.support.eventually import eventually

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]


def play(folder: Path, word: str) -> Shown:
    with staged(folder, *DUO) as stage:
        return stop(stage, word)


def stop(stage: Stage, word: str) -> Shown:
    stage.breaks()
    (stopped,) = signal_those(stage.broadcaster, word, number=signal.SIGSTOP)
    eventually(lambda: stopped not in pids_with(stage.broadcaster, word), within=10.0)
    stage.play_on(4.0)
    held = stage.holder()
    assert held is not None, "nobody is on the primary mount"
    assert held.host == stage.first, f"{held.host} is on the primary mount"
    return stage.shown()


GOAL = Goal(silence=4.0, switches=0)
SOURCE = Case(
    row="6 source",
    fault="source SIGSTOP",
    goal=GOAL,
    play=partial(play, word="agent.source"),
)
ENCODER = Case(
    row="6 ffmpeg", fault="ffmpeg SIGSTOP", goal=GOAL, play=partial(play, word="ffmpeg")
)
CASES = (SOURCE, ENCODER)


def test_a_standing_source_or_encoder_is_repaired_on_its_host_within_4_s(
    tmp_path: Path,
) -> None:
    with staged(tmp_path, *DUO) as stage:
        SOURCE.judge(stop(stage, "agent.source"))
        stage.attend()
        ENCODER.judge(stop(stage, "ffmpeg"))
