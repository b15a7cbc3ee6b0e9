import asyncio
from pathlib import Path

import pytest

from agent.adapters.disk import DiskStore
from agent.bell import TurnBell
from agent.host import Host
from agent.records import (
    CONFLICT,
    HOME,
    NO_ROOM,
    PROCS,
    ROOM,
    SECRETS,
    Home,
    adopt,
    drop_conflict,
    has_conflict,
    keep_conflict,
    keep_stored,
    load_home,
    load_secrets,
    make_good,
    owe_room,
    remember,
    save,
    save_records,
    save_secrets,
    set_muted,
)
from sessiond.core.configfile import AgentConfig
from sessiond.core.procstates import Running, Starting
from sessiond.core.specfile import parse_spec
from sessiond.core.stamped import Secrets
from sessiond.errors import Unavailable
from sessiond.units import HostName, MountPath, ProcName, Seconds, SessionName
from tests.core.examples import ALICE, NOW, document, session, setup
from tests.core.test_lifecycle import PLAN
from tests.support.fakes import FakeClock, FakeMachine, FakeProcs, FakeStore
from tests.support.identities import identity_of

JAM = SessionName("jam")
LINK = PLAN.name


@pytest.fixture
def store(tmp_path: Path) -> FakeStore:
    return FakeStore(tmp_path)


@pytest.fixture
def host(store: FakeStore) -> Host:
    config = AgentConfig(
        name=HostName("alice"), state_dir="/state", advertise="10.0.0.1"
    )
    return Host(
        config=config,
        identity=identity_of("alice"),
        setup=setup(),
        clock=FakeClock(),
        store=store,
        boot_id="boot-1",
    )


async def test_what_lives_is_adopted_by_the_next_agent(
    host: Host, store: FakeStore
) -> None:
    machine = FakeMachine()
    before = FakeProcs(machine=machine)
    await before.spawn(PLAN)
    host.lifecycles = {LINK: Starting(plan=PLAN, since=NOW)}
    save_records(host, before)
    before.close()
    after = FakeProcs(machine=machine)
    assert adopt(store, after) == {LINK: Running(plan=PLAN, since=Seconds(0))}
    assert LINK in after.seen()
    after.close()


async def test_what_has_ended_meanwhile_is_not_adopted(
    host: Host, store: FakeStore
) -> None:
    machine = FakeMachine()
    before = FakeProcs(machine=machine)
    await before.spawn(PLAN)
    host.lifecycles = {LINK: Running(plan=PLAN, since=NOW)}
    save_records(host, before)
    before.end(LINK, 1)
    before.close()
    after = FakeProcs(machine=machine)
    assert adopt(store, after) == {}
    assert after.seen() == {}


def test_what_never_started_leaves_no_record(host: Host, store: FakeStore) -> None:
    host.lifecycles = {LINK: Starting(plan=PLAN, since=NOW)}
    save_records(host, FakeProcs())
    assert adopt(store, FakeProcs()) == {}


@pytest.mark.parametrize("content", [None, b"\xff\xff\xff", b"nonsense"])
def test_records_that_can_not_be_read_prove_nothing(
    store: FakeStore, content: bytes | None
) -> None:
    for name in (PROCS, HOME, SECRETS):
        if content is not None:
            store.save(name, content)
    assert adopt(store, FakeProcs()) == {}
    assert load_home(store) is None
    assert load_secrets(store) is None


def test_home_is_where_the_agent_ran_and_what_its_owner_said(
    host: Host, store: FakeStore
) -> None:
    assert load_home(store) is None
    host.left, host.consented = "jam", True
    set_muted(host, muted=True, by_owner=True)
    assert load_home(store) == Home(
        boot_id="boot-1",
        advertise="10.0.0.1",
        muted=True,
        muted_by_owner=True,
        consented=True,
        left="jam",
    )
    host.consented = False
    remember(host)
    found = load_home(store)
    assert found is not None
    assert not found.consented


def test_passwords_come_back_as_they_went_and_say_whose_they_are(
    host: Host, store: FakeStore
) -> None:
    secrets = Secrets(source="a", admin="ä ö", mounts={MountPath("/x.ogg"): "#@^%"})
    save_secrets(host, JAM, secrets)
    assert (host.secrets, host.secrets_of) == (secrets, JAM)
    found = load_secrets(store)
    assert found is not None
    assert (found.session, found.secrets) == (JAM, secrets)


def test_passwords_that_can_not_be_stored_are_not_used(
    host: Host, store: FakeStore
) -> None:
    store.full = True
    with pytest.raises(Unavailable):
        save_secrets(host, JAM, Secrets(source="new"))
    assert (host.secrets, host.secrets_of) == (Secrets(), "")
    assert "disk is full" in host.store_error


def test_a_full_disk_is_a_condition_until_all_is_stored_that_was_not(
    host: Host, store: FakeStore
) -> None:
    store.full = True
    save(host, HOME, b"x")
    store.full = False
    save(host, ProcName("other"), b"x")
    assert "disk is full" in host.store_error, "the one before is still to be stored"
    make_good(host)
    assert host.unstored == {}
    assert store.load(HOME) == b"x"


def test_only_the_newest_version_is_made_good(host: Host, store: FakeStore) -> None:
    store.full = True
    set_muted(host, muted=True, by_owner=True)
    set_muted(host, muted=False, by_owner=True)
    make_good(host)
    assert list(host.unstored) == [HOME]
    store.full = False
    set_muted(host, muted=True, by_owner=True)
    assert host.unstored == {}
    home = load_home(store)
    assert home is not None
    assert home.muted


def test_on_a_full_disk_what_a_crash_would_let_be_heard_has_the_reserve(
    host: Host, store: FakeStore
) -> None:
    store.nearly_full = True
    set_muted(host, muted=True, by_owner=True)
    save(host, PROCS, b"")
    assert host.unstored == {}
    save(host, CONFLICT, b"")
    assert list(host.unstored) == [CONFLICT]


def test_what_was_not_promised_is_never_stored_later(
    host: Host, store: FakeStore
) -> None:
    store.full = True
    owe_room(host, b"my vote", Unavailable("the disk is full"))
    make_good(host)
    assert host.store_error == "the state can't be stored: the disk is full"
    store.full = False
    make_good(host)
    assert (host.store_error, host.unstored) == ("", {})
    assert store.load(ROOM) is None


async def test_a_disk_with_room_again_is_found_by_itself(
    host: Host, store: FakeStore
) -> None:
    bell = TurnBell(asyncio.get_running_loop())
    store.full = True
    set_muted(host, muted=True, by_owner=True)
    async with asyncio.TaskGroup() as group:
        keeping = group.create_task(keep_stored(host, bell))
        store.full = False
        await bell.wait(Seconds(10.0))
        keeping.cancel()
    assert host.store_error == ""
    assert store.load(HOME) is not None


async def test_a_full_disk_is_noticed_before_anybody_writes(
    host: Host, store: FakeStore
) -> None:
    bell = TurnBell(asyncio.get_running_loop())
    async with asyncio.TaskGroup() as group:
        keeping = group.create_task(keep_stored(host, bell))
        for full, error in ((True, NO_ROOM), (False, "")):
            store.full = full
            await bell.wait(Seconds(10.0))
            assert (host.store_error != "") == (error != "")
        keeping.cancel()


def test_a_lost_change_is_kept_as_a_session_file_until_it_is_dropped(
    host: Host, store: FakeStore
) -> None:
    for name in ("bob", "carol"):
        lost = document(session((ALICE, HostName(name))))
        keep_conflict(host, lost)
    assert (host.conflict, has_conflict(store)) == (True, True)
    kept = store.load(CONFLICT)
    assert kept is not None
    assert parse_spec(kept.decode()).spec == lost.spec
    drop_conflict(host)
    assert (host.conflict, has_conflict(store)) == (False, False)


def test_a_lost_change_that_the_disk_damaged_is_told_of_all_the_same(
    tmp_path: Path,
) -> None:
    disk = DiskStore(tmp_path / "state")
    disk.save(CONFLICT, b"text")
    (tmp_path / "state" / "conflict.0").write_bytes(b"garbage")
    assert has_conflict(disk)
