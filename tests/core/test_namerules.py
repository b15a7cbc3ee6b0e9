import pytest

from sessiond.core import namerules as rules


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "radio.local",
        "a_b.c-d.",
        "10.0.0.1",
        "::1",
        "fe80::1%eth0",
        "1a.b",
        "x" * 63,
    ],
)
def test_internet_hosts(text: str) -> None:
    assert rules.is_internet_host(text)


@pytest.mark.parametrize(
    "text",
    [
        "", ".", "-a", "a-", "a..b", "a b", "a\n", "a/b", "a@b", "1.2.3", "1.2.3.256",
        "::1%\n", "::1%a b", "[::1]", "::g", "ä", "x" * 64, "a." * 127, "a:1",
    ],
)  # fmt: skip
def test_no_internet_hosts(text: str) -> None:
    assert not rules.is_internet_host(text)


def test_a_free_text_is_seen_as_it_is() -> None:
    assert rules.FREE_TEXT.accepts("Zoë & 夜 🎸")
    for text in ("alice\u200b", "\u202eecila", "alice\u00ad", "al\x9bice", "x" * 257):
        assert not rules.FREE_TEXT.accepts(text)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a:1", ("a", 1)),
        ("[::1]:65535", ("::1", 65535)),
        ("10.0.0.1:7700", ("10.0.0.1", 7700)),
        ("::1:7700", None),
        ("[a]:1", None),
        ("[::1]", None),
        ("a", None),
        ("a:", None),
        (":1", None),
        ("a:0", None),
        ("a:01", None),
        ("a:65536", None),
        ("a:٣", None),
        ("a:1\n", None),
    ],
)
def test_addresses(text: str, parts: tuple[str, int] | None) -> None:
    assert rules.split_address(text) == parts


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("alice", "alice"),
        ("Alice_Laptop.home.arpa", "alice-laptop"),
        ("-x-", "x"),
        ("...", ""),
        ("ä" * 5, ""),
        ("a" * 31 + "-b", "a" * 31),
    ],
)
def test_a_computers_name_becomes_a_host_name(text: str, name: str) -> None:
    assert rules.host_name_from(text) == name
    assert not name or rules.HOST_NAME.accepts(name)
