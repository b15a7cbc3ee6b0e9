"""What ``listen`` refuses, and what it shows of what was heard; nothing is decoded."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console, RenderableType

from sessiond.cli.heard import (
    Listened,
    all_heard,
    health_line,
    sounds_document,
    sounds_picture,
)
from sessiond.cli.listening import Delays
from sessiond.cli.main import run
from sessiond.core.hearing import MountSound
from sessiond.core.status import SessionStatus
from sessiond.errors import Unavailable
from sessiond.units import Decibels, MountPath, Seconds
from tests.cli import pictures
from tests.cli.fakeagent import FakeAgent
from tests.support.eventually import aeventually

Capture = pytest.CaptureFixture[str]

HEARD = MountSound(
    path=MountPath("/mix.ogg"),
    listening=True,
    progressing=True,
    age_s=Seconds(0.05),
    level_db=Decibels(-21.04),
    true_peak_db=Decibels(-1.26),
    momentary_lufs=Decibels(-18.1),
    short_term_lufs=Decibels(-19.2),
    integrated_lufs=Decibels(-20.3),
    loudness_lufs=Decibels(-20.2),
    buffer_s=Seconds(4.06),
    gaps=2,
    gap_s=Seconds(1.25),
    delay_s=Seconds(4.31),
    title="Alice - [red]First[/red] song",
)
SILENT = replace(
    HEARD,
    path=MountPath("/dj1.ogg"),
    silent=True,
    silent_s=Seconds(7.5),
    level_db=Decibels(float("-inf")),
    true_peak_db=Decibels(float("-inf")),
    momentary_lufs=Decibels(-120.69),
    gaps=0,
    title="",
)
ABSENT = MountSound(path=MountPath("/dj2.ogg"))
STALLED = replace(HEARD, path=MountPath("/dj3.ogg"), progressing=False, clipping=True)


def listened(*sounds: MountSound) -> list[Listened]:
    trouble = {"/dj2.ogg": "nothing plays at http://radio:8000/dj2.ogg"}
    return [
        Listened(
            url=f"http://radio:8000{sound.path}",
            sound=sound,
            trouble=trouble.get(sound.path, ""),
        )
        for sound in sounds
    ]


ALL = listened(HEARD, SILENT, ABSENT, STALLED)


def shown(picture: RenderableType) -> list[list[str]]:
    console = Console(width=160, markup=False, highlight=False)
    with console.capture() as capture:
        console.print(picture)
    lines = capture.get().splitlines()
    return [[w for w in line.strip().split("  ") if w] for line in lines]


HEADS = (
    *("MOUNT", "SOUND", "LEVEL", "TRUE PEAK", "LUFS 0.4 S", "3 S", "ALL"),
    *("DELAY", "AHEAD", "GAPS", "TITLE"),
)
LEVELS = ("-21.0", "-1.3", "-18.1", "-19.2", "-20.3")
QUIET = ("–∞", "–∞", "–∞", "-19.2", "-20.3")
PLAYED = ("4.3 s", "4.1 s", "2, 1.2 s")


def test_the_picture() -> None:
    rows = shown(sounds_picture(ALL))
    assert [[word.strip() for word in row] for row in rows] == [
        [*HEADS],
        ["/mix.ogg", "heard", *LEVELS, *PLAYED, "Alice - [red]First[/red] song"],
        ["/dj1.ogg", "silent", *QUIET, "4.3 s", "4.1 s", "0", "–"],
        ["/dj2.ogg", "absent", *("–" * 7), "0", "–"],
        ["/dj3.ogg", "stalled clipping", *LEVELS, *PLAYED, HEARD.title],
        ["/dj2.ogg: nothing plays at http://radio:8000/dj2.ogg"],
    ]


def test_the_document_is_json_with_null_for_silence() -> None:
    document = json.loads(json.dumps(sounds_document("jam", ALL), allow_nan=False))
    assert (document["session"], document["ok"]) == ("jam", False)
    heard, silent, absent, _ = document["mounts"]
    assert heard == {
        "path": "/mix.ogg",
        "url": "http://radio:8000/mix.ogg",
        "sound": "heard",
        "trouble": "",
        "title": "Alice - [red]First[/red] song",
        "progressing": True,
        "silent": False,
        "silent_s": 0,
        "clipping": False,
        "level_db": -21.04,
        "true_peak_db": -1.26,
        "momentary_lufs": -18.1,
        "short_term_lufs": -19.2,
        "integrated_lufs": -20.3,
        "loudness_lufs": -20.2,
        "delay_s": 4.31,
        "buffer_s": 4.06,
        "gaps": 2,
        "gap_s": 1.25,
        "age_s": 0.05,
    }
    assert (silent["level_db"], silent["momentary_lufs"]) == (None, None)
    assert (absent["sound"], absent["age_s"]) == ("absent", None)


def test_the_line_for_cron() -> None:
    assert health_line("jam", listened(HEARD)) == "ok jam: /mix.ogg -20.3 LUFS, 2 gaps"
    assert health_line("jam", listened(replace(HEARD, gaps=0))).endswith("LUFS")
    assert health_line("jam", ALL) == (
        "off jam: /mix.ogg -20.3 LUFS, 2 gaps, /dj1.ogg is silent, /dj2.ogg is not "
        "heard (nothing plays at http://radio:8000/dj2.ogg), /dj3.ogg stalls"
    )
    assert health_line("jam", []) == "off jam: no mounts"
    assert all_heard(listened(HEARD))
    assert not all_heard(listened(HEARD, SILENT))
    assert not all_heard([])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["friday-jam", "/mix.oga"], "did you mean"),
        (["friday-jam", "/other.ogg"], "friday-jam has no mount /other.ogg"),
        (["Friday Jam"], 'did you mean "friday-jam"'),
        (["ftp://radio/mix.ogg"], "no address of a stream"),
        (["http://radio:80x/mix.ogg"], "no address of a stream"),
        (["http://radio/a b"], "no address of a stream"),
        (["http://radio/mix.ogg", "/mix.ogg"], "A URL is a mount already"),
        (["friday-jam", "--record", "somewhere"], "A file holds one mount"),
        (["friday-jam", "--silent-below", "3"], "--silent-below"),
    ],
)
def test_refused(
    agent: FakeAgent, capsys: Capture, words: list[str], sentence: str
) -> None:
    assert run(["listen", *words], agent.operator()) == 2
    assert sentence in capsys.readouterr().err


def test_nothing_is_recorded_over(
    agent: FakeAgent, capsys: Capture, tmp_path: Path
) -> None:
    kept = tmp_path / "kept.ogg"
    kept.write_text("an older air check")
    command = ["listen", "friday-jam", str(pictures.MIX), "--record", str(kept)]
    assert run(command, agent.operator()) == 2
    assert "There is a file" in capsys.readouterr().err
    assert kept.read_text() == "an older air check"
    command[-1] = str(tmp_path / "absent" / "kept.ogg")
    assert run(command, agent.operator()) == 4


def test_a_session_without_mounts_has_nothing_to_hear(
    agent: FakeAgent, capsys: Capture
) -> None:
    agent.pictures = (replace(pictures.ON_AIR, mounts=()),)
    assert run(["listen", "friday-jam", "--check"], agent.operator()) == 2
    assert "has no mounts" in capsys.readouterr().err


def sounding(delay_s: float) -> SessionStatus:
    """Return a session whose ear finds its first mount so late."""
    first, *others = pictures.ON_AIR.mounts
    late = replace(HEARD, path=first.path, delay_s=Seconds(delay_s))
    return replace(pictures.ON_AIR, mounts=(replace(first, sound=late), *others))


async def test_how_late_a_mount_is_stays_up_to_date(agent: FakeAgent) -> None:
    path = pictures.ON_AIR.mounts[0].path
    delays = Delays(agent.operator(), "friday-jam")
    assert delays.of(path) is None
    agent.pictures = (sounding(4.0),)

    async def becomes(delay_s: float | None, at: float) -> None:
        def is_so() -> bool:
            # Nothing is asked while an answer is on its way.
            delays.ask_now_and_then(Seconds(at))
            return delays.of(path) == delay_s

        await aeventually(is_so, within=5)

    await becomes(4.0, at=0.0)
    agent.pictures = (sounding(2.5),)
    delays.ask_now_and_then(Seconds(4.9))
    assert len(agent.asked) == 1
    await becomes(2.5, at=5.0)
    assert len(agent.asked) == 2
    agent.error = Unavailable("The agent is gone.")
    await becomes(None, at=10.0)


def test_a_stream_of_others_has_no_ear_to_be_asked(agent: FakeAgent) -> None:
    delays = Delays(agent.operator(), "http://radio:8000/mix.ogg")
    delays.ask()
    assert delays.of(MountPath("/mix.ogg")) is None
    assert not agent.asked
