"""sessiond/v1 is what proto/ says."""

import re
import subprocess
from pathlib import Path

from tests.repo.tree import ROOT

V1 = Path("sessiond/v1")


def written(folder: Path) -> dict[str, str]:
    files = (p for p in folder.iterdir() if p.suffix in {".py", ".pyi"})
    return {p.name: p.read_text() for p in files}


def test_generated_code_is_fresh(tmp_path: Path) -> None:
    subprocess.run((str(ROOT / "deploy/protoc"), str(tmp_path)), check=True)
    assert written(ROOT / V1) == written(tmp_path / V1), "run `make proto`"


def test_every_proto_file_has_its_generated_code() -> None:
    expected = {"__init__.py"}
    for proto in (ROOT / "proto" / V1).glob("*.proto"):
        has_service = re.search(r"^service ", proto.read_text(), re.MULTILINE)
        parts = ("_pb2", "_pb2_grpc") if has_service else ("_pb2",)
        expected |= {
            proto.stem + part + end for part in parts for end in (".py", ".pyi")
        }
    assert set(written(ROOT / V1)) == expected
