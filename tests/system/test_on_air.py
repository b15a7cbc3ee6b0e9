"""Three hosts, one Icecast, one time server: who is heard where, and nothing else.

The session is created once and every test of this module looks at it.
"""

from collections.abc import Iterator
from itertools import combinations

import pytest

from tests.support.ear import tones
from tests.support.eventually import aeventually, eventually, steadily
from tests.support.jackhost import connections, phones
from tests.support.jam import (
    ADMIN_PASSWORD,
    SESSION,
    SINES,
    SOURCE_PASSWORD,
    Jam,
    command_line,
    expected,
    jamming,
)
from tests.system.conftest import unmarked

pytestmark = [pytest.mark.real, pytest.mark.timeout(90)]

HOSTS = ("alice", "bob", "carol")
MOUNTS = {
    "/mix.ogg": ("*",),
    "/dj1.ogg": ("alice",),
    "/dj2.opus": ("bob",),
    "/dj3.mp3": ("carol",),
    "/dj3.flac": ("carol",),
}


@pytest.fixture(scope="module")
def jam(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jam]:
    unmarked()
    with jamming(tmp_path_factory.mktemp("jam"), *HOSTS) as opened:
        opened.start_all()
        # A machine that does much else answers time requests late.
        file = opened.session_file(MOUNTS, {"clock": "warn_ms = 100\nfail_ms = 500"})
        opened.start_icecast(file)
        created = opened.operate("alice", "create", str(file))
        assert created.code == 0, created
        yield opened


@pytest.mark.parametrize("path", MOUNTS)
async def test_a_mount_carries_exactly_its_sines(jam: Jam, path: str) -> None:
    heard = HOSTS if MOUNTS[path] == ("*",) else MOUNTS[path]

    async def right() -> bool:
        sines = await jam.sines_on(path)
        assert sines == expected(heard), f"{path} carries {sorted(sines)}"
        return True

    await aeventually(right, within=20)


@pytest.mark.parametrize("name", HOSTS)
async def test_a_musician_hears_exactly_the_others(jam: Jam, name: str) -> None:
    others = expected(host for host in HOSTS if host != name)

    async def right() -> bool:
        sines = tones(await phones(jam.lab.host(name), 1.5))
        assert sines == others, f"{name} hears {sorted(sines)}"
        return True

    await aeventually(right, within=20)


def test_the_status_says_that_all_is_well(jam: Jam) -> None:
    def well() -> bool:
        status = jam.status()
        assert status["session"] == SESSION
        assert status["phase"] == "on-air", status
        assert {m["path"]: m["state"] for m in status["mounts"]} == dict.fromkeys(
            MOUNTS, "live"
        )
        assert {(k["a"], k["b"]): k["state"] for k in status["links"]} == dict.fromkeys(
            combinations(HOSTS, 2), "up"
        )
        assert {h["name"]: h["clock"]["verdict"] for h in status["hosts"]} == (
            dict.fromkeys(HOSTS, "ok")
        )
        return True

    eventually(well, within=20)


def test_every_host_tells_the_same_story(jam: Jam) -> None:
    def same() -> bool:
        stories = [
            {key: status[key] for key in ("stamp", "phase", "leader", "broadcaster")}
            for status in map(jam.status, HOSTS)
        ]
        assert stories[0] == stories[1] == stories[2], stories
        return stories[0]["leader"] is not None

    eventually(same, within=20)


def test_no_password_stands_in_any_argument_list(jam: Jam) -> None:
    for host in jam.lab.hosts:
        for pid in host.processes():
            line = command_line(pid)
            assert SOURCE_PASSWORD not in line
            assert ADMIN_PASSWORD not in line


def test_a_musician_is_wired_straight_to_the_links(jam: Jam) -> None:
    wires = connections(jam.lab.host("alice"))
    for peer in ("bob", "carol"):
        for channel in (1, 2):
            receive = f"link-{peer}:receive_{channel}"
            assert (receive, f"phones:in_{channel}") in wires
            assert (f"music:out_{channel}", f"link-{peer}:send_{channel}") in wires


def test_a_settled_session_does_nothing(jam: Jam) -> None:
    jam.settles()
    before = {name: doings(jam, name) for name in HOSTS}
    steadily(lambda: {n: doings(jam, n) for n in HOSTS} == before, during=3)


def doings(jam: Jam, name: str) -> tuple[object, object]:
    """Return a host's procs and its wires."""
    return jam.pids_of(name), connections(jam.lab.host(name))


def test_a_second_session_on_busy_hosts_is_refused(jam: Jam) -> None:
    file = jam.session_file({"/other.ogg": ("*",)})
    text = file.read_text().replace(f'name = "{SESSION}"', 'name = "other"')
    other = file.with_name("other.toml")
    other.write_text(text)
    said = jam.operate("alice", "create", str(other))
    assert said.code == 2, said
    assert SESSION in said.err


def test_the_sines_of_tests_are_apart() -> None:
    assert all(abs(a - b) >= 100 for a, b in combinations(SINES.values(), 2))
