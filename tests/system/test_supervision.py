"""Programs that live and do nothing, and links that have grown, heal by themselves."""

import asyncio
import os
import shutil
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from sessiond.cli.lab import LabHost
from sessiond.units import Frames
from tests.faults.asking import reasons_on, running_on, status_of
from tests.faults.breaking import audio_again, pids_with, signal_those
from tests.support.eventually import eventually
from tests.support.jam import RATE, Jam, expected, jamming

pytestmark = [pytest.mark.real, pytest.mark.timeout(90)]

DUO = ("alice", "bob")
MIX = "/mix.opus"

# What a busy machine needs besides; the fault table's limits are measured elsewhere.
WITHIN = 15.0
# After the loss of so many packets JackTrip begins to count anew, and its queue grows.
SHORT = Frames(128)


@pytest.fixture
def jam(tmp_path: Path) -> Iterator[Jam]:
    with jamming(tmp_path, *DUO) as opened:
        yield opened
        opened.settles()


def rest(seconds: float) -> None:
    ends = time.monotonic() + seconds
    eventually(lambda: time.monotonic() >= ends, within=seconds + 5)


def create(jam: Jam, mounts: dict[str, tuple[str, ...]]) -> None:
    file = jam.session_file(mounts, {"broadcast": 'standby = "cold"'})
    if mounts:
        jam.start_icecast(file)
    made = jam.operate("alice", "create", str(file))
    assert made.code == 0, made


def linked(host: LabHost) -> bool:
    links = status_of(host)["links"]
    assert {link["state"] for link in links} == {"up"}, links
    return True


def anew(host: LabHost, name: str, old: int) -> bool:
    """Tell whether a proc runs as another process."""
    found = running_on(host).get(name, old)
    return found != old


def test_a_mix_down_that_stands_still_is_replaced_and_the_mount_sounds(
    jam: Jam,
) -> None:
    jam.start_all()
    create(jam, {MIX: ("*",)})
    name = jam.feeding()[MIX]
    host = jam.lab.host(name)
    old = running_on(host)["mixdown"]
    os.kill(old, signal.SIGSTOP)
    eventually(lambda: anew(host, "mixdown", old), within=WITHIN)
    assert asyncio.run(jam.sines_on(MIX)) == expected(DUO)
    assert jam.feeding() == {MIX: name}


def test_a_link_that_stands_still_is_replaced_on_its_host(jam: Jam) -> None:
    jam.start_all()
    create(jam, {})
    for name, peer in (("alice", "bob"), ("bob", "alice")):
        host, link = jam.lab.host(name), f"link-{peer}"
        eventually(partial(linked, host), within=WITHIN)
        (old,) = signal_those(host, "jacktrip", link, number=signal.SIGSTOP)
        eventually(partial(anew, host, link, old), within=WITHIN)
        eventually(partial(linked, host), within=WITHIN)


def test_what_outlived_its_jack_server_joins_the_next_one(jam: Jam) -> None:
    """JackTrip may outlive jackd, stopped or not; a mix-down that is stopped does."""
    jam.start_all()
    create(jam, {})
    alice = jam.lab.host("alice")
    signal_those(alice, "jacktrip", number=signal.SIGSTOP)
    signal_those(alice, "jackd")
    eventually(lambda: "JackAbsent" in reasons_on(alice), within=WITHIN)
    audio_again(alice)
    eventually(lambda: linked(alice), within=WITHIN)
    assert len(pids_with(alice, "jacktrip")) == 1


def test_another_period_is_taken_in_stride(jam: Jam) -> None:
    jam.start_all()
    create(jam, {})
    alice = jam.lab.host("alice")
    eventually(lambda: linked(alice), within=WITHIN)
    for host in jam.lab.hosts[:2]:
        host.run(("jack_bufsize", "256"))
    eventually(lambda: linked(alice), within=WITHIN)
    eventually(lambda: "PeriodMismatch" not in reasons_on(alice), within=WITHIN)


def test_a_jack_server_that_stands_still_is_told(jam: Jam) -> None:
    jam.start_all()
    create(jam, {})
    alice = jam.lab.host("alice")
    signal_those(alice, "jackd", number=signal.SIGSTOP)
    eventually(lambda: "JackStalled" in reasons_on(alice), within=WITHIN)
    signal_those(alice, "jackd", number=signal.SIGCONT)
    eventually(lambda: "JackStalled" not in reasons_on(alice), within=WITHIN)
    eventually(lambda: linked(alice), within=WITHIN)


def test_a_link_gets_its_own_name_as_soon_as_it_is_free(jam: Jam) -> None:
    jam.start_all()
    alice = jam.lab.host("alice")
    stranger = alice.start_player("--sine", "1234", client="link-bob")
    eventually(lambda: "link-bob:out_1" in ports_of(alice), within=WITHIN)
    made = jam.operate("alice", "create", str(jam.session_file({})), "--wait", "0")
    assert made.code == 0, made
    eventually(lambda: "ClientRenamed" in reasons_on(alice), within=WITHIN)
    stranger.stop()
    eventually(lambda: "link-bob:receive_1" in ports_of(alice), within=WITHIN)
    eventually(lambda: "ClientRenamed" not in reasons_on(alice), within=WITHIN)
    eventually(lambda: linked(alice), within=WITHIN)


def ports_of(host: LabHost) -> list[str]:
    return host.run(("jack_lsp", "-s", "default")).split()


GROWING = """\
#!/bin/sh
# The queue that the session does not want: it grows in an outage.
for word; do
  shift
  [ "$before" = -q ] && word=auto
  set -- "$@" "$word"
  before=$word
done
exec {jacktrip} "$@"
"""


def test_a_link_that_has_grown_in_an_outage_is_started_anew_on_both_sides(
    jam: Jam, tmp_path: Path
) -> None:
    """With JackTrip's automatic queue: 555 packets some seconds after a cut of 5 s."""
    programs = tmp_path / "programs"
    programs.mkdir()
    wrapper = programs / "jacktrip"
    wrapper.write_text(GROWING.format(jacktrip=shutil.which("jacktrip")))
    wrapper.chmod(0o755)
    path = {"PATH": f"{programs}:{os.environ['PATH']}"}
    jam.envs.update(dict.fromkeys(DUO, path))
    for name in DUO:
        jam.start_agent(name)
        jam.start_audio(name, SHORT)
    jam.await_agents(DUO)
    create(jam, {})
    alice, bob = (jam.lab.host(name) for name in DUO)
    eventually(lambda: linked(alice), within=WITHIN)
    before = {host.name: running_on(host) for host in (alice, bob)}

    def latency() -> float:
        (now,) = (link["latency_ms"] for link in status_of(alice)["links"])
        assert now is not None
        return float(now)

    usual = eventually(latency, within=WITHIN)
    bob.cut()
    rest(5.0)
    bob.heal()

    def grew_and_shrank() -> bool:
        assert latency() <= usual + 2000 * SHORT / RATE
        return all(
            anew(host, name, pid)
            for host in (alice, bob)
            for name, pid in before[host.name].items()
        )

    eventually(grew_and_shrank, within=40.0)
