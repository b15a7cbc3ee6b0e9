import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from sessiond.cli.main import run
from sessiond.core.status import Finding, Verdict
from sessiond.errors import Unavailable
from tests.cli.fakeagent import FakeAgent

Capture = pytest.CaptureFixture[str]


def test_check_prints_each_hosts_plan(
    agent: FakeAgent, file: Path, capsys: Capture
) -> None:
    assert run(["check", str(file)], agent.operator()) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "alice:"
    assert any("jacktrip -s" in line for line in lines)
    assert any("ffmpeg" in line and "libvorbis" in line for line in lines)
    assert "  wire: system:capture_1 → link-bob:send_1" in lines
    assert lines[-1] == f"{file} is a good session file for 3 hosts and 1 mount."
    assert agent.asked == []


def test_check_as_a_document(agent: FakeAgent, file: Path, capsys: Capture) -> None:
    assert run(["check", str(file), "--json"], agent.operator()) == 0
    document = json.loads(capsys.readouterr().out)
    assert [host["name"] for host in document["hosts"]] == ["alice", "bob", "carol"]
    alice = document["hosts"][0]
    names = [proc["name"] for proc in alice["procs"]]
    assert {"link-bob", "link-carol", "mixdown", "source-mix.ogg"} <= set(names)
    assert ["system:capture_1", "link-bob:send_1"] in alice["wires"]
    assert alice["encoders"][0]["argv"][0] == "ffmpeg"


@pytest.mark.parametrize("name", ["jam", "djs", "studio", "talkshow"])
def test_the_examples_are_good(agent: FakeAgent, name: str) -> None:
    path = Path(__file__).parents[2] / f"deploy/examples/{name}.toml"
    assert run(["check", str(path)], agent.operator()) == 0


def test_a_password_file_that_is_not_there_yet_is_a_warning(
    agent: FakeAgent, capsys: Capture
) -> None:
    path = Path(__file__).parents[2] / "deploy/examples/djs.toml"
    assert run(["check", str(path)], agent.operator()) == 0
    assert capsys.readouterr().err.startswith("warning: ")


def test_check_lists_every_mistake(
    agent: FakeAgent, file: Path, capsys: Capture
) -> None:
    file.write_text('name = "Jam"\nhosts = []\n')
    assert run(["check", str(file), "--json"], agent.operator()) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    first, *mistakes = captured.err.splitlines()
    assert first == f"error: The session file {file} has 2 mistakes."
    assert [line.partition(": ")[0] for line in mistakes] == ["  line 1", "  line 2"]


def test_icecast_config_holds_the_passwords(
    agent: FakeAgent, file: Path, tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "mix").write_text("a<b&c\n")
    text = file.read_text() + 'source_password_file = "mix"\n'
    file.write_text(text + '[icecast]\nhost = "radio.local"\nport = 8010\n')
    assert run(["icecast-config", str(file)], agent.operator()) == 0
    root = ET.fromstring(capsys.readouterr().out)  # noqa: S314  our own text
    assert root.findtext("hostname") == "radio.local"
    assert root.findtext("listen-socket/port") == "8010"
    assert root.findtext("mount/password") == "a<b&c"


@pytest.mark.parametrize(
    ("addition", "word"),
    [
        ('[icecast]\nhost = "h"\n', "password"),
        ("", "password"),
        ('source_password_file = "p"\n[icecast]\nhost = "h"\ntls = true\n', "TLS"),
    ],
)
def test_icecast_config_needs_what_it_prints(
    agent: FakeAgent,
    file: Path,
    tmp_path: Path,
    capsys: Capture,
    addition: str,
    word: str,
) -> None:
    (tmp_path / "p").write_text("x")
    file.write_text(file.read_text() + addition)
    assert run(["icecast-config", str(file)], agent.operator()) == 2
    captured = capsys.readouterr()
    assert (word in captured.err, captured.out) == (True, "")


def test_a_relay_has_every_mount_and_no_password(
    agent: FakeAgent, file: Path, capsys: Capture
) -> None:
    file.write_text(file.read_text() + '[icecast]\nhost = "h"\ntls = true\n')
    asked = ["icecast-config", str(file), "--relay-of", "http://radio.local:8010"]
    more = ["--hostname", "relay.local", "--listeners", "2000"]
    assert run([*asked, *more], agent.operator()) == 0
    text = capsys.readouterr().out
    root = ET.fromstring(text)  # noqa: S314  our own text
    assert root.findtext("relay/server") == "radio.local"
    assert root.findtext("relay/port") == "8010"
    assert root.findtext("hostname") == "relay.local"
    assert root.findtext("mount/max-listeners") == "2000"
    assert "password" not in text


def test_a_relay_of_no_address_is_refused(
    agent: FakeAgent, file: Path, capsys: Capture
) -> None:
    asked = ["icecast-config", str(file), "--relay-of", "radio.local"]
    assert run(asked, agent.operator()) == 2
    assert "no address of an Icecast" in capsys.readouterr().err


GOOD = Finding(subject="JACK", verdict=Verdict.OK, sentence="It runs.")
BAD = Finding(
    subject="station", verdict=Verdict.FAIL, sentence="No.", hint="Look at it."
)


@pytest.mark.parametrize(("findings", "code"), [((GOOD,), 0), ((GOOD, BAD), 4)])
def test_doctor_adds_what_it_sees_itself(
    agent: FakeAgent, capsys: Capture, findings: tuple[Finding, ...], code: int
) -> None:
    agent.findings = findings
    assert run(["doctor"], agent.operator()) == code
    out = capsys.readouterr().out
    assert "It runs." in out
    assert "jacktrip" in out
    assert "trust" in out
    assert ("→ Look at it." in out) is (code == 4)


def test_doctor_without_an_agent_is_3(agent: FakeAgent, capsys: Capture) -> None:
    agent.error = Unavailable("No agent answers.", "Start it.")
    assert run(["doctor", "--json"], agent.operator()) == 3
    captured = capsys.readouterr()
    findings = json.loads(captured.out)["findings"]
    assert findings[0] == {
        "subject": "agent",
        "verdict": "fail",
        "sentence": "No agent answers.",
        "hint": "Start it with sessiond-agent.",
    }
    assert captured.err.startswith("error: No agent answers.")


def test_doctor_names_missing_programs(
    agent: FakeAgent, capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run(["doctor"], agent.operator()) == 4
    captured = capsys.readouterr()
    assert "sudo apt install jacktrip" in captured.out
    assert "error: Not well: jacktrip, ffmpeg." in captured.err


def test_doctor_names_missing_codecs(
    agent: FakeAgent, capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for program in ("jackd", "jacktrip", "icecast2", "ffmpeg"):
        fake = tmp_path / program
        fake.write_text("#!/bin/sh\necho ' A..... flac FLAC'\n")
        fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    assert run(["doctor"], agent.operator()) == 4
    assert "can't encode vorbis, opus, mp3" in capsys.readouterr().out
