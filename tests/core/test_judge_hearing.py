"""What the ear's host finds wrong with the mounts; `test_judge` has more cases."""

from dataclasses import replace

from sessiond.core.conditions import Reason, Severity
from sessiond.core.hearing import MountSound
from sessiond.core.judge_hearing import hearing_conditions
from sessiond.core.mixmatrix import MixReport
from sessiond.core.observed import Observed
from sessiond.units import MountPath, Seconds
from tests.core.test_encodercare import mixing

MIX = MountPath("/mix.ogg")
WELL = MountSound(
    path=MIX,
    listening=True,
    progressing=True,
    age_s=Seconds(0.1),
    heard_s=Seconds(60),
)


def judged(
    mix: MixReport | None = None, **fields: object
) -> list[tuple[Reason, Severity]]:
    sound = replace(WELL, **fields)  # type: ignore[arg-type]
    found = hearing_conditions(Observed(sounds=(sound,), mix=mix))
    return [(each.reason, each.severity) for each in found[MIX]]


def test_all_is_well() -> None:
    assert judged() == []
    assert hearing_conditions(Observed()) == {}


def test_silence_is_an_error_where_the_mix_has_sound() -> None:
    error, warned = (Reason.MOUNT_SILENT, Severity.ERROR), Severity.WARNING
    assert judged(mixing(-20, -20), silent=True) == [error]
    assert judged(mixing(-90, -20), silent=True) == [(Reason.MOUNT_SILENT, warned)]


def test_a_mount_without_sound_has_stalled() -> None:
    stalled = [(Reason.MOUNT_STALLED, Severity.ERROR)]
    assert judged(progressing=False, silent=True, clipping=True) == stalled
    # It is gone, or never came: its state says so.
    assert judged(progressing=False, listening=False) == []
    assert judged(progressing=False, age_s=None) == []


def test_loudness_is_judged_after_a_minute() -> None:
    assert judged(loudness_lufs=-40.0, heard_s=Seconds(59.9)) == []
    assert judged(loudness_lufs=-40.0)[0][0] is Reason.MOUNT_TOO_QUIET
    assert judged(loudness_lufs=-5.0)[0][0] is Reason.MOUNT_TOO_LOUD
    assert judged(loudness_lufs=-30.0) == judged(loudness_lufs=-9.0) == []


def test_what_is_clipped_may_be_too_loud_as_well() -> None:
    found = [reason for reason, _ in judged(clipping=True, loudness_lufs=-3.0)]
    assert found == [Reason.MOUNT_CLIPPING, Reason.MOUNT_TOO_LOUD]
