"""The contract of the door `Store`, in memory and on a disk that fails at will."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.adapters.disk import RESERVE_BYTES, DiskStore
from agent.config import prepare_state_dir
from agent.doors import Store
from sessiond.errors import Broken, Unavailable
from tests.contract.conftest import SmallDisk
from tests.support.fakes import FakeStore

STEPS = (
    "create",
    "write",
    "write the rest",
    "sync file",
    "rename",
    "sync folder",
    "return",
)


SLOTS = st.sampled_from((0, 1))
SAVES = st.integers(1, 3)


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.real)])
def store_and_filler(
    request: pytest.FixtureRequest, tmp_path: Path
) -> tuple[Store, Callable[[], None]]:
    if request.param == "fake":
        fake = FakeStore(tmp_path)
        return fake, lambda: setattr(fake, "full", True)
    small: SmallDisk = request.getfixturevalue("disk")
    return DiskStore(small.place), small.fill


@pytest.fixture
def store(store_and_filler: tuple[Store, Callable[[], None]]) -> Store:
    return store_and_filler[0]


@pytest.fixture
def fill(store_and_filler: tuple[Store, Callable[[], None]]) -> Callable[[], None]:
    return store_and_filler[1]


def test_what_was_never_saved_is_none(store: Store) -> None:
    assert store.load("vote") is None
    store.erase("vote")


def test_the_last_save_is_loaded(store: Store) -> None:
    for content in (b"", b"two\nlines\0", b"three", b"four"):
        store.save("vote", content)
        assert store.load("vote") == content
    assert store.load("spec") is None


def test_a_secret_is_a_document_too(store: Store) -> None:
    store.save_secret("secrets", b"hackme")
    store.save_secret("secrets", b"hackme2")
    assert store.load("secrets") == b"hackme2"


def test_an_erased_document_is_gone(store: Store) -> None:
    store.save("vote", b"1")
    store.save("vote", b"2")
    store.erase("vote")
    assert store.load("vote") is None
    store.save("vote", b"3")
    assert store.load("vote") == b"3"


def test_a_full_disk_keeps_the_old_version(
    store: Store, fill: Callable[[], None]
) -> None:
    store.save("vote", b"old" * 1000)
    assert store.has_room()
    fill()
    assert not store.has_room()
    with pytest.raises(Unavailable, match="can't be stored"):
        store.save("vote", b"new" * 4000)
    assert store.load("vote") == b"old" * 1000


def test_a_full_disk_takes_no_document_that_may_wait(
    store: Store, fill: Callable[[], None]
) -> None:
    store.save("procs", b"old", spare=True)
    fill()
    with pytest.raises(Unavailable, match="can't be stored"):
        store.save("vote", b"new" * 4000)


def test_a_folder_is_made_once_and_ours_alone(store: Store) -> None:
    folder = store.folder("log")
    assert folder == store.folder("log")
    assert folder.stat().st_mode & 0o777 == 0o700


# What only a disk shows.


@pytest.mark.real
def test_a_disk_with_room_again_is_written_again(disk: SmallDisk) -> None:
    store = DiskStore(disk.place)
    disk.fill()
    with pytest.raises(Unavailable):
        store.save("vote", b"x" * 8000)
    assert not list(disk.place.glob("*.new"))
    disk.empty()
    store.save("vote", b"x" * 8000)
    assert DiskStore(disk.place).load("vote") == b"x" * 8000


@pytest.mark.real
def test_a_full_disk_takes_again_and_again_what_has_the_reserve(
    disk: SmallDisk,
) -> None:
    store = DiskStore(disk.place)
    disk.fill()
    for number in range(100):
        store.save("procs", b"%d" % number * 8000, spare=True)
        assert store.load("procs") == b"%d" % number * 8000
        with pytest.raises(Unavailable):
            store.save("vote", b"x" * RESERVE_BYTES)


@pytest.mark.real
def test_a_reserve_is_spent_little_by_little_and_made_again(disk: SmallDisk) -> None:
    store = DiskStore(disk.place)
    disk.fill()
    for _ in range(5):
        store.save("procs", b"x" * 12_000, spare=True)
        disk.fill_more()
    with pytest.raises(Unavailable):
        save_and_fill_for_ever(store, disk)
    disk.empty()
    store.save("procs", b"x" * 12_000, spare=True)
    disk.fill()
    store.save("procs", b"y" * 12_000, spare=True)
    assert DiskStore(disk.place).load("procs") == b"y" * 12_000


def save_and_fill_for_ever(store: DiskStore, disk: SmallDisk) -> None:
    while True:
        store.save("procs", b"x" * 12_000, spare=True)
        disk.fill_more()


@pytest.mark.real
def test_a_full_disk_does_not_keep_an_agent_from_starting(disk: SmallDisk) -> None:
    DiskStore(disk.place).save("vote", b"1")
    disk.fill()
    prepare_state_dir(disk.place)
    assert DiskStore(disk.place).load("vote") == b"1"


@pytest.mark.real
def test_a_read_only_disk_is_unavailable_to_save_and_broken_at_the_start(
    disk: SmallDisk,
) -> None:
    store = DiskStore(disk.place)
    store.save("vote", b"1")
    disk.read_only()
    with pytest.raises(Unavailable):
        store.save("vote", b"2")
    with pytest.raises(Unavailable):
        store.folder("log")
    with pytest.raises(Unavailable):
        store.erase("vote")
    assert store.load("vote") == b"1"
    with pytest.raises(Broken, match="can't be written: Read-only file system"):
        DiskStore(disk.place)


def test_a_file_in_the_folders_place_is_broken(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("mine")
    with pytest.raises(Broken, match="can't be written"):
        DiskStore(tmp_path / "state")


def test_a_folder_in_a_documents_place_is_broken(tmp_path: Path) -> None:
    store = DiskStore(tmp_path)
    (tmp_path / "vote.0").mkdir()
    with pytest.raises(Broken, match="can't be read"):
        store.load("vote")


def test_too_many_open_files_are_unavailable_and_damage_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = DiskStore(tmp_path)
    store.save("vote", b"1")

    def exhausted(_: Path) -> bytes:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_bytes", exhausted)
        with pytest.raises(Unavailable, match="Too many open files"):
            store.load("vote")
        with pytest.raises(Unavailable):
            store.save("vote", b"2")
    assert store.load("vote") == b"1"


def test_folder_and_files_are_ours_alone(tmp_path: Path) -> None:
    state = tmp_path / "deep" / "state"
    store = DiskStore(state)
    store.save_secret("secrets", b"hackme")
    assert state.stat().st_mode & 0o777 == 0o700
    modes = {path.stat().st_mode & 0o777 for path in state.iterdir()}
    assert modes == {0o600}


def test_no_old_secret_stays_on_the_disk(tmp_path: Path) -> None:
    store = DiskStore(tmp_path)
    for secret in (b"first", b"second", b"third"):
        store.save_secret("secrets", secret)
    left = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"third" in left
    assert b"first" not in left
    assert b"second" not in left


@pytest.mark.parametrize("name", ["", "../vote", "a.b", "A", "-a", "a/b"])
def test_a_name_that_is_no_file_name_of_ours_is_a_bug(
    tmp_path: Path, name: str
) -> None:
    with pytest.raises(ValueError, match="no name of a document"):
        DiskStore(tmp_path).save(name, b"")


DIE_OF = """if True:
    import os, sys
    from pathlib import Path
    from agent.adapters.disk import DiskStore
    left = int(sys.argv[2])
    def fault(step):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), 9)
    store = DiskStore(Path(sys.argv[1]), fault)
    if sys.argv[3] == "erase":
        store.erase("secrets")
    else:
        store.save_secret("secrets", b"new" * 1000)
"""


@pytest.mark.parametrize("step", range(1, 12))
@pytest.mark.parametrize("what", ["erase", "save_secret"])
def test_a_kill_anywhere_in_a_removal_brings_nothing_older_back(
    tmp_path: Path, step: int, what: str
) -> None:
    store = DiskStore(tmp_path)
    for content in (b"oldest", b"older", b"old"):
        store.save("secrets", content)
    argv = [sys.executable, "-c", DIE_OF, str(tmp_path), str(step), what]
    assert subprocess.run(argv, check=False).returncode in {0, -9}
    survivor = DiskStore(tmp_path)
    left = {None} if what == "erase" else {b"new" * 1000}
    assert survivor.load("secrets") in {b"old"} | left
    survivor.save_secret("secrets", b"after")
    assert survivor.load("secrets") == b"after"
    assert len(list(tmp_path.glob("secrets.*"))) == 1


DIE = """if True:
    import os, sys
    from pathlib import Path
    from agent.adapters.disk import RESERVE_BYTES, DiskStore
    def fault(step):
        if step == sys.argv[2]:
            os.kill(os.getpid(), 9)
    DiskStore(Path(sys.argv[1]), fault).save("vote", b"new" * 1000)
"""


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("saves_before", [0, 1, 2])
def test_a_kill_between_any_two_steps_leaves_old_or_new(
    tmp_path: Path, step: str, saves_before: int
) -> None:
    store = DiskStore(tmp_path)
    for number in range(saves_before):
        store.save("vote", b"old %d" % number)
    old = store.load("vote")
    died = subprocess.run([sys.executable, "-c", DIE, str(tmp_path), step], check=False)
    assert died.returncode == -9
    renamed = step in {"sync folder", "return"}
    survivor = DiskStore(tmp_path)
    assert survivor.load("vote") == (b"new" * 1000 if renamed else old)
    survivor.save("vote", b"after")
    assert survivor.load("vote") == b"after"


@pytest.mark.parametrize("step", STEPS)
def test_an_error_at_any_step_is_unavailable_and_leaves_old_or_new(
    tmp_path: Path, step: str
) -> None:
    failing = True

    def fault(next_step: str) -> None:
        if failing and next_step == step:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    DiskStore(tmp_path).save("vote", b"old")
    store = DiskStore(tmp_path, fault)
    with pytest.raises(Unavailable, match="Input/output error"):
        store.save("vote", b"new")
    assert store.load("vote") in {b"old", b"new"}
    failing = False
    store.save("vote", b"newer")
    assert store.load("vote") == b"newer"


@pytest.mark.parametrize("cut", [0, 5, 40, -1])
def test_a_torn_slot_is_passed_over(tmp_path: Path, cut: int) -> None:
    store = DiskStore(tmp_path)
    store.save("vote", b"first")
    store.save("vote", b"second")
    torn = (tmp_path / "vote.1").read_bytes()[:cut]
    (tmp_path / "vote.1").write_bytes(torn)
    assert store.load("vote") == b"first"
    store.save("vote", b"third")
    assert store.load("vote") == b"third"


def test_damage_to_every_version_is_broken_not_forgotten(tmp_path: Path) -> None:
    store = DiskStore(tmp_path)
    store.save("vote", b"first")
    (tmp_path / "vote.0").write_bytes(b"garbage")
    with pytest.raises(Broken, match="damaged vote"):
        store.load("vote")


@given(
    slot=st.sampled_from((0, 1)), bit=st.integers(0, 8 * 400), saves=st.integers(1, 3)
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_bit_that_flips_in_one_slot_is_ever_believed(
    tmp_path: Path, slot: int, bit: int, saves: int
) -> None:
    store, versions = _saved(tmp_path, saves)
    place = tmp_path / f"vote.{slot}"
    stored = bytearray(place.read_bytes()) if place.exists() else bytearray(1)
    at = bit // 8 % len(stored)
    stored[at] ^= 1 << bit % 8
    place.write_bytes(stored)
    _loads_one_of(store, versions)


@given(slot=SLOTS, left=st.integers(0, 400), saves=SAVES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_slot_that_is_cut_short_is_ever_believed(
    tmp_path: Path, slot: int, left: int, saves: int
) -> None:
    store, versions = _saved(tmp_path, saves)
    place = tmp_path / f"vote.{slot}"
    if place.exists():
        place.write_bytes(place.read_bytes()[:left])
    _loads_one_of(store, versions)


def _saved(folder: Path, saves: int) -> tuple[DiskStore, list[bytes]]:
    """Return a store with a document that was saved so often, and its versions."""
    store = DiskStore(folder)
    for place in folder.glob("vote.*"):
        place.unlink()
    versions = [b"version %d " % number * 20 for number in range(saves)]
    for version in versions:
        store.save("vote", version)
    return store, versions


def _loads_one_of(store: DiskStore, versions: list[bytes]) -> None:
    """Fail unless what is loaded is one of the last two versions, or a refusal."""
    try:
        loaded = store.load("vote")
    except Broken:
        assert len(versions) == 1, "the other slot was whole"
        return
    assert loaded in versions[-2:]
    store.save("vote", b"after")
    assert store.load("vote") == b"after"


def test_two_agents_never_share_a_folder(tmp_path: Path) -> None:
    first, second = DiskStore(tmp_path), DiskStore(tmp_path)
    first.lock()
    with pytest.raises(Broken, match="another agent is running"):
        second.lock()
    first.close()
    second.lock()
    second.close()
