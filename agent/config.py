"""Reading ``agent.toml`` from the disk, and the defaults that this machine gives.

What the file may hold is `sessiond.core.configfile`; here are the file system, the
host's name and its addresses, and the state folder's making.
"""

import errno
import fcntl
import os
import socket
import stat
import struct
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sessiond.core.configfile import AgentConfig, HostDefaults, parse_config
from sessiond.core.mistakes import BadFile
from sessiond.core.namerules import is_internet_host
from sessiond.errors import Broken, Refused, Unavailable
from sessiond.places import AGENT_SOCKET, default_config_file, default_state_dir

# linux/sockios.h; the answer's address lies at byte 20 of struct ifreq.
_SIOCGIFADDR: Final = 0x8915
_IFREQ_ADDRESS: Final = slice(20, 24)

# TEST-NET-1 (RFC 5737): never a real host; connecting a UDP socket sends nothing.
_SOMEWHERE: Final = ("192.0.2.1", 9)

# struct sockaddr_un holds 108 bytes with the closing NUL.
_LONGEST_SOCKET_PATH: Final = 107

_OPEN_TO_OTHERS: Final = 0o077
_OURS: Final = frozenset({AGENT_SOCKET, "run", "log", "agent.toml"})

# 128 bits in base64; whoever hears a proof can try guesses at leisure.
_SHORTEST_SECRET: Final = 22
_LARGEST_SECRET: Final = 1024

_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_UNWRITABLE_HINT: Final = (
    "Set state_dir in the agent file to a folder of yours, or correct its owner."
)


def load(
    path: Path | None = None, environment: Mapping[str, str] = os.environ
) -> AgentConfig:
    """Return this host's configuration; its state folder exists and can be written.

    Args:
        path: The file; None means the default place, and all defaults without one.
        environment: Where HOME and XDG_STATE_HOME are looked up.

    Raises:
        Refused: The file is missing, not text, or wrong (`BadFile`).
        Broken: The file can't be read, or the state folder can't be written.
    """
    config = read(path, environment)
    prepare_state_dir(Path(config.state_dir))
    return config


def read(
    path: Path | None = None, environment: Mapping[str, str] = os.environ
) -> AgentConfig:
    """Return what the file says, as `load` does, and touch nothing.

    Raises:
        Refused: The file is missing, not text, or wrong (`BadFile`).
        Broken: The file can't be read.
    """
    default = Path(default_config_file(environment))
    given = path or (default if default.exists() else None)
    text = "" if given is None else _read(given)
    try:
        return parse_config(text, host_defaults(environment))
    except BadFile as e:
        raise BadFile(f"agent file {given}" if given else e.title, e.mistakes) from e


def read_studio(config: AgentConfig, path: Path | None = None) -> bytes:
    """Return the secret in the file that `join_token_file` names; empty without one.

    Args:
        config: As `read` returned it.
        path: The agent file, as given to `read`; the other may lie beside it.

    Raises:
        Refused: It is missing, too short to be a secret, or others may read it.
        Broken: It can't be read.
    """
    if not config.join_token_file:
        return b""
    beside = (path or Path(default_config_file(os.environ))).parent
    file = beside / Path(config.join_token_file).expanduser()
    try:
        with file.open("rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            text = opened.read(_LARGEST_SECRET + 1).strip()
    except FileNotFoundError as e:
        raise Refused(
            f"There is no file {file}, which join_token_file names.",
            "Copy the studio's file to this host, or take the key out of agent.toml.",
        ) from e
    except OSError as e:
        raise Broken(
            f"The studio's secret {file} can't be read: {e.strerror}.",
            "Look at its owner and permissions.",
        ) from e
    if mode & _OPEN_TO_OTHERS:
        raise Refused(
            f"Others on this computer may read the studio's secret {file}.",
            f"Run `chmod 600 {file}`.",
        )
    if not _SHORTEST_SECRET <= len(text) <= _LARGEST_SECRET or not _is_printable(text):
        raise Refused(
            f"What {file} holds is no studio's secret: one line of at least "
            f"{_SHORTEST_SECRET} characters.",
            f"Make one with `openssl rand -base64 32 > {file}`, and give every host of "
            "the studio the same.",
        )
    return text


def _is_printable(text: bytes) -> bool:
    return all(0x20 < each < 0x7F for each in text)


def host_defaults(environment: Mapping[str, str] = os.environ) -> HostDefaults:
    """Return what this machine says of itself."""
    return HostDefaults(
        host_name=socket.gethostname(),
        state_dir=default_state_dir(environment, root=os.geteuid() == 0),
        advertise=own_address(),
    )


def own_address() -> str:
    """Return the address that other hosts on the network reach this one by.

    That of the interface with the default route, else the first that is not
    loopback, else loopback's.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_SOMEWHERE)
            return str(probe.getsockname()[0])
        except OSError:  # no route: a network without a way out
            return next(_addresses(probe), "127.0.0.1")


def _addresses(probe: socket.socket) -> Iterator[str]:
    """Yield the IPv4 address of each interface but loopback, in the kernel's order."""
    for _, interface in socket.if_nameindex():
        request = struct.pack("256s", interface.encode()[:15])
        try:
            answer = fcntl.ioctl(probe.fileno(), _SIOCGIFADDR, request)
        except OSError:  # this interface has no IPv4 address
            continue
        address = socket.inet_ntoa(answer[_IFREQ_ADDRESS])
        if not address.startswith("127.") and is_internet_host(address):
            yield address


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as e:
        raise Refused(
            f"There is no agent file {path}.", "Give its path with --config."
        ) from e
    except UnicodeDecodeError as e:
        raise Refused(
            f"The agent file {path} is not UTF-8 text.", "Save it as UTF-8."
        ) from e
    except OSError as e:
        raise Broken(
            f"The agent file {path} can't be read: {e.strerror}.",
            "Look at its owner and permissions.",
        ) from e


def prepare_state_dir(folder: Path) -> None:
    """Make the state folder if need be, for its owner alone, and try writing to it.

    Raises:
        Refused: Its path is too long for the sockets in it.
        Broken: It can't be made or written, or is no folder of ours.
        Unavailable: The disk is full, and there is no folder yet.
    """
    if len(os.fsencode(folder / AGENT_SOCKET)) > _LONGEST_SOCKET_PATH:
        raise Refused(
            f"The state folder's path {folder} is too long for a socket in it.",
            f"Set state_dir to a path of at most {_LONGEST_SOCKET_PATH - 11} bytes.",
        )
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _make_private(folder)
        with _unless_full(), tempfile.TemporaryFile(dir=folder) as trial:
            trial.write(b"sessiond")
            trial.flush()
    except OSError as e:
        sentence = f"The state folder {folder} can't be written: {e.strerror}."
        if e.errno in _NO_ROOM:
            raise Unavailable(sentence, "Make room on its disk.") from e
        raise Broken(sentence, _UNWRITABLE_HINT) from e


@contextmanager
def _unless_full() -> Iterator[None]:
    """Pass over a full disk: what plays is to be adopted all the same."""
    try:
        yield
    except OSError as e:
        if e.errno not in _NO_ROOM:
            raise


def _make_private(folder: Path) -> None:
    """Close the folder to others, if it is new or one of ours."""
    if not stat.S_IMODE(folder.stat().st_mode) & _OPEN_TO_OTHERS:
        return
    inside = {entry.name for entry in folder.iterdir()}
    # A mistyped state_dir must not turn /var/lib into a folder that nobody can enter.
    if inside and not inside & _OURS:
        raise Broken(
            f"The state folder {folder} holds other things and is open to everybody.",
            "Set state_dir to a folder of its own.",
        )
    folder.chmod(0o700)
