"""Who may import whom; the contracts are in pyproject.toml."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.repo.tree import ROOT

LINT = Path(sys.executable).with_name("lint-imports")


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = (str(LINT), "--no-logo", "--no-cache")
    return subprocess.run(
        command, cwd=folder, check=False, capture_output=True, text=True
    )


def test_every_import_contract_is_kept() -> None:
    outcome = lint(ROOT)
    assert outcome.returncode == 0, outcome.stdout


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("sessiond/core/spoiled.py", "import time"),
        ("sessiond/core/spoiled.py", "from pathlib import Path"),
        ("sessiond/core/spoiled.py", "import sessiond.wire"),
        ("sessiond/cli/spoiled.py", "import agent"),
        ("sessiond/cli/spoiled.py", "from sessiond.v1 import spec_pb2"),
        ("agent/spoiled.py", "import sessiond.cli"),
        ("agent/spoiled.py", "import jack"),
    ],
)
def test_a_forbidden_import_is_found(module: str, line: str, tmp_path: Path) -> None:
    for package in (
        "sessiond",
        "sessiond/core",
        "sessiond/cli",
        "sessiond/wire",
        "sessiond/v1",
        "agent",
    ):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    for leaf in ("sessiond/units.py", "sessiond/errors.py", "sessiond/v1/spec_pb2.py"):
        (tmp_path / leaf).touch()
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    assert lint(tmp_path).returncode == 0
    (tmp_path / module).write_text(f"{line}\n")
    outcome = lint(tmp_path)
    assert "BROKEN" in outcome.stdout
    assert outcome.returncode == 1
