"""A running session is changed, handed over and stopped, and only that happens."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pytest

from tests.support.eventually import aeventually, eventually, steadily
from tests.support.jackhost import connections
from tests.support.jam import SESSION, Jam, expected
from tests.system.conftest import Jamming

pytestmark = [pytest.mark.real, pytest.mark.timeout(150)]

MOUNTS = {"/mix.ogg": ("*",), "/dj1.ogg": ("alice",)}


def on_air(jam: Jam, file: Path, *arguments: str) -> None:
    jam.start_icecast(file)
    created = jam.operate("alice", "create", str(file), *arguments)
    assert created.code == 0, created


def mounts_of(jam: Jam) -> Mapping[str, str]:
    return {m["path"]: m["state"] for m in jam.status()["mounts"]}


def links_of(pids: Mapping[str, int]) -> Mapping[str, int]:
    return {name: pid for name, pid in pids.items() if name.startswith("link-")}


async def test_apply_adds_and_drops_mounts_and_nothing_else(jam_of: Jamming) -> None:
    jam = jam_of("alice", "bob")
    jam.start_all()
    # Icecast knows the mounts of both files; the session begins with the first.
    everything = jam.session_file({**MOUNTS, "/dj2.opus": ("bob",)})
    jam.start_icecast(everything)
    file = jam.session_file(MOUNTS)
    assert jam.operate("alice", "create", str(file)).code == 0
    before = {name: jam.pids_of(name) for name in jam.musicians}
    file = jam.session_file({"/mix.ogg": ("*",), "/dj2.opus": ("bob",)})
    applied = jam.operate("bob", "apply", str(file), "--yes")
    assert applied.code == 0, applied
    assert "/dj2.opus" in applied.out
    wanted = {"/mix.ogg": "live", "/dj2.opus": "live"}
    eventually(lambda: mounts_of(jam) == wanted, within=10)
    await aeventually(lambda: heard(jam, "/dj2.opus", "bob"), within=20)
    after = {name: jam.pids_of(name) for name in jam.musicians}
    for name in jam.musicians:
        assert links_of(after[name]) == links_of(before[name])
    broadcaster = jam.status()["broadcaster"]
    kept = {"mixdown", "source-mix.ogg"}
    for proc in kept:
        assert after[broadcaster][proc] == before[broadcaster][proc]
    assert "source-dj1.ogg" not in after[broadcaster]


async def heard(jam: Jam, path: str, *names: str) -> bool:
    sines = await jam.sines_on(path)
    assert sines == expected(names), f"{path} carries {sorted(sines)}"
    return True


async def test_a_gain_changes_the_level_and_no_process(jam_of: Jamming) -> None:
    jam = jam_of("alice", "bob")
    jam.start_all()
    on_air(jam, jam.session_file({"/mix.opus": ("*",)}))
    await aeventually(lambda: heard(jam, "/mix.opus", "alice", "bob"), within=20)
    before = {name: jam.pids_of(name) for name in jam.musicians}
    gained = jam.operate("bob", "gain", SESSION, "/mix.opus", "bob", "-60")
    assert gained.code == 0, gained
    await aeventually(lambda: heard(jam, "/mix.opus", "alice"), within=20)
    assert {name: jam.pids_of(name) for name in jam.musicians} == before


async def test_a_muted_host_is_heard_nowhere(jam_of: Jamming) -> None:
    jam = jam_of("alice", "bob")
    jam.start_all()
    on_air(jam, jam.session_file({"/mix.opus": ("*",)}))
    assert jam.operate("bob", "mute").code == 0
    await aeventually(lambda: heard(jam, "/mix.opus", "alice"), within=20)
    assert jam.operate("bob", "unmute").code == 0
    await aeventually(lambda: heard(jam, "/mix.opus", "alice", "bob"), within=20)


async def test_a_host_can_be_added_and_the_links_of_others_stay(
    jam_of: Jamming,
) -> None:
    jam = jam_of("alice", "bob", "carol")
    jam.start_all()
    jam.musicians = ("alice", "bob")
    file = jam.session_file({"/mix.opus": ("*",)})
    on_air(jam, file)
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


async def test_a_handover_moves_the_broadcast_and_no_link(jam_of: Jamming) -> None:
    jam = jam_of("alice", "bob")
    jam.start_all()
    on_air(jam, jam.session_file(MOUNTS))
    first = jam.status()["broadcaster"]
    (second,) = set(jam.musicians) - {first}
    before = {name: links_of(jam.pids_of(name)) for name in jam.musicians}
    handed = jam.operate("alice", "handover", SESSION, second)
    assert handed.code == 0, handed
    eventually(lambda: jam.status()["broadcaster"] == second, within=10)
    eventually(lambda: set(mounts_of(jam).values()) == {"live"}, within=10)
    await aeventually(lambda: heard(jam, "/mix.ogg", "alice", "bob"), within=20)
    assert {n: links_of(jam.pids_of(n)) for n in jam.musicians} == before
    assert {m["host"] for m in jam.status(first)["mounts"]} == {second}


async def test_after_stop_nothing_of_ours_is_left(jam_of: Jamming) -> None:
    jam = jam_of("alice", "bob")
    jam.start_all()
    on_air(jam, jam.session_file(MOUNTS))
    assert jam.operate("bob", "stop", SESSION).code == 0
    for name in jam.musicians:
        eventually(partial(is_clean, jam, name), within=10)
    heard = await jam.listen("/mix.ogg", 1.0)
    assert " 404 " in heard.status


def is_clean(jam: Jam, name: str) -> bool:
    host = jam.lab.host(name)
    assert not jam.ours_on(name), jam.ours_on(name)
    assert not connections(host), connections(host)
    clients = {port.partition(":")[0] for port in host.run(("jack_lsp",)).split()}
    assert clients == {"system", "music", "phones"}, clients
    return True


async def test_of_two_operators_the_second_is_told(jam_of: Jamming) -> None:
    jam = jam_of("alice", "bob")
    jam.start_all()
    on_air(jam, jam.session_file(MOUNTS))
    spec = jam.operate("alice", "spec", SESSION)
    assert spec.code == 0, spec
    file = jam.lab.folder / "mine.toml"
    file.write_text(spec.out)
    assert jam.operate("bob", "gain", SESSION, "/mix.ogg", "bob", "-3").code == 0
    changed = spec.out.replace("/dj1.ogg", "/other.ogg")
    file.write_text(changed)
    refused = jam.operate("alice", "apply", str(file), "--yes")
    assert refused.code == 2, refused
    assert set(mounts_of(jam)) == set(MOUNTS)


@pytest.mark.parametrize("hosts", [("alice", "bob"), ("alice", "bob", "carol")])
async def test_a_host_that_was_off_while_the_session_stopped_starts_nothing(
    jam_of: Jamming, hosts: tuple[str, ...]
) -> None:
    jam = jam_of(*hosts)
    jam.start_all()
    on_air(jam, jam.session_file(MOUNTS))
    jam.lab.host("bob").kill_all()

    def stopped() -> bool:
        said = jam.operate("alice", "stop", SESSION)
        assert said.code == 0, said
        return True

    eventually(stopped, within=20)
    eventually(lambda: not jam.ours_on("alice"), within=10)
    jam.start_agent("bob")
    jam.start_audio("bob")
    jam.await_agents(["bob"])
    eventually(partial(is_clean, jam, "bob"), within=10)
    steadily(partial(is_clean, jam, "bob"), during=5)


async def test_a_host_that_boots_alone_into_a_session_stays_silent(
    jam_of: Jamming,
) -> None:
    jam = jam_of("alice", "bob")
    jam.start_all()
    on_air(jam, jam.session_file(MOUNTS))
    for name in jam.musicians:
        jam.lab.host(name).kill_all()
    jam.lab.host("bob").cut()
    jam.start_agent("bob")
    jam.start_audio("bob")
    jam.await_agents(["bob"])
    wires = connections(jam.lab.host("bob"))
    assert not [pair for pair in wires if pair[0].startswith("music:")]
    assert (await jam.listen("/mix.ogg", 1.0)).status.split()[1] == "404"
    assert jam.operate("bob", "resume").code == 0
    jam.lab.host("bob").heal()
    await aeventually(lambda: heard(jam, "/mix.ogg", "bob"), within=25)
