"""The lab's hosts are computers of their own, and nothing of them stays behind."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from socket import IP_ADD_MEMBERSHIP, IPPROTO_IP, SOCK_DGRAM, SOCK_STREAM

import pytest

from sessiond.cli.lab import Lab, agentfile, leaks
from sessiond.cli.lab.player import read_wav
from sessiond.cli.lab.relay import claim_port, relaying
from sessiond.errors import Broken, Refused, Unavailable
from sessiond.units import Frames, Hertz, Seconds
from tests.support.ear import tones
from tests.support.eventually import aeventually, eventually
from tests.support.jackhost import connections, phones, start_phones

pytestmark = pytest.mark.real

# mDNS's own group (RFC 6762 section 3).
GROUP = "224.0.0.251"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Lab("test-lab", hosts=("alice", "bob"), folder=tmp_path) as opened:
        yield opened


def reaches(lab: Lab, frm: str, to: str) -> bool:
    """Tell whether UDP gets from one host to another, and only that way."""
    sender, receiver = lab.host(frm), lab.host(to)
    with (
        receiver.open_socket(SOCK_DGRAM) as ear,
        sender.open_socket(SOCK_DGRAM) as mouth,
    ):
        ear.bind((receiver.address, 9))
        ear.settimeout(0.3)
        mouth.sendto(b"hello", (receiver.address, 9))
        try:
            return ear.recv(16) == b"hello"
        except TimeoutError:
            return False


def test_hosts_have_their_own_name_address_and_default_route(lab: Lab) -> None:
    alice = lab.host("alice")
    assert alice.run(("hostname",)) == "alice\n"
    assert f"inet {alice.address}/24" in alice.run(("ip", "addr", "show", "eth0"))
    assert "default dev eth0" in alice.run(("ip", "route"))
    assert alice.address != lab.host("bob").address


@pytest.fixture
def houses(tmp_path: Path) -> Iterator[Lab]:
    """Alice and Bob in two networks with a router between; Carol is at Alice's."""
    names = ("alice", "bob", "carol")
    with Lab("test-far", hosts=names, far=("bob",), folder=tmp_path) as opened:
        yield opened


def test_hosts_of_two_networks_reach_each_other_through_a_router(houses: Lab) -> None:
    alice, bob = houses.host("alice"), houses.host("bob")
    assert alice.address.rpartition(".")[0] != bob.address.rpartition(".")[0]
    assert reaches(houses, "alice", "bob")
    assert reaches(houses, "bob", "alice")
    assert reaches(houses, "carol", "alice")
    bob.cut()
    assert not reaches(houses, "alice", "bob")
    bob.heal()
    eventually(lambda: reaches(houses, "alice", "bob"), within=5)


def test_a_router_hands_no_multicast_on(houses: Lab) -> None:
    assert hears_group(houses, "alice", "carol")
    assert not hears_group(houses, "alice", "bob")
    assert not hears_group(houses, "bob", "alice")


def hears_group(lab: Lab, frm: str, to: str) -> bool:
    """Tell whether what one host sends to a group arrives at another that is in it."""
    sender, receiver = lab.host(frm), lab.host(to)
    membership = socket.inet_aton(GROUP) + socket.inet_aton(receiver.address)
    with (
        receiver.open_socket(SOCK_DGRAM) as ear,
        sender.open_socket(SOCK_DGRAM) as mouth,
    ):
        ear.bind(("", 9))
        ear.setsockopt(IPPROTO_IP, IP_ADD_MEMBERSHIP, membership)
        ear.settimeout(0.3)
        mouth.setsockopt(IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
        mouth.sendto(b"hello", (GROUP, 9))
        try:
            return ear.recv(16) == b"hello"
        except TimeoutError:
            return False


def test_a_lab_has_one_studio_whose_secret_is_its_owners(tmp_path: Path) -> None:
    file = tmp_path / "studio.token"
    for _ in range(2):
        with Lab("test-studio", hosts=(), folder=tmp_path):
            assert file.stat().st_mode & 0o777 == 0o600
            first = file.read_text()
    assert len(first.strip()) >= 22
    file.unlink()
    with Lab("test-studio", hosts=(), folder=tmp_path):
        assert file.read_text() != first


def test_hosts_hear_each_other(lab: Lab) -> None:
    assert reaches(lab, "alice", "bob")
    assert reaches(lab, "bob", "alice")


def test_a_cut_silences_both_directions_until_it_heals(lab: Lab) -> None:
    assert reaches(lab, "alice", "bob")
    lab.host("alice").cut()
    assert not reaches(lab, "alice", "bob")
    assert not reaches(lab, "bob", "alice")
    lab.host("alice").heal()
    eventually(lambda: reaches(lab, "bob", "alice"), within=3)


def test_one_way_loss_silences_one_direction_only(lab: Lab) -> None:
    alice, bob = lab.hosts
    alice.one_way_loss(bob)
    assert not reaches(lab, "alice", "bob")
    assert reaches(lab, "bob", "alice")
    alice.end_one_way_loss(bob)
    assert reaches(lab, "alice", "bob")


def test_multicast_crosses_the_switch(lab: Lab) -> None:
    alice, bob = lab.hosts
    group = "224.0.0.251"
    with alice.open_socket(SOCK_DGRAM) as ear, bob.open_socket(SOCK_DGRAM) as mouth:
        ear.bind((group, 5353))
        member = bytes(int(n) for n in (*group.split("."), *alice.address.split(".")))
        ear.setsockopt(IPPROTO_IP, IP_ADD_MEMBERSHIP, member)
        ear.settimeout(2)
        mouth.sendto(b"who", (group, 5353))
        assert ear.recv(16) == b"who"


def test_two_labs_do_not_see_each_other(lab: Lab) -> None:
    with Lab("test-other", hosts=("alice",)) as other:
        assert other.host("alice").address == lab.host("alice").address
        assert not other.networks & lab.networks
        assert (
            other.host("alice").shm.stat().st_dev != lab.host("alice").shm.stat().st_dev
        )


def test_a_host_knows_every_process_of_its_own_and_kills_them(lab: Lab) -> None:
    alice = lab.host("alice")
    shell = alice.spawn(("sh", "-c", "sleep 60 & sleep 60 & wait"))
    eventually(lambda: len(alice.processes()) == 3, within=3)
    assert shell.pid in alice.processes()
    assert not lab.host("bob").processes()
    alice.kill_all()
    assert not alice.processes()
    assert shell.exit_code == -signal.SIGKILL
    assert alice.run(("hostname",)) == "alice\n"


def test_closing_takes_everything_along_even_daemons() -> None:
    with Lab("test-close", hosts=("alice",)) as lab:
        lab.host("alice").run(("sh", "-c", "setsid sleep 60 >/dev/null 2>&1 &"))
        eventually(lambda: len(lab.host("alice").processes()) == 1, within=3)
        networks, folder = lab.networks, lab.folder
        assert leaks(networks)
    assert leaks(networks) == ()
    assert not folder.exists()


def test_an_error_inside_takes_everything_along() -> None:
    lab = Lab("test-error", hosts=("alice",))

    def fail_inside() -> None:
        with lab:
            lab.host("alice").spawn(("sleep", "60"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_inside()
    assert lab.networks
    assert leaks(lab.networks) == ()


def test_killing_the_labs_own_process_takes_everything_along(tmp_path: Path) -> None:
    script = (
        "import time; from sessiond.cli.lab import Lab\n"
        "with Lab('test-killed', hosts=('alice',)) as lab:\n"
        "    lab.host('alice').spawn(('sleep', '60'))\n"
        "    print(*lab.networks, flush=True)\n"
        "    time.sleep(60)\n"
    )
    argv = (sys.executable, "-c", script)
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=env) as child:
        assert child.stdout is not None
        try:
            networks = frozenset(int(n) for n in child.stdout.readline().split())
            # The holder, and the program once it is inside.
            eventually(lambda: len(leaks(networks)) == 2, within=10)
        finally:
            child.kill()
    eventually(lambda: leaks(networks) == (), within=3)


def test_a_missing_program_is_named(lab: Lab) -> None:
    with pytest.raises(Broken, match="no-such-program is missing"):
        lab.host("alice").spawn(("no-such-program",))


def test_two_hosts_run_jack_servers_of_the_same_name(lab: Lab) -> None:
    alice, bob = lab.hosts
    alice.start_jackd(Hertz(48000), Frames(256))
    bob.start_jackd(Hertz(44100), Frames(512))
    assert alice.run(("jack_samplerate",)).split() == ["48000"]
    assert bob.run(("jack_samplerate",)).split() == ["44100"]


def test_a_jack_server_that_can_not_start_says_why(lab: Lab) -> None:
    with pytest.raises(Unavailable, match=r"JACK did not start on alice: ."):
        lab.host("alice").start_jackd(Hertz(-1))


async def test_headphones_hear_exactly_what_is_wired_to_them(lab: Lab) -> None:
    alice = lab.host("alice")
    alice.start_jackd()
    for pitch in (440, 550):
        alice.start_player("--sine", str(pitch), client=f"sine{pitch}")
    start_phones(alice)

    def wire(source: str, sink: str) -> bool:
        try:
            alice.run(("jack_connect", "-s", "default", source, sink))
        except subprocess.CalledProcessError:
            return False
        return True

    async def hears(*pitches: int) -> bool:
        # A machine that stands still for a moment makes a click of every tone.
        heard = tones(await phones(alice, 1.0))
        assert heard == set(pitches), sorted(heard)
        return True

    await aeventually(lambda: wire("sine440:out_1", "phones:in_1"), within=5)
    await aeventually(lambda: hears(440), within=10)
    await aeventually(lambda: wire("sine550:out_2", "phones:in_2"), within=5)
    await aeventually(lambda: hears(440, 550), within=10)
    assert connections(alice) == {
        ("sine440:out_1", "phones:in_1"),
        ("sine550:out_2", "phones:in_2"),
    }


def test_chronyd_tells_the_time(lab: Lab) -> None:
    alice, bob = lab.hosts
    alice.start_chronyd()
    ask = f"import ntplib\nprint(ntplib.NTPClient().request({alice.address!r}).stratum)"

    def stratum() -> str:
        try:
            return bob.run((sys.executable, "-c", ask))
        except subprocess.CalledProcessError:
            return ""

    assert eventually(stratum, within=10) == "8\n"


def test_an_agent_file_is_toml_with_the_overrides_in_it() -> None:
    own: agentfile.Tables = {
        "": {"name": "a"},
        "audio": {"inputs": ["x:1"], "start": "never"},
    }
    over: agentfile.Tables = {
        "": {"mdns": False},
        "audio": {"inputs": []},
        "clock": {"servers": ['ü\n"']},
    }
    assert agentfile.rendered(agentfile.merged(own, over)) == (
        'name = "a"\nmdns = false\n\n'
        '[audio]\ninputs = []\nstart = "never"\n\n'
        '[clock]\nservers = ["ü\\n\\""]\n'
    )


def test_a_players_file_must_be_what_jack_plays(tmp_path: Path) -> None:
    path = tmp_path / "no.wav"
    path.write_bytes(b"RIFFxxxx")
    with pytest.raises(Refused, match=r"no\.wav is no WAV file"):
        read_wav(path, Hertz(48000))


async def test_a_player_without_jack_says_so(lab: Lab) -> None:
    player = lab.host("alice").start_player("--sine", "440")
    assert await asyncio.to_thread(player.wait, Seconds(10)) == 3
    assert "There is no JACK server to play to." in player.text


async def test_a_relay_carries_connections_into_a_host(lab: Lab) -> None:
    alice = lab.host("alice")
    with alice.open_socket(SOCK_STREAM) as echo, claim_port(0) as outside:
        echo.bind((alice.address, 8000))
        echo.listen()

        def answer() -> None:
            near, _ = echo.accept()
            with near:
                near.sendall(b"you said " + near.recv(16))

        def to_alice() -> socket.socket:
            return alice.connect(alice.address, 8000)

        port = outside.getsockname()[1]
        async with relaying(outside, to_alice), asyncio.TaskGroup() as tasks:
            tasks.create_task(asyncio.to_thread(answer))
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"hello")
            assert await reader.read() == b"you said hello"
            writer.close()
            await writer.wait_closed()


async def test_a_relay_to_nobody_ends_the_connection(lab: Lab) -> None:
    alice = lab.host("alice")

    def to_nobody() -> socket.socket:
        return alice.connect(alice.address, 8000)

    with claim_port(0) as outside:
        port = outside.getsockname()[1]
        async with relaying(outside, to_nobody):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()


def test_a_user_who_is_not_root_can_have_a_lab() -> None:
    script = (
        "from sessiond.cli.lab.privilege import obtain_privilege\n"
        "obtain_privilege()\n"
        "import os\n"
        "from sessiond.cli.lab import Lab, leaks\n"
        "with Lab('test-user', hosts=('alice', 'bob')) as lab:\n"
        "    networks = lab.networks\n"
        "    alice, bob = lab.hosts\n"
        "    bob.start_jackd()\n"
        "    names = alice.run(('hostname',)) + bob.run(('hostname',))\n"
        "print(os.getuid(), *names.split(), leaks(networks))\n"
    )
    # Someone who owns this folder, but to the kernel is nobody special.
    someone = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
    argv = (*someone, sys.executable, "-c", script)
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.stdout == "1000 alice bob ()\n", done.stderr


def test_who_may_make_no_namespaces_is_told_so() -> None:
    script = (
        "from sessiond.cli.lab.privilege import obtain_privilege\n"
        "from sessiond.errors import Unavailable\n"
        "try:\n"
        "    obtain_privilege()\n"
        "except Unavailable as e:\n"
        "    print(e.sentence, e.hint)\n"
    )
    powerless = ("setpriv", "--bounding-set", "-all", "--inh-caps", "-all")
    argv = (*powerless, sys.executable, "-c", script)
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("This user may not make network namespaces")
    assert "as root" in done.stdout
