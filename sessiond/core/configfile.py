"""The agent file: TOML text to `AgentConfig`, with all mistakes at once.

Defaults that only the operating system knows come in as `HostDefaults`; reading
the disk is `agent.config`.
"""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from sessiond.core import namerules as rules
from sessiond.core.filecheck import Table, checked_file
from sessiond.core.healthfile import HealthConfig, read_health
from sessiond.core.mistakes import TextRule, is_printable
from sessiond.core.specfile import PERIODS_FRAMES, RATES_HZ
from sessiond.core.stationfile import StationConfig, read_station
from sessiond.units import Address, Frames, Hertz, HostName, PortName

LISTEN: Final = Address("0.0.0.0:7700")
NTP_SERVERS: Final = tuple(f"{n}.pool.ntp.org" for n in range(4))
_CAPTURE: Final = ("system:capture_1", "system:capture_2")
_PLAYBACK: Final = ("system:playback_1", "system:playback_2")

# A link carries two channels at most, so more ports would be wired to nothing.
_MOST_PORTS: Final = 2

# jackd makes sockets and shared memory under its name; JACK_SERVER_NAME_SIZE is 256,
# but the sockets' paths hold about 60.
_SERVER: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}")
_DRIVER: Final = re.compile(r"[a-z][a-z0-9-]{0,31}")
# JACK_PORT_NAME_SIZE is 256 with the client's name and a NUL.
_PORT: Final = re.compile(r"[^:]+:.+")
_LONGEST_PORT: Final = 255


class JackStart(StrEnum):
    """Whether the agent may start JACK's server."""

    NEVER = "never"
    IF_ABSENT = "if-absent"


class Realtime(StrEnum):
    """Whether a server that we start asks for real-time scheduling."""

    AUTO = "auto"
    ON = "on"
    OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioConfig:
    """A host's JACK server and which of its ports are the musician's.

    Attributes:
        inputs: What this musician sends; at most two ports, which may appear later.
        outputs: Where this musician hears the others; at most two.
        rate_hz: For a server that we start outside a session; so is `period_frames`.
    """

    jack_server: str = "default"
    start: JackStart = JackStart.NEVER
    driver: str = "alsa"
    device: str = ""
    realtime: Realtime = Realtime.AUTO
    inputs: tuple[PortName, ...] = tuple(PortName(port) for port in _CAPTURE)
    outputs: tuple[PortName, ...] = tuple(PortName(port) for port in _PLAYBACK)
    rate_hz: Hertz = Hertz(48000)
    period_frames: Frames = Frames(128)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentConfig:
    """One host's own settings; what the session asks for is `SessionSpec`.

    Attributes:
        state_dir: An absolute path.
        advertise: Host or address, without port, under which others reach this one.
        reachable: False behind NAT: always the client side of its links.
        ntp_servers: Asked for the time; may be empty.
        station: What this host keeps on the air outside sessions; None for nothing.
    """

    name: HostName
    state_dir: str
    advertise: str
    listen: Address = LISTEN
    peers: tuple[Address, ...] = ()
    mdns: bool = True
    reachable: bool = True
    join_token_file: str = ""
    audio: AudioConfig = AudioConfig()
    health: HealthConfig = field(default_factory=HealthConfig)
    ntp_servers: tuple[str, ...] = NTP_SERVERS
    station: StationConfig | None = None

    @property
    def address(self) -> Address:
        """Where other agents reach this one."""
        host = f"[{self.advertise}]" if ":" in self.advertise else self.advertise
        return Address(f"{host}:{self.listen.rpartition(':')[2]}")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostDefaults:
    """What the operating system says; a text is empty where it says nothing."""

    host_name: str
    state_dir: str
    advertise: str


def parse_config(text: str, defaults: HostDefaults) -> AgentConfig:
    """Return an agent file's settings; an empty text gives all defaults.

    Raises:
        BadFile: With every mistake, each with line, reason and nearest valid name.
    """
    return checked_file("agent file", text, lambda root: _read_agent(root, defaults))


_PATH: Final = TextRule(
    accepts=lambda text: text.startswith("/") and is_printable(text),
    must='a path that starts with "/"',
)
_SERVER_NAME: Final = TextRule(
    accepts=_SERVER.fullmatch,
    must='the name of a JACK server: at most 32 letters, digits, "_", "." and "-"',
)
_DRIVER_NAME: Final = TextRule(
    accepts=_DRIVER.fullmatch,
    must='the name of a JACK driver, such as "alsa" or "dummy"',
    repair=lambda text: text.strip().casefold(),
)
_DEVICE: Final = TextRule(
    accepts=lambda text: is_printable(text) and not text.startswith("-"),
    must='one line that does not start with "-"',
)
_PORT_NAME: Final = TextRule(
    accepts=lambda text: (
        is_printable(text)  # first: half a surrogate pair has no encoding
        and len(text.encode()) <= _LONGEST_PORT
        and _PORT.fullmatch(text)
    ),
    must='a JACK port such as "system:capture_1"',
    repair=lambda text: text if ":" in text else f"system:{text}",
)


def _read_agent(root: Table, defaults: HostDefaults) -> AgentConfig:
    name = rules.host_name_from(defaults.host_name) or None
    return AgentConfig(
        name=HostName(root.text("name", name, rules.HOST_NAME)),
        state_dir=root.text("state_dir", defaults.state_dir, _PATH),
        advertise=root.text(
            "advertise", defaults.advertise or None, rules.INTERNET_HOST
        ),
        listen=Address(root.text("listen", LISTEN, rules.ADDRESS)),
        peers=tuple(Address(a) for _, a in root.texts("peers", (), rules.ADDRESS)),
        mdns=root.flag("mdns", default=True),
        reachable=root.flag("reachable", default=True),
        join_token_file=root.text("join_token_file", "", _FILE_OR_NONE),
        audio=_read_audio(root.table("audio")),
        ntp_servers=_read_servers(root.table("clock")),
        health=read_health(root),
        station=read_station(root),
    )


_FILE_OR_NONE: Final = TextRule(accepts=is_printable, must=rules.FILE_NAME.must)


def _read_audio(table: Table) -> AudioConfig:
    return AudioConfig(
        jack_server=table.text("jack_server", "default", _SERVER_NAME),
        start=table.choice("start", JackStart.NEVER),
        driver=table.text("driver", "alsa", _DRIVER_NAME),
        device=table.text("device", "", _DEVICE),
        realtime=table.choice("realtime", Realtime.AUTO),
        inputs=_read_ports(table, "inputs", _CAPTURE),
        outputs=_read_ports(table, "outputs", _PLAYBACK),
        rate_hz=Hertz(table.whole("rate_hz", 48000, RATES_HZ)),
        period_frames=Frames(
            table.whole(
                "period_frames", 128, PERIODS_FRAMES, "a multiple of 8 from 16 to 4096"
            )
        ),
    )


def _read_ports(
    table: Table, key: str, default: tuple[str, ...]
) -> tuple[PortName, ...]:
    ports = table.texts(key, default, _PORT_NAME)
    for index, port in ports[_MOST_PORTS:]:
        reason = f"a link has {_MOST_PORTS} channels at most, so {port} has no place"
        table.wrong(key, reason, item=index)
    return tuple(PortName(port) for _, port in ports)


def _read_servers(table: Table) -> tuple[str, ...]:
    servers = table.texts("servers", NTP_SERVERS, rules.INTERNET_HOST)
    return tuple(server for _, server in servers)
