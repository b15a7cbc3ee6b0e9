"""A session's ``icecast.xml``: Icecast 2.4's own form, sized for what will connect.

Which settings are per mount was read in Icecast 2.4.4's ``cfgfile.c`` and
``source_apply_mount``: burst-size, queue-size, source-timeout, charset, username,
password, fallback and hidden are; clients and sources are for the whole server.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sessiond.core.page import INDEX, TYPES
from sessiond.core.relaying import RETRY, Origin, relay_lines
from sessiond.core.spec import Codec, MountSpec, SessionSpec
from sessiond.core.stamped import Secrets
from sessiond.core.xmltext import element as _element
from sessiond.units import Kbps, MountPath

# How much sound a new listener is handed at once. Players start at once with it
# and it covers a takeover; more would only make every listener later.
BURST_SECONDS: Final = 5

# FLAC has no fixed bitrate; 640 KiB are 5 s of dense stereo music at 48 kHz.
FLAC_BURST_BYTES: Final = 640 * 1024

# A listener is dropped when it falls this many bursts behind.
QUEUE_BURSTS: Final = 4

# What Icecast's queue must be able to hold whatever the bitrate: some Ogg pages.
LEAST_BURST_BYTES: Final = 16 * 1024

# How long a silent source keeps its mount; lower makes Icecast drop sources that
# only pause, and the election's fencing counts on it.
SOURCE_TIMEOUT_SECONDS: Final = 10

# What is left of Icecast's open files for sources, our own connections and logs.
_OTHER_FILES: Final = 224

# A process may have 1,024 open files where nobody raised the limit.
LISTENERS: Final = 1024 - _OTHER_FILES

# At 128 kbit/s more than half of a gigabit: what more listeners need is a relay.
MOST_LISTENERS: Final = 5000

# What one agent has open at a time: a listener on the primary mount, a status
# read, an admin call, and a connection just closed.
CONNECTIONS_A_HOST: Final = 4


WEB_FOLDER: Final = "/usr/share/icecast2/web"
"""Where Debian's package has Icecast's own pages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StationSettings:
    """How the Icecast of a session runs on its computer.

    Attributes:
        hostname: What listen URLs name; also shown on Icecast's own pages.
        bind_address: None listens on every address.
        run_as: User and group that Icecast becomes when started as root; without
            root it only says that it can't. Debian's package makes this user.
        log_folder: None sends both logs to standard error.
        web_folder: Icecast's own pages; ``status-json.xsl`` must be among them.
        page: The listener page is in `web_folder`, too, and is what people see first.
        admin_folder: Icecast's own admin pages.
        tls_certificate: A PEM file with certificate and key; None: no TLS.
        listeners: How many may listen at a time.
        filler: Each mount has a third one, fed while nobody plays.
        relay_of: Every mount comes from there, once somebody listens; None: sources
            feed the mounts.
    """

    hostname: str
    port: int = 8000
    bind_address: str | None = None
    run_as: tuple[str, str] = ("icecast2", "icecast")
    log_folder: str | None = None
    web_folder: str = WEB_FOLDER
    page: bool = False
    admin_folder: str = "/usr/share/icecast2/admin"
    tls_certificate: str | None = None
    listeners: int = LISTENERS
    filler: bool = False
    relay_of: Origin | None = None


def burst_bytes(codec: Codec, bitrate_kbps: Kbps | None) -> int:
    """Return how many bytes Icecast hands a new listener of such a mount."""
    if codec is Codec.FLAC or bitrate_kbps is None:
        return FLAC_BURST_BYTES
    return max(LEAST_BURST_BYTES, BURST_SECONDS * bitrate_kbps * 1000 // 8)


def listeners_within(files: int) -> int:
    """Return how many may listen to an Icecast that may have so many files open."""
    return max(1, min(MOST_LISTENERS, files - _OTHER_FILES))


def source_limit(spec: SessionSpec, *, filler: bool = False) -> int:
    """Return how many sources may be connected: each mount and its hidden mounts.

    Two more, because Icecast counts a closing source until its thread has ended.
    """
    return (3 if filler else 2) * len(spec.mounts) + 2


def icecast_xml(spec: SessionSpec, secrets: Secrets, settings: StationSettings) -> str:
    """Return the configuration file of this session's Icecast.

    Args:
        spec: The session; its mounts' own users are used where they have them.
        secrets: Empty passwords are left out: Icecast then accepts none.
        settings: Where and as whom it runs.

    Raises:
        Refused: A text holds a character that XML can't carry.
    """
    return "\n".join(_lines(spec, secrets, settings)) + "\n"


def _lines(
    spec: SessionSpec, secrets: Secrets, settings: StationSettings
) -> Iterator[str]:
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield "<icecast>"
    yield _element("location", spec.name)
    yield _element("admin", f"operator@{settings.hostname}")
    yield _element("hostname", settings.hostname)
    yield from _limits(spec, settings)
    yield from _authentication(spec, secrets)
    yield from _listen_socket(settings)
    yield from _HTTP_HEADERS
    if settings.relay_of is not None:
        yield RETRY
    for mount in spec.mounts:
        if settings.relay_of is None:
            yield from _mounts_of(mount, spec, secrets, settings)
        else:
            yield from _relayed(mount, settings.relay_of, spec, settings)
    yield _element("fileserve", "1")
    if settings.page:
        # Where nothing else says so, a module has no type, and no browser runs it.
        yield _element("mime-types", f"{settings.web_folder}/{TYPES}")
    yield from _paths(settings)
    yield from _logging(settings)
    user, group = settings.run_as
    yield "  <security>"
    yield "    <chroot>0</chroot>"
    yield "    <changeowner>"
    yield _element("user", user, depth=3)
    yield _element("group", group, depth=3)
    yield "    </changeowner>"
    yield "  </security>"
    yield "</icecast>"


# Browsers on other pages may play the mounts and read the status.
_HTTP_HEADERS: Final = (
    "  <http-headers>",
    '    <header name="Access-Control-Allow-Origin" value="*"/>',
    "  </http-headers>",
)


def _limits(spec: SessionSpec, settings: StationSettings) -> Iterator[str]:
    sources = source_limit(spec, filler=settings.filler)
    clients = settings.listeners + sources + CONNECTIONS_A_HOST * len(spec.hosts)
    yield "  <limits>"
    yield _element("clients", str(clients), depth=2)
    yield _element("sources", str(sources), depth=2)
    yield _element("client-timeout", "30", depth=2)
    yield _element("header-timeout", "15", depth=2)
    yield _element("source-timeout", str(SOURCE_TIMEOUT_SECONDS), depth=2)
    yield "  </limits>"


def _authentication(spec: SessionSpec, secrets: Secrets) -> Iterator[str]:
    admin_user = (spec.icecast.admin_user if spec.icecast else None) or "admin"
    yield "  <authentication>"
    if secrets.source:
        yield _element("source-password", secrets.source, depth=2)
    if secrets.relay:
        yield _element("relay-password", secrets.relay, depth=2)
    if secrets.admin:
        yield _element("admin-user", admin_user, depth=2)
        yield _element("admin-password", secrets.admin, depth=2)
    yield "  </authentication>"


def _listen_socket(settings: StationSettings) -> Iterator[str]:
    yield "  <listen-socket>"
    yield _element("port", str(settings.port), depth=2)
    if settings.bind_address is not None:
        yield _element("bind-address", settings.bind_address, depth=2)
    if settings.tls_certificate is not None:
        yield _element("ssl", "1", depth=2)
    yield "  </listen-socket>"


def _mounts_of(
    mount: MountSpec, spec: SessionSpec, secrets: Secrets, settings: StationSettings
) -> Iterator[str]:
    """Yield the mount and its hidden mounts, each falling back to the next in a ring.

    None overrides: a standby mount that did would take the listeners of a healthy
    primary as soon as it appeared, and a primary would call its listeners back before
    it has a page to play them (decision 24). Only the primary has a limit of listeners:
    it keeps room for sources and admin calls, to which Icecast answers 403
    once it has all its clients; on a hidden mount it would drop, in the middle of a
    takeover, whom it doesn't let in.
    """
    hidden = [mount.standby_path, *([mount.filler_path] if settings.filler else [])]
    after = [*hidden, mount.path]
    yield from _mount(mount, mount.path, spec, secrets)
    yield _element("max-listeners", str(settings.listeners), depth=2)
    yield from _fallback(after[0])
    yield "  </mount>"
    for path, following in zip(hidden, after[1:], strict=True):
        yield from _mount(mount, path, spec, secrets)
        yield from _fallback(following)
        yield _element("hidden", "1", depth=2)
        yield _element("public", "0", depth=2)
        yield "  </mount>"


def _relayed(
    mount: MountSpec, origin: Origin, spec: SessionSpec, settings: StationSettings
) -> Iterator[str]:
    """Yield the mount of a relay: a burst of its own, and no fallback.

    At a takeover the origin moves the relay's one connection as it does any listener's:
    here nothing ends.
    """
    yield from relay_lines(mount.path, origin)
    yield from _mount(mount, mount.path, spec, Secrets())
    yield _element("max-listeners", str(settings.listeners), depth=2)
    yield "  </mount>"


def _fallback(path: MountPath) -> Iterator[str]:
    yield _element("fallback-mount", path, depth=2)
    yield _element("fallback-override", "0", depth=2)


def _mount(
    mount: MountSpec, path: MountPath, spec: SessionSpec, secrets: Secrets
) -> Iterator[str]:
    burst = burst_bytes(mount.codec, mount.bitrate_kbps)
    server_user = spec.icecast.source_user if spec.icecast else "source"
    yield '  <mount type="normal">'
    yield _element("mount-name", path, depth=2)
    yield _element("username", mount.source_user or server_user, depth=2)
    if password := secrets.for_mount(mount.path):
        yield _element("password", password, depth=2)
    yield _element("burst-size", str(burst), depth=2)
    yield _element("queue-size", str(QUEUE_BURSTS * burst), depth=2)
    yield _element("source-timeout", str(SOURCE_TIMEOUT_SECONDS), depth=2)
    # Without it Icecast takes an MP3 mount's name and titles for Latin-1.
    yield _element("charset", "UTF-8", depth=2)


def _paths(settings: StationSettings) -> Iterator[str]:
    yield "  <paths>"
    if settings.log_folder is not None:
        yield _element("logdir", settings.log_folder, depth=2)
    yield _element("webroot", settings.web_folder, depth=2)
    yield _element("adminroot", settings.admin_folder, depth=2)
    if settings.tls_certificate is not None:
        yield _element("ssl-certificate", settings.tls_certificate, depth=2)
    first = INDEX if settings.page else "/status.xsl"
    yield f'    <alias source="/" destination="{first}"/>'
    yield "  </paths>"


def _logging(settings: StationSettings) -> Iterator[str]:
    to_file = settings.log_folder is not None
    yield "  <logging>"
    yield _element("accesslog", "access.log" if to_file else "-", depth=2)
    yield _element("errorlog", "error.log" if to_file else "-", depth=2)
    yield _element("loglevel", "3", depth=2)
    if to_file:
        yield _element("logsize", "10000", depth=2)
    yield "  </logging>"
