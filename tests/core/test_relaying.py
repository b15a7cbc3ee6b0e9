import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from sessiond.core.icecast_config import StationSettings
from sessiond.core.relaying import Origin, parse_origin
from sessiond.core.stamped import Secrets
from sessiond.errors import Refused
from tests.core.test_icecast_config import FLAC, MIX, mount, render

ORIGIN = Origin(host="radio.local", port=8000)


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("http://radio.local:8000", "radio.local", 8000),
        ("HTTP://192.0.2.7:8010/", "192.0.2.7", 8010),
        ("http://[2001:db8::7]:8000", "2001:db8::7", 8000),
        ("http://radio.local", "radio.local", 80),
        ("http://[2001:db8::7]/", "2001:db8::7", 80),
    ],
)
def test_an_address_names_host_and_port(url: str, host: str, port: int) -> None:
    assert parse_origin(url) == Origin(host=host, port=port)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "radio.local:8000",
        "http://",
        "http://radio.local:8000/mix.ogg",
        "http://radio.local:port",
        "http://2001:db8::7",
        "http://user:password@radio.local:8000",
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(Refused, match="no address"):
        parse_origin(url)


def test_tls_is_refused_for_what_it_is() -> None:
    with pytest.raises(Refused, match="over TLS"):
        parse_origin("https://radio.local")


def relay() -> ET.Element:
    settings = StationSettings(hostname="relay.local", listeners=900, relay_of=ORIGIN)
    return render(secrets=Secrets(), settings=settings)


def test_every_mount_is_relayed_under_its_name_once_somebody_listens() -> None:
    relays = [
        {child.tag: child.text for child in each} for each in relay().iter("relay")
    ]
    assert relays == [
        {
            "server": "radio.local",
            "port": "8000",
            "mount": spec.path,
            "local-mount": spec.path,
            "relay-shoutcast-metadata": "1",
            "on-demand": "1",
        }
        for spec in (MIX, FLAC)
    ]


def test_a_relays_mounts_are_sized_like_the_origins_and_have_no_hidden_ones() -> None:
    root = relay()
    assert len(root.findall("mount")) == 2
    for spec in (MIX, FLAC):
        here, there = mount(root, spec.path), mount(render(), spec.path)
        for key in ("fallback-mount", "fallback-override", "password"):
            there.pop(key, None)
        assert here == there | {"max-listeners": "900"}
    assert not list(root.iter("relay-password"))


def test_a_mount_that_was_not_there_is_asked_for_again_soon() -> None:
    assert relay().findtext("master-update-interval") == "2"
    assert render().find("master-update-interval") is None


def test_who_may_listen_is_not_changed_by_relaying() -> None:
    settings = StationSettings(hostname="x", listeners=900)
    limit = "limits/clients"
    own = render(settings=settings).findtext(limit)
    assert render(settings=replace(settings, relay_of=ORIGIN)).findtext(limit) == own
