"""Every file in deploy/examples is valid, and its session can be planned."""

from pathlib import Path

import pytest

from sessiond.core.configfile import HostDefaults, parse_config
from sessiond.core.specfile import parse_spec
from tests.repo.tree import ROOT, text, tracked

EXAMPLES = [p for p in tracked() if p.parent == Path("deploy/examples")]
SESSIONS = [p for p in EXAMPLES if p.name != "agent.toml"]


def test_there_is_one_for_each_workflow() -> None:
    names = {p.stem for p in SESSIONS}
    assert names >= {"jam", "djs", "studio", "talkshow"}


@pytest.mark.parametrize("path", SESSIONS, ids=str)
def test_session_file_is_valid_and_goes_on_the_air(path: Path) -> None:
    spec = parse_spec(text(path)).spec
    assert spec.mounts
    assert spec.preference


def test_agent_file_is_valid() -> None:
    defaults = HostDefaults(host_name="x", state_dir="/x", advertise="192.0.2.1")
    config = parse_config(text(Path("deploy/examples/agent.toml")), defaults)
    assert config.name == "alice"
    assert ROOT.is_dir()
