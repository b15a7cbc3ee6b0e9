"""What is committed in sessiond/v1 is what proto/ says, and so are the methods."""

import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from sessiond.v1 import agent_pb2, join_pb2, peer_pb2
from sessiond.wire import join_methods, methods, peer_methods
from sessiond.wire.methods import Method

Generated = Any
"""A module that protobuf made."""

ROOT = Path(__file__).resolve().parents[2]


def test_the_generated_code_is_fresh(tmp_path: Path) -> None:
    subprocess.run([ROOT / "deploy" / "protoc", tmp_path], check=True)
    made = {path.name: path.read_text() for path in tmp_path.rglob("*_pb2.py*")}
    committed = {
        path.name: path.read_text() for path in (ROOT / "sessiond/v1").glob("*_pb2.py*")
    }
    assert made.keys() == committed.keys()
    stale = [name for name, text in made.items() if text != committed[name]]
    assert not stale, "run deploy/protoc and commit what it writes"


@pytest.mark.parametrize(
    ("module", "file", "service"),
    [
        (methods, agent_pb2, "AgentService"),
        (peer_methods, peer_pb2, "PeerService"),
        (join_methods, join_pb2, "JoinService"),
    ],
)
def test_the_methods_are_those_of_the_service(
    module: ModuleType, file: Generated, service: str
) -> None:
    described = file.DESCRIPTOR.services_by_name[service]
    ours = {
        (method.path, method.request.__name__, method.reply.__name__)
        for method in vars(module).values()
        if isinstance(method, Method)
    }
    theirs = {
        (
            f"/{described.full_name}/{method.name}",
            method.input_type.name,
            method.output_type.name,
        )
        for method in described.methods
    }
    assert ours == theirs
