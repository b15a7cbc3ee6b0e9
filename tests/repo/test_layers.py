"""Who may import whom; the contracts are in pyproject.toml."""

import subprocess
import sys
from pathlib import Path

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


SPOILED = {
    "sessiond/core/hurried.py": "import time",
    "sessiond/core/filed.py": "from pathlib import Path",
    "sessiond/core/wired.py": "import sessiond.wire",
    "sessiond/cli/crossed.py": "import agent",
    "sessiond/cli/raw.py": "from sessiond.v1 import spec_pb2",
    "agent/crossed.py": "import sessiond.cli",
    "agent/loud.py": "import jack",
    "sessiond/wire/keyed.py": "from cryptography import x509",
}


def test_each_forbidden_import_is_found(tmp_path: Path) -> None:
    for package in ("", "/core", "/cli", "/wire", "/v1"):
        (tmp_path / f"sessiond{package}").mkdir()
        (tmp_path / f"sessiond{package}/__init__.py").touch()
    (tmp_path / "agent").mkdir()
    for leaf in (
        "sessiond/units.py",
        "sessiond/errors.py",
        "sessiond/v1/spec_pb2.py",
        "agent/__init__.py",
    ):
        (tmp_path / leaf).touch()
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    assert lint(tmp_path).returncode == 0
    for module, line in SPOILED.items():
        (tmp_path / module).write_text(f"{line}\n")
    outcome = lint(tmp_path)
    assert outcome.returncode == 1
    for module in SPOILED:
        assert f"{module[:-3].replace('/', '.')} -> " in outcome.stdout
