import pytest

from sessiond.core.configfile import (
    AgentConfig,
    AudioConfig,
    HostDefaults,
    JackStart,
    Realtime,
    parse_config,
)
from sessiond.core.mistakes import BadFile
from sessiond.units import Address, Frames, Hertz, HostName, PortName

DEFAULTS = HostDefaults(
    host_name="Alice_Laptop.home.arpa",
    state_dir="/var/lib/sessiond",
    advertise="192.168.1.20",
)

FULL = """\
name = "alice"
state_dir = "/srv/jam"
listen = "127.0.0.1:7800"
advertise = "alice.local"
peers = ["192.168.1.21:7700", "[fe80::1]:7700"]
mdns = false
reachable = false
join_token_file = "token"

[audio]
jack_server = "studio"
start = "if-absent"
driver = "dummy"
device = "hw:0"
realtime = "on"
inputs = ["system:capture_3"]
outputs = []
rate_hz = 44100
period_frames = 256

[clock]
servers = ["10.0.0.1"]
"""


def test_an_empty_file_gives_all_defaults() -> None:
    config = parse_config("", DEFAULTS)
    assert config == AgentConfig(
        name=HostName("alice-laptop"),
        state_dir="/var/lib/sessiond",
        advertise="192.168.1.20",
    )
    assert config.address == "192.168.1.20:7700"
    assert config.ntp_servers[3] == "3.pool.ntp.org"
    assert config.audio.inputs == ("system:capture_1", "system:capture_2")


def test_every_key_reaches_the_configuration() -> None:
    assert parse_config(FULL, DEFAULTS) == AgentConfig(
        name=HostName("alice"),
        state_dir="/srv/jam",
        advertise="alice.local",
        listen=Address("127.0.0.1:7800"),
        peers=(Address("192.168.1.21:7700"), Address("[fe80::1]:7700")),
        mdns=False,
        reachable=False,
        join_token_file="token",
        audio=AudioConfig(
            jack_server="studio",
            start=JackStart.IF_ABSENT,
            driver="dummy",
            device="hw:0",
            realtime=Realtime.ON,
            inputs=(PortName("system:capture_3"),),
            outputs=(),
            rate_hz=Hertz(44100),
            period_frames=Frames(256),
        ),
        ntp_servers=("10.0.0.1",),
    )


def test_an_ipv6_address_is_advertised_in_brackets() -> None:
    text = 'advertise = "fe80::1"\nlisten = "[::]:7701"'
    assert parse_config(text, DEFAULTS).address == "[fe80::1]:7701"


def test_what_the_machine_does_not_say_must_be_in_the_file() -> None:
    nothing = HostDefaults(host_name="...", state_dir="/s", advertise="")
    with pytest.raises(BadFile) as caught:
        parse_config("", nothing)
    assert [m.where for m in caught.value.mistakes] == ["advertise", "name"]


@pytest.mark.parametrize(
    ("keys", "where", "suggestion"),
    [
        ('name = "Alice"', "name", '"alice"'),
        ('name = ""', "name", ""),
        ('state_dir = "var"', "state_dir", ""),
        ('state_dir = "/a\\nb"', "state_dir", ""),
        ('listen = "7700"', "listen", ""),
        ("listen = 7700", "listen", ""),
        ('advertise = "10.0.0.1:7700"', "advertise", '"10.0.0.1"'),
        ('peers = ["10.0.0.1"]', "peers", '"10.0.0.1:7700"'),
        ('peers = "10.0.0.1:7700"', "peers", '["10.0.0.1:7700"]'),
        ("mdns = 0", "mdns", "false"),
        ("reachabel = true", "reachabel", "reachable"),
        ('join_token_file = "\\t"', "join_token_file", ""),
        ('[audio]\njack_server = "a b"', "audio.jack_server", ""),
        ('[audio]\njack_server = "-n"', "audio.jack_server", ""),
        ('[audio]\nstart = "if_absent"', "audio.start", '"if-absent"'),
        ('[audio]\ndriver = "-d"', "audio.driver", ""),
        ('[audio]\ndriver = " ALSA"', "audio.driver", '"alsa"'),
        ('[audio]\ndevice = "-x"', "audio.device", ""),
        ("[audio]\nrealtime = true", "audio.realtime", ""),
        ('[audio]\ninputs = ["capture_1"]', "audio.inputs", '"system:capture_1"'),
        ('[audio]\ninputs = ["a:1", "a:1"]', "audio.inputs", ""),
        ('[audio]\noutputs = ["a:1", "a:2", "a:3"]', "audio.outputs", ""),
        (f'[audio]\noutputs = ["a:{"x" * 255}"]', "audio.outputs", ""),
        ("[audio]\nrate_hz = 48001", "audio.rate_hz", "48000"),
        ("[audio]\nperiod_frames = 0", "audio.period_frames", "16"),
        ('[clock]\nserver = "x"', "clock.server", "servers"),
        ('[clock]\nservers = ["pool.ntp.org", "-x"]', "clock.servers", ""),
    ],
)
def test_a_mistake_has_its_key_and_a_guess(
    keys: str, where: str, suggestion: str
) -> None:
    with pytest.raises(BadFile) as caught:
        parse_config(keys, DEFAULTS)
    (mistake,) = caught.value.mistakes
    assert caught.value.sentence == "The agent file has one mistake."
    assert (mistake.where, mistake.suggestion) == (where, suggestion)
