"""The contract of the door `Procs`, on the fake and on the operating system."""

import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from agent.adapters.executables import Executables, programs
from agent.adapters.os_procs import MOST_STARTS, OsProcs
from agent.doors import EXIT_UNKNOWN, Bell, Procs
from sessiond.core.proc import ProcPlan, Program, Stage
from sessiond.errors import Broken
from sessiond.units import ProcName
from tests.contract.conftest import Jackd, Rings, SmallDisk, descriptors
from tests.support.eventually import aeventually
from tests.support.fakeproc import Behaviour
from tests.support.fakes import FakeMachine, FakeProcs, as_fakeproc

NAME = ProcName("link-bob")


def plan(behaviour: Behaviour, name: ProcName = NAME) -> ProcPlan:
    return ProcPlan(
        name=name,
        program=Program.JACKTRIP,
        stage=Stage.LINKS,
        argv=behaviour.argv,
    )


# As on a computer whose PATH leads nowhere: only our own interpreter is known.
WITHOUT_ICECAST = Executables("")

OpenProcs = Callable[[Bell], Procs]
"""Opens the door for another agent of the same machine."""


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.real)])
def open_procs(request: pytest.FixtureRequest, tmp_path: Path) -> OpenProcs:
    if request.param == "real":
        return lambda bell: OsProcs(tmp_path, bell, WITHOUT_ICECAST)
    machine = FakeMachine(frozenset({"icecast2"}))
    return lambda bell: FakeProcs(bell, machine, as_fakeproc)


@pytest.fixture
async def procs(open_procs: OpenProcs, rings: Rings) -> AsyncIterator[Procs]:
    before = descriptors()
    door = open_procs(rings)
    yield door
    for name in door.seen():
        door.signal(name, signal.SIGKILL)
    await aeventually(lambda: all_ended(door), within=5)
    for name in door.seen():
        door.forget(name)
    door.close()
    assert descriptors() <= before, "a descriptor leaked"


def all_ended(door: Procs) -> bool:
    return all(seen.exit_code is not None for seen in door.seen().values())


async def ended(door: Procs, name: ProcName = NAME) -> int:
    await aeventually(lambda: door.seen()[name].exit_code is not None, within=5)
    code = door.seen()[name].exit_code
    assert code is not None
    return code


async def test_a_started_process_is_seen_alive(procs: Procs) -> None:
    identity = await procs.spawn(plan(Behaviour()))
    seen = procs.seen()[NAME]
    assert seen.identity == identity
    assert seen.exit_code is None


async def test_an_exit_rings_the_bell_and_shows_its_code(
    procs: Procs, rings: Rings
) -> None:
    await procs.spawn(plan(Behaviour(run_for=0.1, exit_code=7)))
    assert await ended(procs) == 7
    assert rings.count == 1


async def test_a_signal_ends_it_with_the_negative_number(procs: Procs) -> None:
    await procs.spawn(plan(Behaviour()))
    procs.signal(NAME, signal.SIGTERM)
    assert await ended(procs) == -signal.SIGTERM


async def test_sigkill_ends_what_ignores_sigterm(procs: Procs) -> None:
    await procs.spawn(plan(Behaviour(ignore_term=True, prints=("ready",))))
    await aeventually(lambda: "ready" in procs.seen()[NAME].tail, within=5)
    procs.signal(NAME, signal.SIGTERM)
    assert procs.seen()[NAME].exit_code is None
    procs.signal(NAME, signal.SIGKILL)
    assert await ended(procs) == -signal.SIGKILL


async def test_signals_to_the_dead_and_the_unknown_are_nothing(procs: Procs) -> None:
    await procs.spawn(plan(Behaviour(run_for=0)))
    await ended(procs)
    procs.signal(NAME, signal.SIGTERM)
    procs.signal(ProcName("link-nobody"), signal.SIGTERM)


async def test_a_missing_program_is_broken_and_leaves_nothing(procs: Procs) -> None:
    absent = replace(plan(Behaviour()), argv=("icecast2", "-c", "x"))
    with pytest.raises(Broken, match="icecast2 is missing"):
        await procs.spawn(absent)
    assert not procs.seen()


async def test_the_log_is_read_from_an_offset_on(procs: Procs) -> None:
    await procs.spawn(plan(Behaviour(run_for=0, prints=("one", "two"))))
    await ended(procs)
    text, offset = procs.read_log(NAME, 0)
    assert text == "one\ntwo\n"
    assert procs.read_log(NAME, offset) == ("", offset)
    assert procs.seen()[NAME].tail == text


async def test_a_second_start_under_the_same_name_is_read_from_its_start(
    procs: Procs,
) -> None:
    await procs.spawn(plan(Behaviour(run_for=0, prints=("a",))))
    await ended(procs)
    _, offset = procs.read_log(NAME, 0)
    procs.forget(NAME)
    assert procs.read_log(NAME, offset) == ("", offset)
    await procs.spawn(plan(Behaviour(run_for=0, prints=("second",))))
    await ended(procs)
    assert procs.read_log(NAME, offset)[0] == "second\n"


async def test_a_living_process_is_not_forgotten_or_replaced(procs: Procs) -> None:
    await procs.spawn(plan(Behaviour()))
    with pytest.raises(ValueError, match="has not ended"):
        procs.forget(NAME)
    with pytest.raises(ValueError, match="has not ended"):
        await procs.spawn(plan(Behaviour()))


async def test_many_ended_processes_leave_nothing_to_remember(
    os_procs: OsProcs,
) -> None:
    for number in range(MOST_STARTS + 8):
        name = ProcName(f"link-{number}")
        os_procs._starts[name] = number
    await os_procs.spawn(plan(Behaviour(run_for=0)))
    await ended(os_procs)
    os_procs.forget(NAME)
    assert len(os_procs._starts) <= MOST_STARTS


async def test_an_ended_process_is_seen_until_it_is_forgotten(procs: Procs) -> None:
    await procs.spawn(plan(Behaviour(run_for=0)))
    await ended(procs)
    procs.forget(NAME)
    procs.forget(NAME)
    assert not procs.seen()


async def test_the_next_agent_adopts_a_living_process(
    procs: Procs, open_procs: OpenProcs
) -> None:
    earlier = open_procs(Rings())
    identity = await earlier.spawn(plan(Behaviour(prints=("hello",))))
    await aeventually(lambda: "hello" in earlier.seen()[NAME].tail, within=5)
    earlier.close()
    assert procs.adopt(NAME, identity)
    seen = procs.seen()[NAME]
    assert (seen.identity, seen.exit_code) == (identity, None)
    assert procs.read_log(NAME, 0)[0] == "hello\n"
    procs.signal(NAME, signal.SIGTERM)
    assert await ended(procs) == -signal.SIGTERM


async def test_a_process_that_is_not_the_recorded_one_is_not_adopted(
    procs: Procs, open_procs: OpenProcs
) -> None:
    earlier = open_procs(Rings())
    identity = await earlier.spawn(plan(Behaviour()))
    earlier.close()
    strangers = (
        replace(identity, started=identity.started + 1),
        replace(identity, boot_id="another boot"),
        replace(identity, argv_hash="0" * 64),
        replace(identity, pid=4_000_000),
    )
    assert [procs.adopt(NAME, stranger) for stranger in strangers] == [False] * 4
    assert not procs.seen()
    assert procs.adopt(NAME, identity)


async def test_a_dead_process_is_not_adopted(
    procs: Procs, open_procs: OpenProcs
) -> None:
    earlier = open_procs(Rings())
    identity = await earlier.spawn(plan(Behaviour(run_for=0)))
    await ended(earlier)
    earlier.close()
    assert not procs.adopt(NAME, identity)


async def test_an_endless_log_is_cut_and_reading_goes_on(procs: Procs) -> None:
    await procs.spawn(plan(Behaviour(run_for=0, flood=1024 * 1024 + 640)))
    await ended(procs)
    offset = 0
    for _ in range(20):
        text, offset = procs.read_log(NAME, offset)
        assert len(text) <= 64 * 1024
    assert len(procs.seen()[NAME].tail) <= 4096


# What only the operating system shows.


@pytest.fixture
async def os_procs(tmp_path: Path, rings: Rings) -> AsyncIterator[OsProcs]:
    door = OsProcs(tmp_path, rings)
    yield door
    for name in door.seen():
        door.signal(name, signal.SIGKILL)
    await aeventually(lambda: all_ended(door), within=5)
    door.close()


def alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def kill_and_reap(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def start_time(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


@pytest.mark.real
async def test_what_a_process_leaves_behind_is_killed(os_procs: OsProcs) -> None:
    await os_procs.spawn(plan(Behaviour(child=True)))
    await aeventually(lambda: "child" in os_procs.seen()[NAME].tail, within=5)
    child = int(os_procs.seen()[NAME].tail.split()[1])
    assert alive(child)
    os_procs.signal(NAME, signal.SIGKILL)
    assert await ended(os_procs) == -signal.SIGKILL
    await aeventually(lambda: not alive(child), within=2)


@pytest.mark.real
async def test_adoption_ends_what_a_dead_process_left_behind(
    os_procs: OsProcs, tmp_path: Path
) -> None:
    earlier = OsProcs(tmp_path, Rings())
    identity = await earlier.spawn(plan(Behaviour(child=True)))
    await aeventually(lambda: "child" in earlier.seen()[NAME].tail, within=5)
    child = int(earlier.seen()[NAME].tail.split()[1])
    earlier.close()
    kill_and_reap(identity.pid)
    assert not os_procs.adopt(NAME, identity)
    await aeventually(lambda: not alive(child), within=2)


@pytest.mark.real
async def test_the_end_of_another_agents_child_is_noticed(
    os_procs: OsProcs, rings: Rings
) -> None:
    # The fakeproc's child is no child of ours, in a session that is no session of its.
    starter = (
        "import subprocess, sys;"
        "p = subprocess.Popen(sys.argv[1:], start_new_session=True);"
        "print(p.pid, flush=True)"
    )
    wanted = plan(Behaviour())
    await os_procs.spawn(
        replace(wanted, argv=(sys.executable, "-c", starter, *wanted.argv))
    )
    assert await ended(os_procs) == 0
    pid = int(os_procs.seen()[NAME].tail)
    identity = await os_procs.spawn(plan(Behaviour(), ProcName("pattern")))
    identity = replace(identity, pid=pid, started=start_time(pid))
    orphan = ProcName("orphan")
    assert os_procs.adopt(orphan, identity)
    rings.count = 0
    os_procs.signal(orphan, signal.SIGTERM)
    assert await ended(os_procs, orphan) == EXIT_UNKNOWN
    assert rings.count == 1


@pytest.mark.real
async def test_a_full_log_is_emptied_while_the_process_writes_on(
    os_procs: OsProcs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.adapters.os_procs.TRIM_EVERY", 0.1)
    await os_procs.spawn(plan(Behaviour(flood=2 * 1024 * 1024)))
    log = tmp_path / NAME
    await aeventually(
        lambda: "xxx" in os_procs.seen()[NAME].tail and log.stat().st_size == 0,
        within=5,
    )
    assert log.stat().st_mode & 0o777 == 0o600


@pytest.mark.real
async def test_a_proc_has_no_terminal_no_input_and_the_planned_environment(
    os_procs: OsProcs, tmp_path: Path
) -> None:
    program = "import os, sys; print(os.getsid(0) == os.getpid(), os.environ['JAM'],"
    program += " repr(sys.stdin.read()), sorted(os.listdir('/proc/self/fd')))"
    wanted = replace(
        plan(Behaviour()), argv=(sys.executable, "-c", program), env={"JAM": "yes"}
    )
    await os_procs.spawn(wanted)
    assert await ended(os_procs) == 0
    # Descriptor 3 is that of the listing itself.
    assert (tmp_path / NAME).read_text() == "True yes '' ['0', '1', '2', '3']\n"


@pytest.mark.real
async def test_a_file_that_is_no_program_is_broken(
    rings: Rings, tmp_path: Path
) -> None:
    text = tmp_path / "jackd"
    text.write_text("la la la")
    text.chmod(0o755)
    door = OsProcs(tmp_path, rings, Executables(str(tmp_path)))
    with pytest.raises(Broken, match="jackd can't be executed"):
        await door.spawn(replace(plan(Behaviour()), argv=("jackd",)))
    door.close()


@pytest.mark.real
@pytest.mark.parametrize("program", ["sh", "/bin/sh", "./jackd", "python3", "", "-c"])
async def test_a_program_that_is_none_of_ours_is_not_started(
    os_procs: OsProcs, program: str
) -> None:
    with pytest.raises(Broken, match="is none that an agent starts"):
        await os_procs.spawn(replace(plan(Behaviour()), argv=(program, "-c", "true")))
    assert not os_procs.seen()


@pytest.mark.real
async def test_a_missing_program_names_its_package(
    rings: Rings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    door = OsProcs(tmp_path, rings)
    with pytest.raises(Broken, match="jackd is missing") as caught:
        await door.spawn(replace(plan(Behaviour()), argv=("jackd",)))
    door.close()
    assert caught.value.hint == "sudo apt install jackd2"
    assert set(programs().values()) == {None}


@pytest.mark.real
def test_every_program_is_installed_here() -> None:
    assert all(programs().values()), programs()


@pytest.mark.real
async def test_a_disk_without_room_for_a_log_starts_processes_all_the_same(
    disk: SmallDisk, rings: Rings
) -> None:
    door = OsProcs(disk.place, rings)
    disk.read_only()
    await door.spawn(plan(Behaviour(run_for=0.1, exit_code=7, prints=("lost",))))
    assert await ended(door) == 7
    assert door.seen()[NAME].tail == ""
    assert door.read_log(NAME, 0) == ("", 0)
    door.close()


@pytest.mark.real
async def test_a_log_that_is_not_ours_is_broken(
    os_procs: OsProcs, tmp_path: Path
) -> None:
    (tmp_path / NAME).mkdir()
    with pytest.raises(Broken, match="the log of link-bob can't be written"):
        await os_procs.spawn(plan(Behaviour()))


@pytest.mark.real
async def test_a_real_jackd_is_adopted_and_ends_when_asked(
    os_procs: OsProcs, jackd: Jackd, tmp_path: Path
) -> None:
    earlier = OsProcs(tmp_path, Rings())
    identity = await earlier.spawn(replace(plan(Behaviour()), argv=jackd.argv()))
    await aeventually(lambda: "JACK server" in earlier.seen()[NAME].tail, within=5)
    earlier.close()
    assert os_procs.adopt(NAME, identity)
    os_procs.signal(NAME, signal.SIGTERM)
    await ended(os_procs)
