import json
from dataclasses import replace

import pytest

from sessiond.cli.main import run
from sessiond.core.specfile import parse_spec
from sessiond.core.status import HostSighting, SessionStatus
from sessiond.errors import Broken, Refused, SessiondError, Unavailable
from sessiond.units import Address, HostId
from tests.cli import pictures
from tests.cli.fakeagent import FakeAgent

Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    ("command", "asked"),
    [
        (["status"], ("status", None)),
        (["status", "friday-jam"], ("status", "friday-jam")),
        (["watch"], ("watch", None)),
        (["watch", "friday-jam"], ("watch", "friday-jam")),
        (["spec", "friday-jam"], ("spec", "friday-jam")),
        (["hosts"], ("hosts", 1.0)),
        (["hosts", "--wait", "0"], ("hosts", 0.0)),
    ],
)
@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_what_is_asked(
    agent: FakeAgent, command: list[str], asked: tuple[object, ...], flags: list[str]
) -> None:
    assert run([*command, *flags], agent.operator()) == 0
    assert agent.asked == [asked]


def test_status_for_people(agent: FakeAgent, capsys: Capture) -> None:
    assert run(["status"], agent.operator()) == 0
    out = capsys.readouterr().out
    assert out.startswith("friday-jam  degraded  3.2   leader alice")
    assert "http://192.168.1.20:8000/mix.ogg" in out


@pytest.mark.parametrize(
    "command", ["status", "spec friday-jam", "hosts", "watch", "doctor"]
)
def test_json_is_all_that_stands_on_stdout(
    agent: FakeAgent, capsys: Capture, command: str
) -> None:
    run([*command.split(), "--json"], agent.operator())
    assert isinstance(json.loads(capsys.readouterr().out), dict)


def test_hosts_for_people(agent: FakeAgent, capsys: Capture) -> None:
    agent.sightings = (
        HostSighting(
            name=pictures.ALICE, id=HostId("a" * 32), address=Address("h:7700")
        ),
    )
    run(["hosts"], agent.operator())
    assert "alice  h:7700" in capsys.readouterr().out


def test_spec_is_a_session_file(agent: FakeAgent, capsys: Capture) -> None:
    run(["spec", "friday-jam"], agent.operator())
    printed = parse_spec(capsys.readouterr().out)
    assert printed.spec == pictures.STAMPED.spec
    assert printed.based_on == pictures.STAMP


def test_watch_prints_every_picture(agent: FakeAgent, capsys: Capture) -> None:
    agent.pictures = (pictures.FORMING, pictures.LIVE)
    assert run(["watch"], agent.operator()) == 0
    out = capsys.readouterr().out
    assert out.index("friday-jam  forming") < out.index("friday-jam  on-air")
    run(["watch", "--json"], agent.operator())
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["phase"] for line in lines] == ["forming", "on-air"]


def test_watch_redraws_on_a_terminal(agent: FakeAgent, capsys: Capture) -> None:
    assert run(["watch"], agent.operator(on_terminal=True)) == 0
    assert "friday-jam" in capsys.readouterr().out


def test_ctrl_c_is_130(agent: FakeAgent, capsys: Capture) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    agent.after_pictures = interrupt
    assert run(["watch"], agent.operator()) == 130
    assert capsys.readouterr().err == "\ninterrupted\n"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Refused("No session runs here.", "Create one."), 2),
        (Unavailable("No agent answers.", "Create one."), 3),
        (Broken("The password is wrong.", "Create one."), 4),
    ],
)
def test_an_error_is_one_sentence_then_a_hint(
    agent: FakeAgent, capsys: Capture, error: SessiondError, code: int
) -> None:
    agent.error = error
    assert run(["status", "--json"], agent.operator()) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == f"error: {error.sentence}\nhint: Create one.\n"


def test_an_error_without_a_hint(agent: FakeAgent, capsys: Capture) -> None:
    agent.error = Refused("No.")
    run(["status"], agent.operator())
    assert capsys.readouterr().err == "error: No.\n"


@pytest.mark.parametrize(
    "arguments",
    [
        "frobnicate",
        "status --nope",
        "status Friday",
        "status a b",
        "spec",
        "hosts --wait -1",
        "hosts --wait soon",
    ],
)
def test_bad_arguments_are_refused(
    agent: FakeAgent, capsys: Capture, arguments: str
) -> None:
    assert run(arguments.split(), agent.operator()) == 2
    error, hint = capsys.readouterr().err.splitlines()
    assert error.startswith("error: ")
    assert hint.startswith("hint: See sessiond")
    assert agent.asked == []


def test_a_wrong_name_has_a_guess(agent: FakeAgent, capsys: Capture) -> None:
    run(["status", "Friday Jam"], agent.operator())
    assert '(did you mean "friday-jam"?)' in capsys.readouterr().err


def test_titles_and_messages_are_shown_as_they_are(
    agent: FakeAgent, capsys: Capture
) -> None:
    picture: SessionStatus = pictures.LIVE
    odd = replace(picture.mounts[0], url="http://[fe80::1]:8000/mix.ogg")
    agent.pictures = (replace(picture, mounts=(odd,)),)
    run(["status"], agent.operator())
    assert "http://[fe80::1]:8000/mix.ogg" in capsys.readouterr().out


@pytest.mark.parametrize("on_terminal", [True, False])
def test_what_others_wrote_does_not_steer_the_terminal(
    agent: FakeAgent, capsys: pytest.CaptureFixture[str], on_terminal: bool
) -> None:
    agent.sightings = (
        HostSighting(
            name=pictures.BOB,
            id=HostId("b" * 32),
            address=Address("192.168.1.21:7700"),
            version="1\x1b]0;owned\x07\x9b\u202e",
        ),
    )
    assert run(["hosts"], agent.operator(on_terminal=on_terminal)) == 0
    out = capsys.readouterr().out
    # A column is as wide as what should be seen of it.
    assert "1\ufffd]0;owne" in out
    assert "\x1b]" not in out
    assert run(["hosts", "--json"], agent.operator()) == 0
    assert capsys.readouterr().out.isascii()
    agent.error = Refused("No\x1b[2J.", "Look\x9b.")
    assert run(["hosts"], agent.operator()) == 2
    assert capsys.readouterr().err == "error: No\ufffd[2J.\nhint: Look\ufffd.\n"
