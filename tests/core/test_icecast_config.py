import xml.etree.ElementTree as ET
from dataclasses import replace
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessiond.core.icecast_config import (
    FLAC_BURST_BYTES,
    LISTENERS,
    MOST_LISTENERS,
    StationSettings,
    burst_bytes,
    icecast_xml,
    listeners_within,
    source_limit,
)
from sessiond.core.spec import (
    Codec,
    HostRef,
    IcecastServer,
    MountSpec,
    SessionSpec,
)
from sessiond.core.stamped import Secrets
from sessiond.errors import Refused
from sessiond.units import HostName, Kbps, MountPath, SessionName

MIX = MountSpec(path=MountPath("/mix.ogg"), codec=Codec.VORBIS, bitrate_kbps=Kbps(128))
FLAC = MountSpec(
    path=MountPath("/dj.flac"), codec=Codec.FLAC, bitrate_kbps=None, source_user="d j"
)
SPEC = SessionSpec(
    name=SessionName("friday-jam"),
    hosts=tuple(HostRef(name=HostName(name)) for name in ("alice", "bob", "carol")),
    icecast=IcecastServer(host="radio", source_user="jam", admin_user="chief"),
    mounts=(MIX, FLAC),
)
SETTINGS = StationSettings(hostname="radio.local", port=8010)


def render(
    spec: SessionSpec = SPEC,
    secrets: Secrets = Secrets(source="hack", admin="boss"),  # noqa: B008
    settings: StationSettings = SETTINGS,
) -> ET.Element:
    return ET.fromstring(icecast_xml(spec, secrets, settings).encode())  # noqa: S314


def mount(root: ET.Element, path: str) -> dict[str, str | None]:
    (found,) = (m for m in root.iter("mount") if m.findtext("mount-name") == path)
    return {child.tag: child.text for child in found}


def test_a_mount_falls_back_to_its_standby_mount_and_calls_nobody_back() -> None:
    assert mount(render(), "/mix.ogg") == {
        "mount-name": "/mix.ogg",
        "username": "jam",
        "password": "hack",
        "burst-size": "80000",
        "queue-size": "320000",
        "source-timeout": "10",
        "charset": "UTF-8",
        "max-listeners": "800",
        "fallback-mount": "/mix-standby.ogg",
        "fallback-override": "0",
    }


def test_a_standby_mount_is_hidden_and_takes_nobody_from_its_primary() -> None:
    standby = mount(render(), "/mix-standby.ogg")
    assert standby["fallback-mount"] == "/mix.ogg"
    assert standby["fallback-override"] == "0"
    assert standby["hidden"] == "1"
    assert standby["public"] == "0"


def test_a_standby_mount_drops_nobody_for_want_of_room() -> None:
    assert "max-listeners" not in mount(render(), "/mix-standby.ogg")


def test_each_mount_falls_back_to_a_mount_of_its_own() -> None:
    root = render()
    falls = {
        m.findtext("mount-name"): m.findtext("fallback-mount")
        for m in root.iter("mount")
    }
    assert falls == {
        "/mix.ogg": "/mix-standby.ogg",
        "/mix-standby.ogg": "/mix.ogg",
        "/dj.flac": "/dj-standby.flac",
        "/dj-standby.flac": "/dj.flac",
    }


def test_a_filler_is_the_last_to_fall_back_to_and_the_ring_is_closed() -> None:
    root = render(settings=replace(SETTINGS, filler=True))
    falls = {
        m.findtext("mount-name"): m.findtext("fallback-mount")
        for m in root.iter("mount")
    }
    assert falls == {
        "/mix.ogg": "/mix-standby.ogg",
        "/mix-standby.ogg": "/mix-filler.ogg",
        "/mix-filler.ogg": "/mix.ogg",
        "/dj.flac": "/dj-standby.flac",
        "/dj-standby.flac": "/dj-filler.flac",
        "/dj-filler.flac": "/dj.flac",
    }
    assert root.findtext("limits/sources") == str(3 * 2 + 2)
    assert {m.findtext("fallback-override") for m in root.iter("mount")} == {"0"}


def test_a_fillers_mount_is_hidden_and_has_its_mounts_user_and_password() -> None:
    secrets = Secrets(source="hack", mounts=MappingProxyType({FLAC.path: "own"}))
    root = render(secrets=secrets, settings=replace(SETTINGS, filler=True))
    filler = mount(root, "/dj-filler.flac")
    assert filler["hidden"] == "1"
    assert filler["public"] == "0"
    assert (filler["username"], filler["password"]) == ("d j", "own")
    assert "max-listeners" not in filler


def test_a_standby_mount_sends_what_its_primary_sends() -> None:
    root = render()
    for spec in (MIX, FLAC):
        primary, standby = mount(root, spec.path), mount(root, spec.standby_path)
        for setting in ("burst-size", "queue-size", "source-timeout", "charset"):
            assert primary[setting] == standby[setting]


def test_limits_count_every_standby_mount_and_every_host() -> None:
    root = render()
    assert source_limit(SPEC) == 6
    assert root.findtext("limits/sources") == "6"
    assert root.findtext("limits/clients") == str(800 + 6 + 3 * 4)
    assert root.findtext("limits/source-timeout") == "10"


def test_a_mount_has_its_own_user_and_password_where_the_file_has_them() -> None:
    secrets = Secrets(source="hack", mounts=MappingProxyType({FLAC.path: "own"}))
    root = render(secrets=secrets)
    for path in ("/dj.flac", "/dj-standby.flac"):
        assert mount(root, path)["username"] == "d j"
        assert mount(root, path)["password"] == "own"
    assert mount(root, "/mix.ogg")["password"] == "hack"


def test_without_a_password_there_is_no_element_to_leave_empty() -> None:
    text = icecast_xml(SPEC, Secrets(), SETTINGS)
    assert "password" not in text
    full = render(secrets=Secrets(source="a", admin="b", relay="c"))
    assert full.findtext("authentication/source-password") == "a"
    assert full.findtext("authentication/relay-password") == "c"
    assert full.findtext("authentication/admin-user") == "chief"


def test_an_embedded_station_has_the_usual_users() -> None:
    spec = SessionSpec(name=SPEC.name, hosts=SPEC.hosts, mounts=SPEC.mounts)
    root = render(spec)
    assert root.findtext("authentication/admin-user") == "admin"
    assert mount(root, "/mix.ogg")["username"] == "source"


def test_it_becomes_another_user_when_started_as_root() -> None:
    root = render()
    assert root.findtext("security/changeowner/user") == "icecast2"
    assert root.findtext("security/changeowner/group") == "icecast"


def test_logs_go_to_a_folder_or_to_standard_error() -> None:
    assert render().findtext("logging/errorlog") == "-"
    assert render().find("paths/logdir") is None
    to_file = render(settings=StationSettings(hostname="x", log_folder="/var/log/x"))
    assert to_file.findtext("logging/accesslog") == "access.log"
    assert to_file.findtext("paths/logdir") == "/var/log/x"


def test_it_listens_where_it_is_told_with_tls_if_there_is_a_certificate() -> None:
    plain = render().find("listen-socket")
    assert plain is not None
    assert [child.tag for child in plain] == ["port"]
    settings = StationSettings(
        hostname="x", bind_address="10.0.0.1", tls_certificate="/etc/x.pem"
    )
    root = render(settings=settings)
    assert root.findtext("listen-socket/bind-address") == "10.0.0.1"
    assert root.findtext("listen-socket/ssl") == "1"
    assert root.findtext("paths/ssl-certificate") == "/etc/x.pem"


def test_as_many_may_listen_as_there_are_open_files_for() -> None:
    assert listeners_within(1024) == LISTENERS == 800
    assert listeners_within(8192) == MOST_LISTENERS
    assert listeners_within(64) == 1


@pytest.mark.parametrize(
    ("codec", "kbps", "size"),
    [
        (Codec.VORBIS, 128, 80_000),
        (Codec.OPUS, 96, 60_000),
        (Codec.OPUS, 6, 16 * 1024),
        (Codec.FLAC, None, FLAC_BURST_BYTES),
    ],
)
def test_a_burst_is_five_seconds_of_sound(
    codec: Codec, kbps: int | None, size: int
) -> None:
    assert burst_bytes(codec, None if kbps is None else Kbps(kbps)) == size


XML_TEXT = st.text(
    st.characters(
        blacklist_categories=("Cs", "Cc"), blacklist_characters="\ufffe\uffff"
    )
    | st.sampled_from("\t\r\n\"<>&'"),
    min_size=1,
)


@given(password=XML_TEXT)
def test_every_password_reads_back_exactly(password: str) -> None:
    root = render(secrets=Secrets(source=password))
    assert root.findtext("authentication/source-password") == password
    assert mount(root, "/mix.ogg")["password"] == password


@pytest.mark.parametrize("password", ["a\0b", "\x1b", "\ufffe", "\ud800"])
def test_what_xml_cannot_carry_is_refused_without_showing_it(password: str) -> None:
    with pytest.raises(Refused, match="can't hold the character 0x") as refusal:
        icecast_xml(SPEC, Secrets(source="hidden" + password), SETTINGS)
    assert "hidden" not in refusal.value.sentence


def test_the_listener_page_is_what_people_see_first() -> None:
    root = render(
        settings=StationSettings(hostname="radio", web_folder="/srv/page", page=True)
    )
    assert root.findtext("paths/webroot") == "/srv/page"
    alias = root.find("paths/alias")
    assert alias is not None
    assert alias.attrib == {"source": "/", "destination": "/index.html"}
    assert root.findtext("mime-types") == "/srv/page/page/mime.types"


def test_without_the_page_there_is_icecasts_own() -> None:
    root = render()
    alias = root.find("paths/alias")
    assert alias is not None
    assert alias.attrib["destination"] == "/status.xsl"
    assert root.find("mime-types") is None
