"""Every file in deploy/examples is valid, and its session can be planned."""

import re
from pathlib import Path

import pytest

from sessiond.core.configfile import HostDefaults, parse_config
from sessiond.core.rehearsal import rehearse
from sessiond.core.spec import SessionSpec
from sessiond.core.specfile import parse_spec
from sessiond.core.stationfile import StationConfig
from tests.repo.tree import text, tracked

EXAMPLES = Path("deploy/examples")
AGENT = EXAMPLES / "agent.toml"
STATION = Path("docs/station.md")
KEYS = (
    "music", "next_track", "next_track_timeout_s", "loudness", "crossfade_s", "session",
    "port",
)  # fmt: skip
SESSIONS = [p for p in tracked() if p.parent == EXAMPLES and p != AGENT]


@pytest.fixture(params=SESSIONS, ids=lambda path: path.stem)
def spec(request: pytest.FixtureRequest) -> SessionSpec:
    return parse_spec(text(request.param)).spec


def test_there_is_one_for_each_workflow() -> None:
    assert {p.stem for p in SESSIONS} >= {"jam", "djs", "studio", "talkshow"}


def test_every_host_is_linked(spec: SessionSpec) -> None:
    for name, plan in rehearse(spec).items():
        links = [p.name for p in plan.procs if p.name.startswith("link-")]
        assert links, f"{name} would hear nobody"


def test_the_best_two_ranks_encode_every_mount(spec: SessionSpec) -> None:
    wanted = {f"source-{mount.file_name}" for mount in spec.mounts}
    assert wanted
    for name, plan in rehearse(spec).items():
        best = name in spec.preference[:2]
        assert set(plan.sources) == (wanted if best else set())


def test_icecast_is_run_by_one_host_or_is_somebodys(spec: SessionSpec) -> None:
    stations = [plan.station for plan in rehearse(spec).values() if plan.station]
    assert len(stations) == (1 if spec.icecast is None else 0)


def test_agent_file_is_valid() -> None:
    defaults = HostDefaults(host_name="x", state_dir="/x", advertise="192.0.2.1")
    assert parse_config(text(AGENT), defaults).name == "alice"


def test_the_agent_file_of_a_station_is_valid() -> None:
    (shown,) = re.findall(r"```toml\n(.*?)```", text(STATION), re.DOTALL)
    defaults = HostDefaults(host_name="x", state_dir="/x", advertise="192.0.2.1")
    read = parse_config(shown, defaults).station
    assert read is not None
    # Every key is shown, with its default where it has one.
    asked = StationConfig(
        music=read.music, next_track=read.next_track, session=read.session
    )
    assert read == asked
    assert all(f"\n{key} = " in shown for key in KEYS)
