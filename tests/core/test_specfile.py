from dataclasses import replace

import pytest

from sessiond.core.mistakes import BadFile, Mistake
from sessiond.core.spec import (
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
from sessiond.core.specfile import PasswordFiles, parse_spec
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

ALICE, BOB = HostName("alice"), HostName("bob")
HEAD = 'name = "jam"\nhosts = ["alice", "bob"]\n'

FULL = """\
name = "friday-jam"
hosts = ["alice@192.168.1.20:7700", "bob"]
topology = "star"
rate_hz = 44100
period_frames = 128
based_on = "3.2"

[links]
channels = 1
queue_packets = 8
redundancy = 2
bit_depth = 24

[clock]
warn_ms = 2
fail_ms = 20.5
required = true

[broadcast]
prefer = ["bob"]
never = ["alice"]
standby = "warm"
network = "wifi"

[icecast]
host = "radio.local"
port = 8443
tls = true
source_user = "dj"
source_password_file = "source.password"
admin_user = "root"
admin_password_file = "secrets/admin.password"

[[mount]]
path = "/mix.ogg"
format = "ogg"
bitrate_kbps = 96
sources = ["*"]
gains_db = { bob = -6, alice = 0.0 }
name = "Friday jam"
description = "all of [us]"
genre = "jam"
public = true

[[mount]]
path = "/bob.flac"
sources = ["bob"]
source_user = "bob"
source_password_file = "bob.password"
"""


def mistakes_in(text: str) -> tuple[Mistake, ...]:
    with pytest.raises(BadFile) as caught:
        parse_spec(text)
    return caught.value.mistakes


def only_mistake(text: str) -> Mistake:
    (mistake,) = mistakes_in(text)
    return mistake


def test_every_key_reaches_the_spec() -> None:
    file = parse_spec(FULL)
    assert file.based_on == Stamp(Term(3), 2)
    assert file.password_files == PasswordFiles(
        source="source.password",
        admin="secrets/admin.password",
        mounts={MountPath("/bob.flac"): "bob.password"},
    )
    assert file.spec == SessionSpec(
        name=SessionName("friday-jam"),
        hosts=(
            HostRef(name=ALICE, address=Address("192.168.1.20:7700")),
            HostRef(name=BOB),
        ),
        topology=TopologyChoice.STAR,
        rate_hz=Hertz(44100),
        period_frames=Frames(128),
        links=LinkSettings(channels=1, queue_packets=8, redundancy=2, bit_depth=24),
        clock=ClockSettings(warn=Seconds(0.002), fail=Seconds(0.0205), required=True),
        broadcast=BroadcastSettings(
            prefer=(BOB,),
            never=frozenset({ALICE}),
            standby=StandbyMode.WARM,
            network=NetworkProfile.WIFI,
        ),
        icecast=IcecastServer(
            host="radio.local",
            port=8443,
            tls=True,
            source_user="dj",
            admin_user="root",
        ),
        mounts=(
            MountSpec(
                path=MountPath("/mix.ogg"),
                codec=Codec.VORBIS,
                bitrate_kbps=Kbps(96),
                gains_db={BOB: Decibels(-6.0)},
                name="Friday jam",
                description="all of [us]",
                genre="jam",
                public=True,
            ),
            MountSpec(
                path=MountPath("/bob.flac"),
                codec=Codec.FLAC,
                bitrate_kbps=None,
                sources=(BOB,),
                source_user="bob",
            ),
        ),
    )


def test_two_keys_are_enough() -> None:
    file = parse_spec(HEAD)
    hosts = (HostRef(name=ALICE), HostRef(name=BOB))
    assert file.spec == SessionSpec(name=SessionName("jam"), hosts=hosts)
    assert file.based_on is None
    assert file.password_files == PasswordFiles()


def test_an_admin_password_alone_is_the_admins() -> None:
    text = HEAD + '[icecast]\nhost = "::1"\nadmin_password_file = "a"\n'
    assert parse_spec(text).spec.icecast == IcecastServer(
        host="::1", admin_user="admin"
    )


@pytest.mark.parametrize(
    ("path", "form", "codec", "bitrate_kbps"),
    [
        ("/a.ogg", None, Codec.VORBIS, 128),
        ("/a.ogg", "vorbis", Codec.VORBIS, 128),
        ("/a.ogg", "ogg", Codec.VORBIS, 128),
        ("/a.ogg", "opus", Codec.OPUS, 96),
        ("/a.ogg", "flac", Codec.FLAC, None),
        ("/a.opus", None, Codec.OPUS, 96),
        ("/a.flac", None, Codec.FLAC, None),
        ("/a.mp3", "mp3", Codec.MP3, 128),
    ],
)
def test_the_ending_gives_the_format(
    path: str, form: str | None, codec: Codec, bitrate_kbps: int | None
) -> None:
    text = f'{HEAD}[[mount]]\npath = "{path}"\n'
    text += f'format = "{form}"\n' if form else ""
    (mount,) = parse_spec(text).spec.mounts
    assert (mount.codec, mount.bitrate_kbps) == (codec, bitrate_kbps)


def test_silence_is_a_gain() -> None:
    text = f'{HEAD}[[mount]]\npath = "/a.ogg"\ngains_db = {{ bob = -inf }}\n'
    (mount,) = parse_spec(text).spec.mounts
    assert mount.gains_db == {BOB: float("-inf")}


BAD_ROOT = [
    ('name = "Jam"\nhosts = ["a"]', 1, "name", '"jam"'),
    ('name = "-jam"\nhosts = ["a"]', 1, "name", '"jam"'),
    ('name = "jam\\n"\nhosts = ["a"]', 1, "name", '"jam"'),
    ('hosts = ["a"]', 1, "name", ""),
    ('name = "a"', 1, "hosts", ""),
    ('name = "a"\nhosts = []', 2, "hosts", ""),
    ('name = "a"\nhosts = "alice"', 2, "hosts", '["alice"]'),
    ('name = "a"\nhosts = [1]', 2, "hosts", ""),
    ('name = "a"\nhosts = [\n"b",\n"b"]', 4, "hosts", ""),
    ('name = "a"\nhosts = ["b", "b@h:1"]', 2, "hosts", ""),
    ('name = "a"\nhosts = ["b@h:1", "c@h:1"]', 2, "hosts", ""),
    ('name = "a"\nhosts = ["Böb"]', 2, "hosts", '"b-b"'),
    ('name = "a"\nhosts = ["b c"]', 2, "hosts", '"b-c"'),
    ('name = "a"\nhosts = ["*"]', 2, "hosts", ""),
    ('name = "a"\nhosts = ["b@1.2.3.4"]', 2, "hosts", '"1.2.3.4:7700"'),
    ('name = "a"\nhosts = ["b@"]', 2, "hosts", ""),
    ('name = "a"\nhosts = ["b@h:0"]', 2, "hosts", ""),
    ('name = "a"\nhosts = ["b@h:65536"]', 2, "hosts", ""),
    ('name = "a"\nhosts = ["b@::1:7700"]', 2, "hosts", ""),
    ('name = "a"\nhosts = ["b@1.2.3:7700"]', 2, "hosts", ""),
    ('name = "a"\nhosts = ["b@-h:7700"]', 2, "hosts", ""),
    (HEAD + 'toplogy = "star"', 3, "toplogy", "topology"),
    (HEAD + 'topology = "ring"', 3, "topology", ""),
    (HEAD + 'topology = "Star"', 3, "topology", '"star"'),
    (HEAD + "topology = 4", 3, "topology", ""),
    (HEAD + "rate_hz = 44000", 3, "rate_hz", "44100"),
    (HEAD + 'rate_hz = "48000"', 3, "rate_hz", "48000"),
    (HEAD + "rate_hz = 48000.0", 3, "rate_hz", "48000"),
    (HEAD + "rate_hz = nan", 3, "rate_hz", ""),
    (HEAD + "period_frames = 100", 3, "period_frames", "96"),
    (HEAD + "period_frames = -1", 3, "period_frames", "0"),
    (HEAD + 'based_on = "3"', 3, "based_on", ""),
    (HEAD + "based_on = 3.2", 3, "based_on", '"3.2"'),
    (HEAD + "links = 3", 3, "links", "[links]"),
    (HEAD + "[[links]]\nchannels = 2", 3, "links", "[links]"),
    (HEAD + "[mount]", 3, "mount", "[[mount]]"),
    (HEAD + "mount = [1]", 3, "mount", "[[mount]]"),
    (HEAD + "[[mounts]]", 3, "mounts", "mount"),
    (HEAD + '"a b\\n" = 1', 3, '"a b\\n"', ""),
    (HEAD + "[links]\nchannels = 3", 4, "links.channels", "2"),
    (HEAD + "[links]\nchannels = true", 4, "links.channels", ""),
    (HEAD + "[links]\nqueue_packets = 1", 4, "links.queue_packets", "2"),
    (HEAD + "[links]\nqueue_packets = 129", 4, "links.queue_packets", "128"),
    (HEAD + '[links]\nqueue_packets = "auto"', 4, "links.queue_packets", ""),
    (HEAD + "[links]\nredundancy = 0", 4, "links.redundancy", "1"),
    (HEAD + "[links]\nbit_depth = 20", 4, "links.bit_depth", "16"),
    (HEAD + "[clock]\nwarn_ms = 0", 4, "clock.warn_ms", ""),
    (HEAD + "[clock]\nwarn_ms = nan", 4, "clock.warn_ms", ""),
    (HEAD + '[clock]\nwarn_ms = "5"', 4, "clock.warn_ms", ""),
    (HEAD + "[clock]\nfail_ms = true", 4, "clock.fail_ms", ""),
    (HEAD + "[clock]\nwarn_ms = 9\nfail_ms = 8", 5, "clock.fail_ms", ""),
    (HEAD + '[clock]\nrequired = "True"', 4, "clock.required", "true"),
    (HEAD + '[broadcast]\nprefer = ["bbo"]', 4, "broadcast.prefer", '"bob"'),
    (HEAD + '[broadcast]\nnever = ["eve"]', 4, "broadcast.never", ""),
    (HEAD + '[broadcast]\nnever = ["bob", "alice"]', 4, "broadcast.never", ""),
    (
        HEAD + '[broadcast]\nprefer = ["bob"]\nnever = ["bob"]',
        5,
        "broadcast.never",
        "",
    ),
    (HEAD + '[broadcast]\nstandby = "hott"', 4, "broadcast.standby", '"hot"'),
    (HEAD + '[broadcast]\nnetwork = "wi-fi"', 4, "broadcast.network", '"wifi"'),
]


@pytest.mark.parametrize(("text", "line", "where", "suggestion"), BAD_ROOT)
def test_a_mistake_has_its_line_its_key_and_a_guess(
    text: str, line: int, where: str, suggestion: str
) -> None:
    mistake = only_mistake(text)
    assert (mistake.line, mistake.where, mistake.suggestion) == (
        line,
        where,
        suggestion,
    )


BAD_ICECAST = [
    ("", "icecast.host", ""),
    ('host = ""', "icecast.host", ""),
    ('host = "a b"', "icecast.host", ""),
    ('host = "radio.local:8000"', "icecast.host", '"radio.local"'),
    ('host = "https://radio.local/x"', "icecast.host", '"radio.local"'),
    ('host = "-radio"', "icecast.host", ""),
    ('host = "1.2.3.400"', "icecast.host", ""),
    ('host = "h"\nport = 0', "icecast.port", ""),
    ('host = "h"\ntls = 1', "icecast.tls", "true"),
    ('host = "h"\nsource_user = "a:b"', "icecast.source_user", ""),
    ('host = "h"\nsource_user = "a\\nb"', "icecast.source_user", ""),
    ('host = "h"\nsource_password = "x"', "icecast.source_password", None),
    (
        'host = "h"\nsource_password_file = ""',
        "icecast.source_password_file",
        "",
    ),
    (
        'host = "h"\nsource_password_file = "a\\u0000"',
        "icecast.source_password_file",
        "",
    ),
]


@pytest.mark.parametrize(("keys", "where", "suggestion"), BAD_ICECAST)
def test_a_mistake_about_icecast(keys: str, where: str, suggestion: str | None) -> None:
    mistake = only_mistake(f"{HEAD}[icecast]\n{keys}\n")
    assert mistake.where == where
    assert suggestion is None or mistake.suggestion == suggestion


BAD_MOUNT = [
    ("", "path", ""),
    ('path = "mix.ogg"', "path", '"/mix.ogg"'),
    ('path = "/mix"', "path", '"/mix.ogg"'),
    ('path = "/mix.og"', "path", '"/mix.ogg"'),
    ('path = "/my mix.mp3"', "path", '"/my-mix.mp3"'),
    ('path = "/mix.ogg\\n"', "path", '"/mix.ogg"'),
    ('path = "/a/b.ogg"', "path", '"/a-b.ogg"'),
    ("path = '/a\"b.ogg'", "path", '"/a-b.ogg"'),
    ('path = "/a#@^%b.ogg"', "path", '"/a-b.ogg"'),
    ('path = "/a-standby.ogg"', "path", '"/a.ogg"'),
    ('path = "/-standby.ogg"', "path", ""),
    ('path = "/a-filler.ogg"', "path", '"/a.ogg"'),
    ('path = "/a.mp3"\nformat = "opus"', "format", '"mp3"'),
    ('path = "/a.ogg"\nformat = "mp3"', "format", '"vorbis"'),
    ('path = "/a.ogg"\nformat = "vorbs"', "format", '"vorbis"'),
    ('path = "/a.flac"\nbitrate_kbps = 800', "bitrate_kbps", ""),
    ('path = "/a.ogg"\nbitrate_kbps = 32', "bitrate_kbps", "48"),
    ('path = "/a.opus"\nbitrate_kbps = 512', "bitrate_kbps", "510"),
    ('path = "/a.mp3"\nbitrate_kbps = 100', "bitrate_kbps", "96"),
    ('path = "/a.ogg"\nsources = []', "sources", '["*"]'),
    ('path = "/a.ogg"\nsources = "bob"', "sources", '["bob"]'),
    ('path = "/a.ogg"\nsources = ["alcie"]', "sources", '"alice"'),
    ('path = "/a.ogg"\nsources = ["*", "bob"]', "sources", ""),
    ('path = "/a.ogg"\nsources = ["bob", "bob"]', "sources", ""),
    ('path = "/a.ogg"\ngains_db = { bobb = 1 }', "gains_db.bobb", "bob"),
    ('path = "/a.ogg"\ngains_db = { bob = 25 }', "gains_db.bob", ""),
    ('path = "/a.ogg"\ngains_db = { bob = inf }', "gains_db.bob", ""),
    ('path = "/a.ogg"\ngains_db = { bob = "loud" }', "gains_db.bob", ""),
    (
        'path = "/a.ogg"\nsources = ["bob"]\ngains_db = { alice = 1 }',
        "gains_db.alice",
        "",
    ),
    ('path = "/a.ogg"\ngains_db = -6', "gains_db", "[gains_db]"),
    ('path = "/a.ogg"\nname = "a\\nb"', "name", '"a b"'),
    ('path = "/a.ogg"\nname = "a\\u0085"', "name", '"a"'),
    ('path = "/a.ogg"\ngenre = 1', "genre", '"1"'),
    ('path = "/a.ogg"\npublic = "no"', "public", ""),
    (
        'path = "/a.ogg"\ndescription = "[session=x term=9 host=a role=leader]"',
        "description",
        "",
    ),
]


@pytest.mark.parametrize(("keys", "key", "suggestion"), BAD_MOUNT)
def test_a_mistake_about_a_mount(keys: str, key: str, suggestion: str) -> None:
    mistake = only_mistake(f"{HEAD}[[mount]]\n{keys}\n")
    assert (mistake.where, mistake.suggestion) == (f"[[mount]] 1 {key}", suggestion)


def test_two_mounts_with_one_path() -> None:
    mount = '[[mount]]\npath = "/a.ogg"\n'
    mistake = only_mistake(HEAD + mount + mount)
    assert (mistake.line, mistake.where) == (6, "[[mount]] 2 path")


def test_more_mounts_than_icecast_takes() -> None:
    mounts = "".join(f'[[mount]]\npath = "/m{n}.ogg"\n' for n in range(33))
    mistake = only_mistake(HEAD + mounts)
    assert (mistake.line, mistake.where) == (3 + 64, "[[mount]] 33")


def test_more_hosts_than_jack_takes_clients() -> None:
    hosts = ", ".join(f'"h{n}"' for n in range(201))
    assert only_mistake(f'name = "a"\nhosts = [{hosts}]').where == "hosts"


def test_all_mistakes_come_at_once_in_the_order_of_lines() -> None:
    text = """\
name = "Jam"
hosts = ["alice"]
[[mount]]
path = "/a.ogg"
sources = ["bob"]
[links]
channels = 3
"""
    with pytest.raises(BadFile) as caught:
        parse_spec(text)
    refusal = caught.value
    assert refusal.exit_code == 2
    assert refusal.sentence == "The session file has 3 mistakes."
    name, sources, channels = refusal.hint.splitlines()
    assert name.startswith('line 1: name: "Jam" must be a session name')
    assert name.endswith('(did you mean "jam"?)')
    assert sources.startswith('line 5: [[mount]] 1 sources: "bob" is not one of')
    assert channels == "line 7: links.channels: 3 must be 1 or 2 (did you mean 2?)"


def test_a_host_name_that_is_wrong_is_named_once() -> None:
    text = 'name = "a"\nhosts = ["Bob"]\n[[mount]]\npath = "/a.ogg"\nsources = ["Bob"]'
    assert only_mistake(text).where == "hosts"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("name = \n", 1),
        ("name = 'a'\nname = 'b'\n", 2),
        ("name = 'a'\n\nhosts = ['a'\n", 3),
        ("[links]\n[links]\n", 2),
        ("a = 1979-99-99", 1),
        ("a = " + "1" * 5000, 1),
        ("a = " + "[" * 5000, 1),
        ("a = " + "[" * 5000 + "]" * 5000, 1),
        ("a" * 300_000, 1),
        ("\x00", 1),
    ],
)
def test_bad_syntax_has_its_line(text: str, line: int) -> None:
    mistake = only_mistake(text)
    assert (mistake.line, mistake.where) == (line, "")


def test_a_long_wrong_value_is_cut() -> None:
    mistake = only_mistake(f'name = "{"X y" * 500}"\nhosts = ["a"]')
    assert len(mistake.reason) < 160


def test_specs_differ_when_files_do() -> None:
    spec = parse_spec(HEAD).spec
    assert parse_spec(HEAD.replace("jam", "jim")).spec == replace(
        spec, name=SessionName("jim")
    )


def test_a_key_without_a_name_is_named_too() -> None:
    mistake = only_mistake(f"'' = 1\n{HEAD}")
    assert (mistake.line, mistake.where) == (1, '""')
    assert mistake.reason == "there is no such key here"
