from dataclasses import replace

import pytest

from sessiond.cli.main import run
from sessiond.core.conditions import Reason, warning
from sessiond.core.status import MountState, SessionStatus
from tests.cli import pictures
from tests.cli.fakeagent import FakeAgent

Capture = pytest.CaptureFixture[str]
TITLE = "The Band - Slow Blues"
ASKED = ["title", "friday-jam", "/mix.ogg", TITLE]
OFF = warning(Reason.TITLE_NOT_SHOWN, "Icecast said no.", "Wait.")


def showing(title: str, **fields: object) -> SessionStatus:
    live = pictures.LIVE
    mounts = tuple(
        replace(mount, title=title, **fields)  # type: ignore[arg-type]
        if mount.path == "/mix.ogg"
        else mount
        for mount in live.mounts
    )
    return replace(live, mounts=mounts)


def test_it_ends_when_a_listener_sees_the_title(
    agent: FakeAgent, capsys: Capture
) -> None:
    agent.pictures = (showing(""), showing(TITLE))
    agent.stays = True
    assert run([*ASKED[:3], f"  {TITLE} "], agent.operator()) == 0
    assert agent.asked == [
        ("title", "friday-jam", "/mix.ogg", TITLE),
        ("watch", "friday-jam"),
    ]
    said = f"Listeners of /mix.ogg see “{TITLE}”; friday-jam is now at 3.3.\n"
    assert capsys.readouterr().out == said


def test_no_title_is_a_title_too(agent: FakeAgent, capsys: Capture) -> None:
    agent.pictures = (showing(""),)
    assert run([*ASKED[:3], ""], agent.operator()) == 0
    assert "see no title" in capsys.readouterr().out


def test_it_need_not_wait(agent: FakeAgent, capsys: Capture) -> None:
    assert run([*ASKED, "--wait", "0"], agent.operator()) == 0
    assert agent.asked == [("title", "friday-jam", "/mix.ogg", TITLE)]
    said = f"/mix.ogg is to show “{TITLE}”; friday-jam is now at 3.3.\n"
    assert capsys.readouterr().out == said


@pytest.mark.parametrize(
    ("picture", "why"),
    [
        (showing("Other"), "they see “Other”"),
        (showing(""), "they see none"),
        (showing("", conditions=(OFF,)), "Icecast said no."),
        (showing(TITLE, host=None, state=MountState.DOWN), "nobody feeds that mount"),
        (replace(pictures.LIVE, mounts=()), "nothing is heard of that mount"),
    ],
)
def test_a_title_that_nobody_sees_stays_set_and_is_told(
    agent: FakeAgent, capsys: Capture, picture: SessionStatus, why: str
) -> None:
    agent.pictures, agent.stays = (picture,), True
    assert run([*ASKED, "--wait", "0.1"], agent.operator()) == 3
    captured = capsys.readouterr()
    assert captured.out == ""
    assert why in captured.err
    assert "No listener has seen it on /mix.ogg after 0.1 s" in captured.err
    assert "hint: It stays set" in captured.err


def test_a_mount_without_its_slash_is_refused(
    agent: FakeAgent, capsys: Capture
) -> None:
    assert run(["title", "friday-jam", "mix.ogg", "A"], agent.operator()) == 2
    assert '"/mix.ogg"' in capsys.readouterr().err
    assert agent.asked == []
