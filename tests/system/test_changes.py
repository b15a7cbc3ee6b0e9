"""A running session is changed and handed over, and only that happens.

Two hosts and one session for all tests; each leaves it as it was.
"""

from collections.abc import Iterator, Mapping

import pytest

from tests.support.eventually import aeventually, eventually
from tests.support.jam import SESSION, Jam, expected, jamming
from tests.system.conftest import Jamming, unmarked

pytestmark = [pytest.mark.real, pytest.mark.timeout(150)]

MOUNTS = {"/mix.opus": ("*",), "/dj1.ogg": ("alice",)}
OTHERS = {"/mix.opus": ("*",), "/dj2.mp3": ("bob",)}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jam]:
    unmarked()
    with jamming(tmp_path_factory.mktemp("jam"), "alice", "bob") as jam:
        jam.start_all()
        # Icecast knows the mounts of both files; the session begins with the first.
        jam.start_icecast(jam.session_file({**MOUNTS, **OTHERS}))
        created = jam.operate("alice", "create", str(jam.session_file(MOUNTS)))
        assert created.code == 0, created
        yield jam


@pytest.fixture
def jam(running: Jam) -> Iterator[Jam]:
    yield running
    applied = running.operate(
        "alice", "apply", str(running.session_file(MOUNTS)), "--yes"
    )
    assert applied.code == 0, applied
    eventually(lambda: mounts_of(running) == dict.fromkeys(MOUNTS, "live"), within=20)
    running.settles()


def mounts_of(jam: Jam) -> Mapping[str, str]:
    return {m["path"]: m["state"] for m in jam.status()["mounts"]}


def pids_of(jam: Jam) -> Mapping[str, Mapping[str, int]]:
    return {name: jam.pids_of(name) for name in jam.musicians}


def links_of(pids: Mapping[str, int]) -> Mapping[str, int]:
    return {name: pid for name, pid in pids.items() if name.startswith("link-")}


async def heard(jam: Jam, path: str, *names: str) -> bool:
    sines = await jam.sines_on(path)
    assert sines == expected(names), f"{path} carries {sorted(sines)}"
    return True


async def test_apply_adds_and_drops_mounts_and_nothing_else(jam: Jam) -> None:
    before, broadcaster = pids_of(jam), jam.status()["broadcaster"]
    applied = jam.operate("bob", "apply", str(jam.session_file(OTHERS)), "--yes")
    assert applied.code == 0, applied
    assert "/dj2.mp3" in applied.out
    eventually(lambda: mounts_of(jam) == dict.fromkeys(OTHERS, "live"), within=10)
    await aeventually(lambda: heard(jam, "/dj2.mp3", "bob"), within=20)
    after = pids_of(jam)
    for name in jam.musicians:
        assert links_of(after[name]) == links_of(before[name])
    for proc in ("mixdown", "source-mix.opus"):
        assert after[broadcaster][proc] == before[broadcaster][proc]
    assert "source-dj1.ogg" not in after[broadcaster]
    assert set(jam.feeding()) == set(OTHERS)


async def test_a_gain_changes_the_level_and_no_process(jam: Jam) -> None:
    await aeventually(lambda: heard(jam, "/mix.opus", "alice", "bob"), within=20)
    before = pids_of(jam)
    gained = jam.operate("bob", "gain", SESSION, "/mix.opus", "bob", "-60")
    assert gained.code == 0, gained
    await aeventually(lambda: heard(jam, "/mix.opus", "alice"), within=20)
    assert pids_of(jam) == before


async def test_a_muted_host_is_heard_nowhere(jam: Jam) -> None:
    await aeventually(lambda: heard(jam, "/mix.opus", "alice", "bob"), within=20)
    muted = jam.operate("bob", "mute")
    assert muted.code == 0, muted
    await aeventually(lambda: heard(jam, "/mix.opus", "alice"), within=20)
    assert jam.operate("bob", "unmute").code == 0
    await aeventually(lambda: heard(jam, "/mix.opus", "alice", "bob"), within=20)


async def test_a_handover_moves_the_broadcast_and_no_link(jam: Jam) -> None:
    first = jam.status()["broadcaster"]
    (second,) = set(jam.musicians) - {first}
    before = {name: links_of(pids) for name, pids in pids_of(jam).items()}
    handed = jam.operate("alice", "handover", SESSION, second)
    assert handed.code == 0, handed
    wanted = dict.fromkeys(MOUNTS, second)
    eventually(lambda: jam.feeding() == wanted, within=10)
    assert jam.status(first)["broadcaster"] == second
    await aeventually(lambda: heard(jam, "/mix.opus", "alice", "bob"), within=20)
    assert {name: links_of(pids) for name, pids in pids_of(jam).items()} == before


def test_of_two_operators_the_second_is_told(jam: Jam) -> None:
    spec = jam.operate("alice", "spec", SESSION)
    assert spec.code == 0, spec
    assert jam.operate("bob", "gain", SESSION, "/dj1.ogg", "alice", "-3").code == 0
    mine = jam.lab.folder / "mine.toml"
    mine.write_text(spec.out.replace("/dj1.ogg", "/other.ogg"))
    refused = jam.operate("alice", "apply", str(mine), "--yes")
    assert refused.code == 2, refused
    assert set(mounts_of(jam)) == set(MOUNTS)


async def test_a_host_can_be_added_and_the_links_of_others_stay(
    jam_of: Jamming,
) -> None:
    jam = jam_of("alice", "bob", "carol")
    jam.start_all()
    jam.musicians = ("alice", "bob")
    file = jam.session_file({"/mix.opus": ("*",)})
    jam.start_icecast(file)
    created = jam.operate("alice", "create", str(file))
    assert created.code == 0, created
    before = {name: links_of(jam.pids_of(name)) for name in ("alice", "bob")}
    jam.musicians = ("alice", "bob", "carol")
    file = jam.session_file({"/mix.opus": ("*",)})
    applied = jam.operate("alice", "apply", str(file), "--yes")
    assert applied.code == 0, applied
    everybody = ("alice", "bob", "carol")
    await aeventually(lambda: heard(jam, "/mix.opus", *everybody), within=20)
    for name in ("alice", "bob"):
        links = links_of(jam.pids_of(name))
        assert before[name].items() <= links.items()
        assert "link-carol" in links
