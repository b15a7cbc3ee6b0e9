"""sessiond/v1 is what proto/ says."""

import subprocess
from pathlib import Path

from tests.repo.tree import ROOT

V1 = Path("sessiond/v1")


def generated(folder: Path) -> dict[str, str]:
    files = (p for p in folder.glob("*_pb2*") if p.is_file())
    return {p.name: p.read_text() for p in files}


def test_generated_code_is_fresh(tmp_path: Path) -> None:
    subprocess.run((str(ROOT / "deploy/protoc"), str(tmp_path)), check=True)
    assert generated(ROOT / V1) == generated(tmp_path / V1), "run `make proto`"


def test_every_proto_file_has_its_generated_code() -> None:
    stems = {p.stem for p in (ROOT / "proto" / V1).glob("*.proto")}
    assert stems
    expected = {f"{stem}_pb2{end}" for stem in stems for end in (".py", ".pyi")}
    assert set(generated(ROOT / V1)) == expected
