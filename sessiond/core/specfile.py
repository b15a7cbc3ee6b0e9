"""The session file: TOML text to `SessionSpec`, with all mistakes at once.

What a session may be is said here key by key; how a table is read and how a
mistake is worded is in `filecheck`. `specwriter` is the way back.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from sessiond.core import namerules as rules
from sessiond.core.filecheck import Table, checked_file
from sessiond.core.mistakes import TextRule, shown
from sessiond.core.mountfile import read_mounts
from sessiond.core.spec import (
    BroadcastSettings,
    ClockSettings,
    HostRef,
    IcecastServer,
    LinkSettings,
    NetworkProfile,
    SessionSpec,
    StandbyMode,
    TopologyChoice,
)
from sessiond.core.stamped import Stamp
from sessiond.units import (
    Address,
    Frames,
    Hertz,
    HostName,
    MountPath,
    Seconds,
    SessionName,
)

# What JackTrip 1.7 can say in its packet header and FFmpeg's encoders take.
RATES_HZ: Final = (44100, 48000, 88200, 96000)

# JACK's own limits are 1 and 8192; outside these no interface makes music.
PERIODS_FRAMES: Final = range(16, 4097, 8)

# jackd2 takes 256 clients; in a star the leader has one for each other host and
# each mount (at most 32), and its musician wants some too.
MOST_HOSTS: Final = 200

_BASED_ON: Final = re.compile(r"[0-9]{1,9}\.[0-9]{1,9}(\+[0-9]{1,9})?")
_TITLE: Final = "session file"
_DEFAULT_ADMIN: Final = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordFiles:
    """Which file holds which password, as named in the session file.

    A relative name is relative to the session file. None: left out, which keeps
    what is stored.
    """

    source: str | None = None
    admin: str | None = None
    mounts: Mapping[MountPath, str] = field(
        default_factory=lambda: MappingProxyType({})
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecFile:
    """All that a session file says.

    Attributes:
        based_on: The stamp that the file was printed from, if it was.
    """

    spec: SessionSpec
    based_on: Stamp | None = None
    password_files: PasswordFiles = PasswordFiles()


def parse_spec(text: str) -> SpecFile:
    """Return what a session file says.

    Raises:
        BadFile: With every mistake, each with line, reason and nearest valid name.
    """
    return checked_file(_TITLE, text, _read_session)


def _read_session(root: Table) -> SpecFile:
    name = root.text("name", None, rules.SESSION_NAME)
    hosts, written_names = _read_hosts(root)
    based_on = root.text("based_on", "", _STAMP)
    server, source_file, admin_file = _read_icecast(root)
    mounts, mount_files = read_mounts(root, written_names)
    spec = SessionSpec(
        name=SessionName(name),
        hosts=hosts,
        topology=root.choice("topology", TopologyChoice.AUTO),
        rate_hz=Hertz(root.whole("rate_hz", 48000, RATES_HZ)),
        period_frames=Frames(_read_period(root)),
        links=_read_links(root.table("links")),
        clock=_read_clock(root.table("clock")),
        broadcast=_read_broadcast(root.table("broadcast"), written_names),
        icecast=server,
        mounts=mounts,
    )
    return SpecFile(
        spec=spec,
        based_on=Stamp.parse(based_on) if based_on else None,
        password_files=PasswordFiles(
            source=source_file, admin=admin_file, mounts=MappingProxyType(mount_files)
        ),
    )


_STAMP: Final = TextRule(
    accepts=_BASED_ON.fullmatch,
    must='"TERM.REVISION", as `sessiond spec` prints it',
)


def _read_period(root: Table) -> int:
    must = "0 (what most hosts have) or a multiple of 8 from 16 to 4096"
    return root.whole("period_frames", 0, (0, *PERIODS_FRAMES), must)


def _read_hosts(root: Table) -> tuple[tuple[HostRef, ...], tuple[str, ...]]:
    """Return the good hosts, and every name written, so that each error shows once."""
    any_text = TextRule(accepts=lambda _: True, must="a host name")
    written = root.texts("hosts", None, any_text)
    hosts: list[HostRef] = []
    for index, text in written:
        host = _host_ref(root, index, text)
        if host is None:
            continue
        if any(host.name == other.name for other in hosts):
            root.wrong("hosts", f"{shown(host.name)} is there twice", item=index)
        elif host.address and any(host.address == h.address for h in hosts):
            reason = f"two hosts have the address {host.address}"
            root.wrong("hosts", reason, item=index)
        else:
            hosts.append(host)
    if "hosts" in root and root.is_empty("hosts"):
        root.wrong("hosts", "a session has at least one host")
    if len(hosts) > MOST_HOSTS:
        root.wrong("hosts", f"a session has at most {MOST_HOSTS} hosts")
    return tuple(hosts), tuple(text.partition("@")[0] for _, text in written)


def _host_ref(root: Table, index: int, text: str) -> HostRef | None:
    name, at, address = text.partition("@")
    if not rules.HOST_NAME.accepts(name):
        reason = f"{shown(name)} must be {rules.HOST_NAME.must}"
        root.wrong("hosts", reason, rules.HOST_NAME.suggestion(name), item=index)
        return None
    if at and not rules.ADDRESS.accepts(address):
        reason = f"after the @ stands {rules.ADDRESS.must}, not {shown(address)}"
        root.wrong("hosts", reason, rules.ADDRESS.suggestion(address), item=index)
        return None
    return HostRef(name=HostName(name), address=Address(address) if at else None)


def _read_links(table: Table) -> LinkSettings:
    return LinkSettings(
        channels=table.whole("channels", 2, (1, 2)),
        queue_packets=table.whole("queue_packets", 4, range(2, 129)),
        redundancy=table.whole("redundancy", 1, range(1, 5)),
        bit_depth=table.whole("bit_depth", 16, (8, 16, 24, 32)),
    )


def _read_clock(table: Table) -> ClockSettings:
    def in_range(ms: float) -> bool:
        return 0 < ms <= 60_000

    must = "a number of milliseconds above 0, at most 60000"
    warn = table.number("warn_ms", 5.0, in_range, must)
    fail = table.number("fail_ms", max(50.0, warn), in_range, must)
    if fail < warn:
        table.wrong("fail_ms", f"{fail:g} is below warn_ms, which is {warn:g}")
    return ClockSettings(
        warn=Seconds(warn / 1000),
        fail=Seconds(fail / 1000),
        required=table.flag("required", default=False),
    )


def _read_broadcast(table: Table, hosts: tuple[str, ...]) -> BroadcastSettings:
    one_of_hosts = "one of this session's hosts"
    prefer = table.some_of("prefer", (), hosts, one_of_hosts)
    never = table.some_of("never", (), hosts, one_of_hosts)
    for name in prefer:
        if name in never:
            table.wrong("never", f"{shown(name)} is also preferred")
    if hosts and set(hosts) <= set(never):
        table.wrong("never", "these are all hosts, so nobody could broadcast")
    return BroadcastSettings(
        prefer=tuple(HostName(name) for name in prefer),
        never=frozenset(HostName(name) for name in never),
        standby=table.choice("standby", StandbyMode.HOT),
        network=table.choice("network", NetworkProfile.LAN),
    )


def _read_icecast(
    root: Table,
) -> tuple[IcecastServer | None, str | None, str | None]:
    """Return the server, the source's password file and the administrator's."""
    table = root.table("icecast")
    if "icecast" not in root:
        return None, None, None
    admin_file = table.text("admin_password_file", "", rules.FILE_NAME) or None
    admin_user = table.text("admin_user", "", rules.USER_NAME) or None
    server = IcecastServer(
        host=table.text("host", None, rules.INTERNET_HOST),
        port=table.whole("port", 8000, range(1, 65536)),
        tls=table.flag("tls", default=False),
        source_user=table.text("source_user", "source", rules.USER_NAME),
        admin_user=admin_user or (_DEFAULT_ADMIN if admin_file else None),
    )
    source_file = table.text("source_password_file", "", rules.FILE_NAME) or None
    return server, source_file, admin_file
