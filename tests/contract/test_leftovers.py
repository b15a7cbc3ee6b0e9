"""What an agent left running is ended in order, and nothing else."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from signal import SIGKILL

import pytest

from agent.adapters.disk import DiskStore
from agent.adapters.os_procs import OsProcs
from agent.identity import load_identity
from agent.leftovers import end_children
from agent.records import PROCS, ProcRecord, ProcRecords
from sessiond.core.configfile import AgentConfig
from sessiond.core.proc import ProcIdentity, ProcPlan, Program, Stage
from sessiond.errors import Broken
from sessiond.units import HostName, ProcName
from sessiond.wire.convert import decode, encode
from tests.contract.conftest import Rings
from tests.support.eventually import aeventually
from tests.support.fakeproc import Behaviour

pytestmark = pytest.mark.real

STAGES = {
    "jackd": Stage.JACK,
    "link-bob": Stage.LINKS,
    "mixdown": Stage.MIXDOWN,
    "source-mix.ogg": Stage.SOURCES,
}


def plan(name: str, *, deaf: bool = False) -> ProcPlan:
    behaviour = Behaviour(ignore_term=deaf, prints=("up",))
    return ProcPlan(
        name=ProcName(name),
        program=Program.JACKTRIP,
        stage=STAGES[name],
        argv=behaviour.argv,
    )


class Gone:
    """An agent that has gone, and what it left running and wrote down."""

    def __init__(self, folder: Path) -> None:
        self.config = AgentConfig(
            name=HostName("alice"), state_dir=str(folder), advertise="127.0.0.1"
        )
        self.store = DiskStore(folder)
        self.procs = OsProcs(self.store.folder("log"), Rings())
        self.records: dict[str, ProcRecord] = {}

    async def started(self, name: str, *, deaf: bool = False) -> ProcIdentity:
        wanted = plan(name, deaf=deaf)
        identity = await self.procs.spawn(wanted)
        await aeventually(lambda: "up" in self.tail(name), within=10)
        self.records[name] = ProcRecord(plan=wanted, identity=identity)
        return identity

    def tail(self, name: str) -> str:
        return self.procs.seen()[ProcName(name)].tail

    def lives(self, name: str) -> bool:
        return self.procs.seen()[ProcName(name)].exit_code is None

    def write_down(self) -> None:
        records = ProcRecords(records=tuple(self.records.values()))
        self.store.save(PROCS, encode(records))


@pytest.fixture
async def gone(tmp_path: Path) -> AsyncIterator[Gone]:
    agent = Gone(tmp_path / "state")
    yield agent
    for name in agent.procs.seen():
        agent.procs.signal(name, SIGKILL)
    await aeventually(lambda: not any(map(agent.lives, agent.records)), within=5)
    agent.procs.close()


async def test_all_of_it_ends_sources_first_and_jack_last(gone: Gone) -> None:
    for name in STAGES:
        await gone.started(name)
    gone.write_down()
    assert await end_children(gone.config) == tuple(reversed(STAGES))
    await aeventually(lambda: not any(map(gone.lives, STAGES)), within=5)
    content = gone.store.load(PROCS)
    assert content is not None
    assert decode(ProcRecords, content) == ProcRecords()
    assert await end_children(gone.config) == ()


async def test_what_does_not_listen_is_killed(gone: Gone) -> None:
    await gone.started("link-bob", deaf=True)
    gone.write_down()
    assert await end_children(gone.config) == ("link-bob",)
    await aeventually(lambda: not gone.lives("link-bob"), within=5)


@pytest.mark.parametrize(
    "another",
    [
        lambda ours: replace(ours, argv_hash="0"),
        lambda ours: replace(ours, started=ours.started - 1),
        lambda ours: replace(ours, boot_id="another"),
    ],
)
async def test_what_is_not_provably_ours_is_let_alone(
    gone: Gone, another: Callable[[ProcIdentity], ProcIdentity]
) -> None:
    identity = await gone.started("link-bob")
    ours = gone.records["link-bob"]
    gone.records["link-bob"] = replace(ours, identity=another(identity))
    gone.write_down()
    assert await end_children(gone.config) == ()
    assert gone.lives("link-bob")


async def test_the_children_of_an_agent_that_lives_are_let_alone(gone: Gone) -> None:
    await gone.started("link-bob")
    gone.write_down()
    gone.store.lock()
    with pytest.raises(Broken, match="another agent"):
        await end_children(gone.config)
    gone.store.close()
    assert gone.lives("link-bob")


async def test_without_records_there_is_nothing_to_end(gone: Gone) -> None:
    assert await end_children(gone.config) == ()


async def test_the_stations_passwords_are_not_left_behind(
    gone: Gone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    load_identity(gone.store, gone.config.name)
    configuration = gone.store.folder("run") / "icecast.xml"
    configuration.touch()
    await end_children(gone.config)
    assert not configuration.exists()


def judged(file: Path, result: str, code: str, status: str) -> None:
    """Run what systemd runs once an agent has ended."""
    argv = (sys.executable, "-m", "agent.after_stop", "--config", str(file))
    told = {"SERVICE_RESULT": result, "EXIT_CODE": code, "EXIT_STATUS": status}
    subprocess.run(argv, env={**os.environ, **told}, check=True, timeout=25)


@pytest.mark.parametrize(
    ("verdict", "ends"),
    [
        (("success", "exited", "0"), True),
        (("success", "killed", "TERM"), True),
        (("timeout", "killed", "KILL"), True),
        (("signal", "killed", "KILL"), False),
        (("watchdog", "killed", "ABRT"), False),
        (("exit-code", "exited", "1"), False),
    ],
)
async def test_systemd_ends_them_after_a_wanted_stop_only(
    gone: Gone, tmp_path: Path, verdict: tuple[str, str, str], ends: bool
) -> None:
    await gone.started("link-bob")
    gone.write_down()
    file = tmp_path / "agent.toml"
    file.write_text(f'state_dir = "{gone.config.state_dir}"\n')
    judged(file, *verdict)
    if ends:
        await aeventually(lambda: not gone.lives("link-bob"), within=5)
    else:
        assert gone.lives("link-bob")
