"""Commands about who belongs, by what is asked of an agent and what is said."""

import json
import sys
from pathlib import Path

import pytest

from sessiond.cli.invitation import qr_code
from sessiond.cli.main import run
from sessiond.errors import Refused
from tests.cli import pictures
from tests.cli.fakeagent import FakeAgent
from tests.cli.pictures import LINK

Capture = pytest.CaptureFixture[str]
VIEWERS = LINK.replace("&t=h", "&t=v")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "of-mine"
    monkeypatch.setenv("SESSIOND_IDENTITY", str(place))
    return place


class TestInvite:
    @pytest.mark.parametrize(
        ("words", "asked"),
        [
            ([], ("invite", None, "host")),
            (["friday-jam"], ("invite", "friday-jam", "host")),
            (["friday-jam", "--viewer"], ("invite", "friday-jam", "viewer")),
            (["--operator"], ("invite", None, "operator")),
        ],
    )
    def test_in_a_pipe_it_is_the_link_alone(
        self,
        agent: FakeAgent,
        capsys: Capture,
        words: list[str],
        asked: tuple[object, ...],
    ) -> None:
        assert run(["invite", *words], agent.operator()) == 0
        assert capsys.readouterr().out == f"{LINK}\n"
        assert agent.asked == [asked]

    @pytest.mark.parametrize("on_terminal", [True, False])
    def test_as_a_document(
        self, agent: FakeAgent, capsys: Capture, on_terminal: bool
    ) -> None:
        agent.link = VIEWERS
        operator = agent.operator(on_terminal=on_terminal)
        assert run(["invite", "--viewer", "--json"], operator) == 0
        assert json.loads(capsys.readouterr().out) == {
            "session": "friday-jam",
            "role": "viewer",
            "join": VIEWERS,
        }

    def test_on_a_terminal_with_a_code(self, agent: FakeAgent, capsys: Capture) -> None:
        assert run(["invite"], agent.operator(on_terminal=True)) == 0
        said, command, *code = capsys.readouterr().out.splitlines()
        assert said == "This lets a host into friday-jam, once, within 15 minutes:"
        assert command == f"  sessiond join '{LINK}'"
        assert "\n".join(code).strip() == qr_code(LINK).strip()

    @pytest.mark.parametrize(("columns", "fits"), [("45", True), ("44", False)])
    def test_a_code_that_does_not_fit_is_left_out(
        self,
        agent: FakeAgent,
        capsys: Capture,
        monkeypatch: pytest.MonkeyPatch,
        columns: str,
        fits: bool,
    ) -> None:
        monkeypatch.setenv("COLUMNS", columns)
        assert run(["invite"], agent.operator(on_terminal=True)) == 0
        assert ("█" in capsys.readouterr().out) is fits

    def test_a_terminal_without_blocks_gets_none(
        self, agent: FakeAgent, capsys: Capture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(type(sys.stdout), "encoding", "iso-8859-1", raising=False)
        assert run(["invite"], agent.operator(on_terminal=True)) == 0
        assert "█" not in capsys.readouterr().out

    def test_a_link_is_for_one_role(self, agent: FakeAgent, capsys: Capture) -> None:
        assert run(["invite", "--viewer", "--operator"], agent.operator()) == 2
        assert "not for both" in capsys.readouterr().err
        assert agent.asked == []

    @pytest.mark.parametrize("answer", ["jam://", "jam://h:1/x'; rm -rf ~ #", "\x1b]"])
    def test_what_is_no_link_is_not_shown(
        self, agent: FakeAgent, capsys: Capture, answer: str
    ) -> None:
        agent.link = answer
        assert run(["invite"], agent.operator()) == 2
        assert capsys.readouterr().out == ""


class TestJoin:
    def test_a_host_joins_through_its_agent(
        self, agent: FakeAgent, capsys: Capture, folder: Path
    ) -> None:
        assert run(["join", f" {LINK}\n"], agent.operator()) == 0
        assert agent.asked == [("join", LINK)]
        said = "This host is in friday-jam now, at 3.2.\n"
        assert capsys.readouterr().out == said
        # A computer's link makes nobody of the person who uses it.
        assert not folder.exists()

    def test_a_hosts_name_is_its_agents(
        self, agent: FakeAgent, capsys: Capture
    ) -> None:
        assert run(["join", LINK, "--as", "ann"], agent.operator()) == 2
        assert "agent.toml" in capsys.readouterr().err
        assert agent.asked == []

    def test_a_link_that_a_shell_has_cut(
        self, agent: FakeAgent, capsys: Capture
    ) -> None:
        assert run(["join", LINK.partition("&")[0]], agent.operator()) == 2
        assert "single quotes" in capsys.readouterr().err

    @pytest.mark.parametrize("words", [["Friday"], [], ["a", "b"], [LINK, "--as", ""]])
    def test_bad_arguments_are_refused(
        self, agent: FakeAgent, capsys: Capture, words: list[str]
    ) -> None:
        assert run(["join", *words], agent.operator()) == 2
        assert capsys.readouterr().err.startswith("error: ")
        assert agent.asked == []

    def test_an_error_shows_no_secret(self, agent: FakeAgent, capsys: Capture) -> None:
        agent.error = Refused("This invitation has expired.")
        assert run(["join", LINK], agent.operator()) == 2
        captured = capsys.readouterr()
        assert LINK[-22:] not in captured.err + captured.out


class TestRemove:
    @pytest.mark.parametrize("who", ["bob", "Ann@laptop", "Ann of the crew"])
    def test_one_call_one_sentence(
        self, agent: FakeAgent, capsys: Capture, who: str
    ) -> None:
        assert run(["remove", "friday-jam", who], agent.operator()) == 0
        assert agent.asked == [("remove", pictures.JAM, who)]
        said = f"{who} is in friday-jam no more; it is now at 3.3.\n"
        assert capsys.readouterr().out == said

    @pytest.mark.parametrize(
        "words", [[], ["friday-jam"], ["friday-jam", ""], ["friday-jam", "a\nb"]]
    )
    def test_bad_arguments_are_refused(
        self, agent: FakeAgent, capsys: Capture, words: list[str]
    ) -> None:
        assert run(["remove", *words], agent.operator()) == 2
        assert capsys.readouterr().err.startswith("error: ")
        assert agent.asked == []
