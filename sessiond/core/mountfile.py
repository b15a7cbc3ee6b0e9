"""The ``[[mount]]`` tables of a session file."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from sessiond.core import namerules as rules
from sessiond.core.filecheck import Table
from sessiond.core.mistakes import TextRule, listed, nearest, shown
from sessiond.core.spec import EVERYONE, Codec, MountSpec
from sessiond.units import Decibels, HostName, Kbps, MountPath

# The first codec of an ending is its default. Ogg carries three; the other endings
# promise a player one codec, and Icecast names their content type after it.
CODECS_OF: Final[Mapping[str, tuple[Codec, ...]]] = MappingProxyType(
    {
        "ogg": (Codec.VORBIS, Codec.OPUS, Codec.FLAC),
        "opus": (Codec.OPUS,),
        "flac": (Codec.FLAC,),
        "mp3": (Codec.MP3,),
    }
)

# Measured on FFmpeg 5.1 at 44.1 and 48 kHz, stereo: libvorbis refuses anything else,
# libopus clips to RFC 6716's 6…510, and MP3 has only the rates of ISO 11172-3.
BITRATES_KBPS: Final[Mapping[Codec, range | tuple[int, ...]]] = MappingProxyType(
    {
        Codec.VORBIS: range(48, 501),
        Codec.OPUS: range(6, 511),
        Codec.MP3: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    }
)
_DEFAULT_KBPS: Final[Mapping[Codec, int]] = MappingProxyType(
    {Codec.VORBIS: 128, Codec.OPUS: 96, Codec.MP3: 128}
)

# Icecast takes two sources a mount (ours and its standby's) of the 64 that the
# rendered icecast.xml allows; 32 buses are also what the mix-down was measured with.
MOST_MOUNTS: Final = 32

_HIDDEN_STEMS: Final = ("-standby", "-filler")
# The tag that a source adds to the description, by which others know it.
_SOURCE_TAG: Final = "[session="


_DESCRIPTION: Final = TextRule(
    accepts=lambda text: rules.FREE_TEXT.accepts(text) and _SOURCE_TAG not in text,
    must=f'{rules.FREE_TEXT.must}, without "{_SOURCE_TAG}"',
    repair=rules.FREE_TEXT.repair,
)


def read_mounts(
    root: Table, hosts: tuple[str, ...]
) -> tuple[tuple[MountSpec, ...], dict[MountPath, str]]:
    """Return the mounts in the file's order, and their own password files."""
    tables = root.tables("mount")
    mounts: list[MountSpec] = []
    files: dict[MountPath, str] = {}
    for table in tables:
        mount = _read_mount(table, hosts)
        if mount.path and any(mount.path == other.path for other in mounts):
            table.wrong("path", f"another mount is {shown(mount.path)} already")
        mounts.append(mount)
        file = table.text("source_password_file", "", rules.FILE_NAME)
        if file:
            files[mount.path] = file
    if len(mounts) > MOST_MOUNTS:
        tables[MOST_MOUNTS].wrong(None, f"a session has at most {MOST_MOUNTS} mounts")
    return tuple(mounts), files


def _read_mount(table: Table, hosts: tuple[str, ...]) -> MountSpec:
    path = _read_path(table)
    codec = _read_codec(table, path)
    sources = _read_sources(table, hosts)
    return MountSpec(
        path=MountPath(path),
        codec=codec,
        bitrate_kbps=_read_bitrate(table, codec),
        sources=tuple(HostName(name) for name in sources),
        gains_db=_read_gains(table.table("gains_db"), hosts, sources),
        name=table.text("name", "", rules.FREE_TEXT),
        description=table.text("description", "", _DESCRIPTION),
        genre=table.text("genre", "", rules.FREE_TEXT),
        public=table.flag("public", default=False),
        source_user=table.text("source_user", "", rules.USER_NAME) or None,
    )


def _read_path(table: Table) -> str:
    path = table.text("path", None, rules.MOUNT_PATH)
    stem, _, ending = path.rpartition(".")
    for hidden in _HIDDEN_STEMS:
        if not stem.endswith(hidden):
            continue
        reason = f'{shown(path)} ends in "{hidden}", which names hidden mounts'
        shorter = stem.removesuffix(hidden)
        table.wrong("path", reason, shown(f"{shorter}.{ending}") if shorter[1:] else "")
    return path


def _read_codec(table: Table, path: str) -> Codec:
    ending = path.rpartition(".")[2]
    allowed = CODECS_OF.get(ending, tuple(Codec))
    codec = table.choice("format", allowed[0], also={"ogg": Codec.VORBIS})
    if codec not in allowed:
        must = listed([shown(str(c)) for c in allowed])
        reason = f"a mount that ends in .{ending} is {must}, not {shown(str(codec))}"
        table.wrong("format", reason, shown(str(allowed[0])))
    return codec


def _read_bitrate(table: Table, codec: Codec) -> Kbps | None:
    if codec is Codec.FLAC:
        table.forbidden("bitrate_kbps", "FLAC has no bit rate; leave it out")
        return None
    allowed = BITRATES_KBPS[codec]
    return Kbps(table.whole("bitrate_kbps", _DEFAULT_KBPS[codec], allowed))


def _read_sources(table: Table, hosts: tuple[str, ...]) -> tuple[str, ...]:
    what = f'one of this session\'s hosts or "{EVERYONE}"'
    sources = table.some_of("sources", (EVERYONE,), (*hosts, EVERYONE), what)
    if EVERYONE in sources and len(sources) > 1:
        table.wrong("sources", f'"{EVERYONE}" means all hosts; it stands alone')
    if table.is_empty("sources"):
        table.wrong("sources", "nobody is heard on this mount", f'["{EVERYONE}"]')
    return sources


def _read_gains(
    table: Table, hosts: tuple[str, ...], sources: tuple[str, ...]
) -> Mapping[HostName, Decibels]:
    heard = hosts if EVERYONE in sources else sources
    gains: dict[HostName, Decibels] = {}
    for name in table.own_keys():
        gain = table.number(name, 0.0, rules.is_gain, rules.GAIN_MUST)
        if name not in hosts:
            near = nearest(name, hosts)
            table.wrong(name, "there is no such host in this session", near)
        elif name not in heard:
            table.wrong(name, "this host is not among the mount's sources")
        elif gain:
            gains[HostName(name)] = Decibels(gain)
    return MappingProxyType(gains)
