"""The code that a camera reads: what is printed, read back as modules."""

from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
import segno

from sessiond.cli.invitation import _BORDER
from sessiond.cli.main import run
from sessiond.core.stamped import Member
from sessiond.units import HostName
from tests.cli import pictures
from tests.cli.fakeagent import FakeAgent
from tests.cli.pictures import ALICE, BOB, CAROL, FILE, LINK

Capture = pytest.CaptureFixture[str]
JAMMERS: Final = (ALICE, BOB, CAROL)
Matrix = tuple[tuple[int, ...], ...]

# A character shows two modules, the upper first; 1 is dark, and light ones are ink.
MODULES: Final = {" ": (1, 1), "▀": (0, 1), "▄": (1, 0), "█": (0, 0)}


def read_back(lines: list[str]) -> Matrix:
    """Return the modules that lines of half blocks show, without their border."""
    rows: list[tuple[int, ...]] = []
    for line in lines:
        pairs = [MODULES[each] for each in line]
        rows += [tuple(upper for upper, _ in pairs), tuple(lower for _, lower in pairs)]
    width = len(rows[0])
    assert {len(row) for row in rows} == {width}
    # An odd number of rows leaves half a line, of which nothing is known.
    square = rows[:width]
    assert len(square) == width
    edge = range(_BORDER, width - _BORDER)
    light = [
        square[y][x]
        for y in range(width)
        for x in range(width)
        if y not in edge or x not in edge
    ]
    assert not any(light)
    return tuple(tuple(square[y][x] for x in edge) for y in edge)


def expected(link: str) -> Matrix:
    code = segno.make(link, error="l", micro=False)
    return tuple(tuple(row) for row in code.matrix)


def code_in(out: str) -> Matrix:
    lines = out.splitlines()
    return read_back([line for line in lines if line and set(line) <= MODULES.keys()])


@pytest.mark.parametrize("role", ["h", "o", "v"])
def test_the_code_of_an_invitation_is_of_the_very_link(
    agent: FakeAgent, capsys: Capture, role: str
) -> None:
    agent.link = LINK.replace("&t=h", f"&t={role}")
    assert run(["invite"], agent.operator(on_terminal=True)) == 0
    shown = code_in(capsys.readouterr().out)
    assert shown == expected(agent.link)
    assert shown != expected(agent.link[:-1] + "B")


def test_the_code_of_a_new_session_is_of_the_very_link(
    agent: FakeAgent, capsys: Capture, tmp_path: Path
) -> None:
    file = tmp_path / "session.toml"
    file.write_text(FILE)
    agent.running = replace(pictures.STAMPED, members=(*map(nobody, JAMMERS),))
    operator = agent.operator(on_terminal=True)
    assert run(["create", str(file), "--wait", "0"], operator) == 0
    assert code_in(capsys.readouterr().out) == expected(LINK)


def nobody(name: HostName) -> Member:
    return Member(name=name)
