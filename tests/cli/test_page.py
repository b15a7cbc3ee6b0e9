import json
from pathlib import Path

import pytest

from sessiond.cli.main import run
from tests.cli.fakeagent import FakeAgent

Capture = pytest.CaptureFixture[str]


def written(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_page_is_written_out(
    agent: FakeAgent, file: Path, tmp_path: Path, capsys: Capture
) -> None:
    folder = tmp_path / "www"
    given = ["page", str(file), "--to", str(folder), "--streams", "https://radio.test/"]
    assert run(given, agent.operator()) == 0
    document = json.loads((folder / "mounts.json").read_text())
    assert [mount["path"] for mount in document["mounts"]] == ["/mix.ogg"]
    assert (document["streams"], document["live"]) == ("https://radio.test", False)
    assert {"index.html", "embed.html", "page"} <= written(folder)
    assert "status-json.xsl" not in written(folder)
    assert str(folder) in capsys.readouterr().out
    assert agent.asked == []


def test_an_icecast_needs_its_own_pages_too(
    agent: FakeAgent, file: Path, tmp_path: Path
) -> None:
    given = ["page", str(file), "--to", str(tmp_path / "www"), "--icecast"]
    assert run(given, agent.operator()) == 0
    assert {"status-json.xsl", "index.html"} <= written(tmp_path / "www")


def test_an_address_of_something_else_is_refused(
    agent: FakeAgent, file: Path, tmp_path: Path, capsys: Capture
) -> None:
    given = ["page", str(file), "--to", str(tmp_path), "--streams", "radio.test"]
    assert run(given, agent.operator()) == 2
    assert "radio.test" in capsys.readouterr().err
    assert not (tmp_path / "index.html").exists()


def test_a_folder_that_cant_be_is_named(
    agent: FakeAgent, file: Path, tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "taken").write_text("")
    given = ["page", str(file), "--to", str(tmp_path / "taken" / "www")]
    assert run(given, agent.operator()) == 4
    assert "taken/www" in capsys.readouterr().err


def test_icecast_config_names_the_pages_folder(
    agent: FakeAgent, file: Path, tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "p").write_text("secret")
    file.write_text(file.read_text() + 'source_password_file = "p"\n')
    assert run(["icecast-config", str(file), "--page", "/srv"], agent.operator()) == 0
    out = capsys.readouterr().out
    assert "<webroot>/srv</webroot>" in out
    assert 'destination="/index.html"' in out
