from dataclasses import replace

import pytest

from sessiond.core.argv import (
    JACKD_ENV,
    QT_ENV,
    bind_port,
    icecast_argv,
    jack_env,
    jackd_argv,
    jacktrip_argv,
    own_argv,
)
from sessiond.core.configfile import AudioConfig, Realtime
from sessiond.core.proc import Program
from sessiond.core.spec import LinkSettings
from sessiond.units import Frames, Hertz, ProcName, UdpPort
from tests.core.examples import ALICE, BOB, setup

LINKS = LinkSettings(channels=1, queue_packets=8, redundancy=2, bit_depth=24)


def words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def test_golden_jackd() -> None:
    audio = AudioConfig(jack_server="jam", device="hw:USB", realtime=Realtime.ON)
    assert jackd_argv(setup(ALICE, audio), Hertz(48000), Frames(128)) == words(
        "jackd --name jam -R -P 70 -d alsa -d hw:USB -r 48000 -p 128"
    )


def test_golden_jackd_without_a_sound_card() -> None:
    audio = AudioConfig(driver="dummy", realtime=Realtime.OFF)
    assert jackd_argv(setup(ALICE, audio), Hertz(44100), Frames(256)) == words(
        "jackd --name default --no-realtime -d dummy -r 44100 -p 256"
    )


@pytest.mark.parametrize(
    ("wish", "may", "gets"),
    [
        (Realtime.AUTO, True, True),
        (Realtime.AUTO, False, False),
        (Realtime.ON, False, True),
        (Realtime.OFF, True, False),
    ],
)
def test_real_time_is_asked_for_where_it_is_granted_or_demanded(
    wish: Realtime, may: bool, gets: bool
) -> None:
    given = replace(setup(ALICE, AudioConfig(realtime=wish)), may_realtime=may)
    argv = jackd_argv(given, Hertz(48000), Frames(128))
    assert ("-R" in argv) is gets
    assert ("--no-realtime" in argv) is not gets


def test_golden_jacktrip_server() -> None:
    assert jacktrip_argv(BOB, None, UdpPort(4465), LINKS) == words(
        "jacktrip -s --bindport 4465 --peerport 4465 -n 1 -q 8 -r 2 -b 24 -z "
        "-D -J link-bob -I 1"
    )


def test_golden_jacktrip_client() -> None:
    assert jacktrip_argv(BOB, "192.168.1.21", UdpPort(4464), LinkSettings()) == words(
        "jacktrip -c 192.168.1.21 --bindport 4464 --peerport 4464 -n 2 -q 4 -r "
        "1 -b 16 -z -D -J link-bob -I 1"
    )


@pytest.mark.parametrize("program", [Program.MIXDOWN, Program.SOURCE])
def test_golden_programs_of_our_own(program: Program) -> None:
    audio = AudioConfig(jack_server="jam")
    name = ProcName("proc-1")
    assert own_argv(setup(ALICE, audio), program, name, "/state/run/x.sock") == (
        *("/venv/bin/python", "-m", f"agent.{program.value}"),
        *("--name", "proc-1", "--socket", "/state/run/x.sock", "--server", "jam"),
    )


def test_golden_icecast() -> None:
    assert icecast_argv("/run/sessiond/x/icecast.xml") == (
        *("icecast2", "-c", "/run/sessiond/x/icecast.xml"),
    )


def test_jacks_clients_are_led_to_our_server_and_start_none() -> None:
    assert jack_env(AudioConfig(jack_server="jam")) == {
        "JACK_DEFAULT_SERVER": "jam",
        "JACK_NO_START_SERVER": "1",
    }


def test_headless_hosts_need_neither_a_session_bus_nor_a_display() -> None:
    assert JACKD_ENV == {"JACK_NO_AUDIO_RESERVATION": "1"}
    assert QT_ENV == {"QT_QPA_PLATFORM": "offscreen"}


def test_a_links_port_is_read_back_from_its_arguments() -> None:
    argv = jacktrip_argv(BOB, None, UdpPort(4467), LINKS)
    assert bind_port(argv) == 4467
    assert bind_port(icecast_argv("/run/x.xml")) is None
