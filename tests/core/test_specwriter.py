import tomllib
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessiond.core.mistakes import is_printable
from sessiond.core.mountfile import BITRATES_KBPS, CODECS_OF
from sessiond.core.namerules import LONGEST_TEXT
from sessiond.core.spec import (
    EVERYONE,
    BroadcastSettings,
    ClockSettings,
    Codec,
    HostRef,
    IcecastServer,
    LinkSettings,
    MountSpec,
    NetworkProfile,
    SessionSpec,
    StandbyMode,
    TopologyChoice,
)
from sessiond.core.specfile import PERIODS_FRAMES, RATES_HZ, PasswordFiles, parse_spec
from sessiond.core.specwriter import format_spec
from sessiond.core.stamped import Stamp
from sessiond.units import (
    Address,
    Decibels,
    Frames,
    Hertz,
    HostName,
    Kbps,
    MountPath,
    Seconds,
    SessionName,
    Term,
)

host_names = st.from_regex(r"[a-z0-9][a-z0-9-]{0,31}", fullmatch=True).map(HostName)
free_texts = st.text(max_size=LONGEST_TEXT).filter(
    lambda text: is_printable(text) and "[session=" not in text
)
users = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1).filter(
    lambda user: len(user) <= 64 and ":" not in user
)
gains = st.floats(-120, 24).filter(bool) | st.just(float("-inf")) | st.integers(-9, -1)


@st.composite
def mounts(
    draw: st.DrawFn, path_and_ending: tuple[str, str], hosts: list[HostName]
) -> MountSpec:
    stem, ending = path_and_ending
    codec = draw(st.sampled_from(CODECS_OF[ending]))
    rates = BITRATES_KBPS.get(codec, ())
    everyone = [[HostName(EVERYONE)]]
    some = st.lists(st.sampled_from(hosts), min_size=1, unique=True)
    sources = draw(st.sampled_from(everyone) | some)
    heard = hosts if EVERYONE in sources else sources
    levels = draw(st.dictionaries(st.sampled_from(heard), gains.map(float)))
    return MountSpec(
        path=MountPath(f"/{stem}.{ending}"),
        codec=codec,
        bitrate_kbps=(
            None if codec is Codec.FLAC else Kbps(draw(st.sampled_from(rates)))
        ),
        sources=tuple(sources),
        gains_db=MappingProxyType({h: Decibels(g) for h, g in levels.items()}),
        name=draw(free_texts),
        description=draw(free_texts),
        genre=draw(free_texts),
        public=draw(st.booleans()),
        source_user=draw(st.none() | users),
    )


@st.composite
def specs(draw: st.DrawFn) -> SessionSpec:
    hosts = draw(st.lists(host_names, min_size=1, max_size=5, unique=True))
    prefer = draw(st.lists(st.sampled_from(hosts), unique=True))
    others = [h for h in hosts[1:] if h not in prefer]
    never = draw(st.sets(st.sampled_from(others))) if others else set()
    warn_ms, fail_ms = sorted(draw(st.tuples(*[st.integers(1, 60_000_000)] * 2)))
    stems = st.from_regex(r"[A-Za-z0-9_-]{1,48}", fullmatch=True).filter(
        lambda stem: not stem.endswith("-standby")
    )
    files = st.tuples(stems, st.sampled_from(sorted(CODECS_OF)))
    paths = draw(st.lists(files, max_size=3, unique=True))
    servers = st.builds(
        IcecastServer,
        host=st.sampled_from(["radio.local", "10.0.0.1", "fe80::1", "a_b.c-d."]),
        port=st.integers(1, 65535),
        tls=st.booleans(),
        source_user=users,
        admin_user=st.none() | users,
    )
    return SessionSpec(
        name=SessionName(
            draw(st.from_regex(r"[a-z0-9][a-z0-9-]{0,47}", fullmatch=True))
        ),
        hosts=tuple(
            HostRef(
                name=name,
                address=draw(
                    st.sampled_from([None, Address(f"[fe80::{index + 1}]:7700")])
                ),
            )
            for index, name in enumerate(hosts)
        ),
        topology=draw(st.sampled_from(TopologyChoice)),
        rate_hz=Hertz(draw(st.sampled_from(RATES_HZ))),
        period_frames=Frames(draw(st.sampled_from([0, *PERIODS_FRAMES]))),
        links=LinkSettings(
            channels=draw(st.integers(1, 2)),
            queue_packets=draw(st.integers(2, 128)),
            redundancy=draw(st.integers(1, 4)),
            bit_depth=draw(st.sampled_from([8, 16, 24, 32])),
        ),
        clock=ClockSettings(
            warn=Seconds(warn_ms / 1000 / 1000),
            fail=Seconds(fail_ms / 1000 / 1000),
            required=draw(st.booleans()),
        ),
        broadcast=BroadcastSettings(
            prefer=tuple(prefer),
            never=frozenset(never),
            standby=draw(st.sampled_from(StandbyMode)),
            network=draw(st.sampled_from(NetworkProfile)),
        ),
        icecast=draw(st.none() | servers),
        mounts=tuple(draw(mounts(path, hosts)) for path in paths),
    )


@given(specs(), st.none() | st.builds(Stamp, *[st.integers(0, 999).map(Term)] * 3))
def test_what_is_written_reads_the_same(
    spec: SessionSpec, based_on: Stamp | None
) -> None:
    file = parse_spec(format_spec(spec, based_on))
    assert file.spec == spec
    assert file.based_on == based_on
    assert file.password_files == PasswordFiles()


@pytest.mark.parametrize("text", ['a"b\\c', "\\", "'''", "# @^%", "…🎸🎶", " -x "])
def test_awkward_texts_are_carried_exactly(text: str) -> None:
    head = parse_spec('name = "a"\nhosts = ["b"]').spec
    mount = MountSpec(
        path=MountPath("/-x.ogg"), codec=Codec.OPUS, bitrate_kbps=Kbps(96), name=text
    )
    spec = SessionSpec(name=head.name, hosts=head.hosts, mounts=(mount,))
    assert parse_spec(format_spec(spec)).spec.mounts[0].name == text


def test_what_others_wrote_does_not_steer_the_terminal() -> None:
    """A document from the network may hold what no session file could say."""
    said = "\x9b2J\x7f\u202e\U000e0061夜"
    mount = MountSpec(
        path=MountPath("/x.ogg"), codec=Codec.OPUS, bitrate_kbps=Kbps(96), name=said
    )
    head = parse_spec('name = "a"\nhosts = ["b"]').spec
    text = format_spec(
        SessionSpec(name=head.name, hosts=head.hosts, mounts=(mount,)),
    )
    assert all(map(is_printable, text.split("\n")))
    assert "夜" in text
    assert tomllib.loads(text)["mount"][0]["name"] == said


def test_the_file_reads_well() -> None:
    text = """\
name = "jam"
hosts = ["alice", "bob@h:1"]
[[mount]]
path = "/mix.ogg"
gains_db = { bob = -6 }
"""
    spec = parse_spec(text).spec
    assert (
        format_spec(spec, Stamp(Term(3), 2))
        == """\
name = "jam"
hosts = ["alice", "bob@h:1"]
topology = "auto"
rate_hz = 48000
period_frames = 0
based_on = "3.2"

[links]
channels = 2
queue_packets = 4
redundancy = 1
bit_depth = 16

[clock]
warn_ms = 5.0
fail_ms = 50.0
required = false

[broadcast]
prefer = []
never = []
standby = "hot"
network = "lan"

[[mount]]
path = "/mix.ogg"
format = "vorbis"
bitrate_kbps = 128
sources = ["*"]
gains_db = { bob = -6.0 }
name = ""
description = ""
genre = ""
public = false
"""
    )
