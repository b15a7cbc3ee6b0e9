import subprocess
import sys
from pathlib import Path

import click
import pytest

from sessiond.cli.main import commands, run
from sessiond.cli.operator import resolve_where
from sessiond.errors import Refused
from tests.cli.fakeagent import FakeAgent
from tests.cli.pictures import LINK

Capture = pytest.CaptureFixture[str]
COMMANDS = (
    "demo", "hosts", "check", "create", "invite", "join", "remove", "spec", "apply",
    "status", "watch", "listen", "gain", "title", "mute", "unmute", "leave", "resume",
    "handover", "stop", "icecast-config", "page", "next-track", "doctor",
)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(
    agent: FakeAgent, capsys: Capture, command: str
) -> None:
    assert run([command, "--help"], agent.operator()) == 0
    out = capsys.readouterr().out
    assert f"Example:\n    sessiond {command}" in out


def test_no_command_is_left_out() -> None:
    assert tuple(commands.list_commands(click.Context(commands))) == COMMANDS


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_help_lists_the_commands(capsys: Capture, arguments: list[str]) -> None:
    assert run(arguments) == 0
    out = capsys.readouterr().out
    assert all(f"  {command} " in out for command in COMMANDS)
    assert "..." not in out.partition("Commands:")[2]


def test_version(capsys: Capture) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("sessiond, version ")


class TestWhere:
    def test_what_is_given_comes_first(self) -> None:
        environment = {"SESSIOND_AGENT": "bob:1"}
        assert resolve_where("alice:7700", environment, "/x") == "alice:7700"
        assert resolve_where(None, environment, "/x") == "bob:1"

    def test_then_this_hosts_socket(self, tmp_path: Path) -> None:
        place = tmp_path / "agent.sock"
        assert resolve_where(None, {}, str(tmp_path)) == f"unix:{place}"

    @pytest.mark.parametrize("where", ["[::1]:7700", "unix:/run/x.sock"])
    def test_forms(self, where: str) -> None:
        assert resolve_where(where, {}, "/x") == where

    @pytest.mark.parametrize(
        ("where", "hint"),
        [
            ("alice", "such as alice:7700"),
            ("unix:", "unix:PATH."),
            ("alice:port", "unix:PATH."),
            ("http://alice:7700", "unix:PATH."),
            ("a b:7700", "unix:PATH."),
        ],
    )
    def test_anything_else_is_refused(self, where: str, hint: str) -> None:
        with pytest.raises(Refused, match="no agent's address") as caught:
            resolve_where(where, {}, "/x")
        assert hint in caught.value.hint

    def test_a_wrong_address_is_2(self, capsys: Capture) -> None:
        assert run(["--agent", "alice", "status"]) == 2
        assert "alice:7700" in capsys.readouterr().err

    def test_an_agent_that_this_person_does_not_know_is_2(
        self, capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("SESSIOND_IDENTITY", str(tmp_path / "none"))
        assert run(["--agent", "127.0.0.1:7700", "status"]) == 2
        said = capsys.readouterr().err
        assert "no way in to an agent at 127.0.0.1:7700" in said
        assert "sessiond invite --operator" in said
        assert not (tmp_path / "none").exists()


def test_a_reader_that_goes_early_is_no_error(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    hosts = ", ".join(f'"h{n}"' for n in range(40))
    file.write_text(f'name = "a"\nhosts = [{hosts}]\ntopology = "mesh"\n')
    with subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from sessiond.cli.main import main; main()",
            "check",
            file,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0


SLOW = {"numpy", "grpc", "sessiond.cli.demo", "cryptography", "segno"}


@pytest.mark.parametrize(
    ("words", "needed"),
    [
        (["status", "--help"], set()),
        (["invite", "--help"], set()),
        (["create", "--help"], set()),
        # To this host's own agent, which is not there.
        (["--agent", "unix:/nowhere/agent.sock", "status"], {"grpc"}),
        (["--agent", "unix:/nowhere/agent.sock", "join", LINK], {"grpc"}),
    ],
)
def test_nothing_is_imported_that_is_not_needed(
    words: list[str], needed: set[str]
) -> None:
    code = (
        f"import sys; from sessiond.cli.main import run; run({words!r});"
        f"print(sorted(({SLOW!r}) & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == str(sorted(needed))
