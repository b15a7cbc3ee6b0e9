"""An ear's report over its socket, in full and in what it refuses."""

import dataclasses
import json

import pytest

from sessiond.core.ear_messages import ear_arguments, parse_sounds, sounds_report
from sessiond.core.hearing import MountSound, SilenceRule, older
from sessiond.errors import Refused
from sessiond.units import Decibels, MountPath, Seconds

SOUND = MountSound(
    path=MountPath("/mix.ogg"),
    listening=True,
    progressing=True,
    age_s=Seconds(0.25),
    silent_s=Seconds(1),
    heard_s=Seconds(60),
    level_db=Decibels(-20.5),
    true_peak_db=Decibels(-1),
    momentary_lufs=Decibels(-18),
    short_term_lufs=Decibels(-19),
    integrated_lufs=Decibels(-20),
    loudness_lufs=Decibels(-20),
    buffer_s=Seconds(4),
    gaps=1,
    gap_s=Seconds(0.5),
    delay_s=Seconds(4.5),
    title="One - Two",
)
NOTHING = MountSound(path=MountPath("/dj1.ogg"))


def told(*sounds: MountSound) -> dict[str, list[dict[str, object]]]:
    report: dict[str, list[dict[str, object]]]
    report = json.loads(json.dumps(sounds_report(sounds), allow_nan=False))
    return report


def test_what_is_told_is_read() -> None:
    assert parse_sounds(told(SOUND, NOTHING)) == (SOUND, NOTHING)
    assert parse_sounds(told()) == ()


def test_all_but_judgements_is_told() -> None:
    fields = {field.name for field in dataclasses.fields(MountSound)}
    assert told(SOUND)["sounds"][0].keys() == fields - {"conditions"}


@pytest.mark.parametrize("wrong", [None, [], {}, {"sounds": 3}, {"sounds": [3]}])
def test_another_shape_is_refused(wrong: object) -> None:
    with pytest.raises(Refused):
        parse_sounds(wrong)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("path", 3),
        ("title", None),
        ("silent", 1),
        ("gaps", -1),
        ("gaps", True),
        ("gaps", 1.5),
        ("gap_s", None),
        ("gap_s", True),
        ("delay_s", "long"),
        ("surplus", 1),
    ],
)
def test_a_wrong_field_is_refused_by_name(name: str, value: object) -> None:
    report = told(SOUND)
    report["sounds"][0][name] = value
    with pytest.raises(Refused, match=name):
        parse_sounds(report)


def test_a_missing_field_is_refused_by_name() -> None:
    report = told(SOUND)
    del report["sounds"][0]["delay_s"]
    with pytest.raises(Refused, match="delay_s"):
        parse_sounds(report)


def test_arguments() -> None:
    rule = SilenceRule(below_db=Decibels(-55.5), after=Seconds(4))
    assert ear_arguments(["http://r/mix.ogg"], "/run/mixdown.sock", rule) == (
        *("--mixdown", "/run/mixdown.sock", "--silent-below", "-55.5"),
        *("--silent-after", "4", "http://r/mix.ogg"),
    )


def test_what_was_said_grows_old() -> None:
    assert older(SOUND, Seconds(2)) == dataclasses.replace(SOUND, age_s=Seconds(2.25))
    assert older(NOTHING, Seconds(2)) == NOTHING
