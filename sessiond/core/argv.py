"""Commands are data: the argument list of every program but FFmpeg (`sourcing`).

No password, and nothing that a stranger chose unchecked, stands in any of them.
"""

from types import MappingProxyType
from typing import Final

from sessiond.core.configfile import AudioConfig, Realtime
from sessiond.core.proc import Program
from sessiond.core.spec import LinkSettings
from sessiond.core.view import HostSetup
from sessiond.units import Frames, Hertz, HostName, ProcName, UdpPort


def jack_env(audio: AudioConfig) -> dict[str, str]:
    """Return the environment that leads JACK's clients to our server and no other."""
    return {
        "JACK_DEFAULT_SERVER": audio.jack_server,
        "JACK_NO_START_SERVER": "1",
    }


# No desktop session bus on a headless host: jackd would wait for one to grant it the
# sound card.
JACKD_ENV: Final = MappingProxyType({"JACK_NO_AUDIO_RESERVATION": "1"})

# JackTrip links Qt and would look for a display.
QT_ENV: Final = MappingProxyType({"QT_QPA_PLATFORM": "offscreen"})


def jackd_argv(setup: HostSetup, rate: Hertz, period: Frames) -> tuple[str, ...]:
    """Return the JACK server that an agent starts itself."""
    audio = setup.audio
    realtime = audio.realtime is Realtime.ON or (
        audio.realtime is Realtime.AUTO and setup.may_realtime
    )
    # Priority 70: above ordinary real-time work, below the kernel's own threads.
    priority = ("-R", "-P", "70") if realtime else ("--no-realtime",)
    device = ("-d", audio.device) if audio.device else ()
    return (
        "jackd",
        "--name",
        audio.jack_server,
        *priority,
        "-d",
        audio.driver,
        *device,
        "-r",
        str(rate),
        "-p",
        str(period),
    )


_LINK: Final = "link-"


def link_client(peer: HostName) -> str:
    """Return the JACK client name of our side of the link to `peer`."""
    return f"{_LINK}{peer}"


def link_peer(name: str) -> HostName | None:
    """Return whose link a process or client of that name is; None for all others."""
    return HostName(name.removeprefix(_LINK)) if name.startswith(_LINK) else None


def jacktrip_argv(
    peer: HostName, server_host: str | None, port: UdpPort, links: LinkSettings
) -> tuple[str, ...]:
    """Return our side of a link.

    Args:
        peer: Who is at the other end.
        server_host: The peer's address when the peer is the server, else None.
        port: The link's port, on both hosts.
        links: The session's settings.
    """
    side = ("-s",) if server_host is None else ("-c", server_host)
    return (
        "jacktrip",
        *side,
        "--bindport",
        str(port),
        "--peerport",
        str(port),
        "-n",
        str(links.channels),
        "-q",
        str(links.queue_packets),
        "-r",
        str(links.redundancy),
        "-b",
        str(links.bit_depth),
        "-z",
        "-D",
        "-J",
        link_client(peer),
        "-I",
        "1",
    )


def bind_port(argv: tuple[str, ...]) -> UdpPort | None:
    """Return the UDP port that a link with these arguments binds; None for others."""
    try:
        return UdpPort(int(argv[argv.index("--bindport") + 1]))
    except ValueError:
        return None


def own_argv(
    setup: HostSetup, program: Program, name: ProcName, socket: str
) -> tuple[str, ...]:
    """Return one of our own programs, steered through its socket."""
    return (
        setup.python,
        "-m",
        f"agent.{program.value}",
        "--name",
        name,
        "--socket",
        socket,
        "--server",
        setup.audio.jack_server,
    )


def icecast_argv(config_file: str) -> tuple[str, ...]:
    """Return the embedded station."""
    return ("icecast2", "-c", config_file)


def liquidsoap_argv(script: str) -> tuple[str, ...]:
    """Return the filler."""
    return ("liquidsoap", script)
