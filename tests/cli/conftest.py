import io
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli import pictures
from tests.cli.fakeagent import FakeAgent


@pytest.fixture
def agent() -> FakeAgent:
    return FakeAgent(running=pictures.STAMPED, pictures=(pictures.ON_AIR,))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A session file that says what the fake agent runs."""
    path = tmp_path / "friday-jam.toml"
    path.write_text(pictures.FILE)
    return path


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put a text where the operator's keyboard would be."""

    def type_in(text: str) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO(text))

    return type_in
