import base64
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessiond.core.joining import (
    JoinLink,
    Token,
    invitation,
    join_address,
    join_mark,
    parse_link,
    read_token_id,
    token_secret,
)
from sessiond.core.roles import Role
from sessiond.errors import Refused, Unavailable
from sessiond.units import Address, HostId, SessionName, TokenId

JAM = SessionName("friday-jam")
JOIN = base64.urlsafe_b64encode(bytes(range(224, 256))).decode().rstrip("=")
OTHER = base64.urlsafe_b64encode(bytes(32)).decode()
RANDOM = bytes.fromhex("0123456789abcdef")
GIVEN = (Role.HOST, Role.OPERATOR, Role.VIEWER)
TOKEN = invitation(JAM, Role.HOST, 0x69220000, RANDOM, JOIN)
ONE = ((Address("192.168.1.20:7701"), HostId("a" * 32)),)
THREE = (
    *ONE,
    (Address("[fd00::2]:7701"), HostId("b" * 32)),
    (Address("bob.local:1"), HostId("0123456789abcdef" * 2)),
)
TEXT = f"jam://192.168.1.20:7701/friday-jam?key={'a' * 32}&t={TOKEN}"


def link(places: tuple[tuple[Address, HostId], ...] = ONE) -> JoinLink:
    return JoinLink(session=JAM, places=places, token=TOKEN)


# ── links ───────────────────────────────────────────────────────────────────────────


def test_a_link_is_written_as_people_are_told() -> None:
    assert str(link()) == TEXT
    assert str(link(THREE)) == (
        "jam://192.168.1.20:7701,[fd00::2]:7701,bob.local:1/friday-jam"
        f"?key={'a' * 32},{'b' * 32},{'0123456789abcdef' * 2}&t={TOKEN}"
    )


@pytest.mark.parametrize("places", [ONE, THREE])
def test_a_link_reads_back_as_it_was_written(
    places: tuple[tuple[Address, HostId], ...],
) -> None:
    assert parse_link(f"  {link(places)}\n") == link(places)


def test_the_parts_of_a_query_may_change_places() -> None:
    assert parse_link(f"jam://h:1/jam?t={TOKEN}&key={'a' * 32}").token == TOKEN


def test_a_repr_shows_no_secret() -> None:
    assert TOKEN.secret not in repr(link(THREE))
    assert TOKEN.id in repr(link(THREE))


@pytest.mark.parametrize(
    ("text", "says", "hint"),
    [
        ("", "begin with jam://", "whole link"),
        (TEXT.removeprefix("jam:"), "begin with jam://", "whole link"),
        ("https://h:1/jam?key=a&t=b", "begin with jam://", "whole link"),
        (TEXT + "a" * 1024, "too long", "whole link"),
        ("jam://", "no session", "whole link"),
        ("jam://h:1", "no session", "whole link"),
        (TEXT.replace("friday-jam", "Friday Jam"), "no session", "whole link"),
        (TEXT.partition("?")[0], "no key", "whole link"),
        (TEXT.replace("key=", "keys="), "no key", "whole link"),
        (TEXT.partition("&")[0], "ends before its token", "single quotes"),
        (f"{TEXT}&x=1", "does not know", "up to date"),
        (f"{TEXT}&t={TOKEN}", "does not know", "up to date"),
        (TEXT.replace(":7701", ":7701,h:1"), "one key for each", "whole link"),
        (TEXT.replace(":7701", ":1,h:2,h:3,h:4"), "more than 3", "whole link"),
        (TEXT.replace(":7701", ""), "not HOST:PORT", "whole link"),
        (TEXT.replace(":7701", ":0"), "not HOST:PORT", "whole link"),
        (TEXT.replace("192", "evil@192"), "not HOST:PORT", "whole link"),
        (TEXT.replace("a" * 32, "a" * 31), "a key that", "whole link"),
        (TEXT.replace("a" * 32, "A" * 32), "a key that", "whole link"),
        (TEXT.replace("&t=h", "&t=l"), "token is none", "sessiond invite"),
        (TEXT.partition("&t=")[0] + "&t=", "token is none", "sessiond invite"),
        (TEXT[:-1], "secret, is not whole", "sessiond invite"),
        (TEXT + "=", "secret, is not whole", "sessiond invite"),
    ],
)
def test_each_way_to_be_no_link_is_named_and_nothing_secret_is(
    text: str, says: str, hint: str
) -> None:
    with pytest.raises(Refused) as refused:
        parse_link(text)
    assert says in refused.value.sentence
    assert hint in refused.value.hint
    assert TOKEN.secret[:8] not in refused.value.sentence + refused.value.hint


@given(st.text(max_size=80), st.integers(0, len(TEXT)), st.integers(0, 40))
def test_no_text_does_more_than_be_refused(put: str, at: int, cut: int) -> None:
    with suppress(Refused):
        parse_link(TEXT[:at] + put + TEXT[at + cut :])


# ── tokens ──────────────────────────────────────────────────────────────────────────


@given(
    st.sampled_from(GIVEN), st.integers(0, 2**32 - 1), st.binary(min_size=8, max_size=8)
)
def test_a_token_says_what_it_admits_to_and_until_when(
    role: Role, expires_at: int, random: bytes
) -> None:
    token = invitation(JAM, role, expires_at, random, JOIN)
    assert read_token_id(token.id) == (role, expires_at)
    assert Token.parse(str(token)) == token
    assert token.key == token_secret(JAM, token.id, JOIN)
    assert len(token.key) == 16


def test_a_tokens_id_is_small_letters_and_digits() -> None:
    assert TOKEN.id == "h692200000123456789abcdef"
    assert set(TOKEN.id) <= set("0123456789abcdefghijklmnopqrstuvwxyz")


def test_a_secret_follows_from_session_id_and_join_secret() -> None:
    viewers = TokenId("v" + TOKEN.id[1:])
    later = TokenId(TOKEN.id.replace("6922", "6923"))
    secrets = {
        TOKEN.key,
        token_secret(SessionName("another"), TOKEN.id, JOIN),
        token_secret(JAM, viewers, JOIN),
        token_secret(JAM, later, JOIN),
        token_secret(JAM, TOKEN.id, OTHER),
    }
    assert len(secrets) == 5
    assert token_secret(JAM, TOKEN.id, JOIN + "=") == TOKEN.key


@pytest.mark.parametrize(
    "join", ["", "short", OTHER[:-2], OTHER + "AAAA", "ü" * 43, "!" * 43]
)
def test_nobody_invites_or_checks_without_the_join_secret(join: str) -> None:
    with pytest.raises(Unavailable):
        token_secret(JAM, TOKEN.id, join)
    with pytest.raises(Unavailable) as unavailable:
        invitation(JAM, Role.VIEWER, 1, RANDOM, join)
    assert not join or join not in str(unavailable.value)


def test_a_mark_tells_join_secrets_apart_and_nothing_of_them() -> None:
    mark = join_mark(JOIN)
    assert mark == join_mark(JOIN + "=") != join_mark(OTHER)
    assert mark is not None
    assert set(mark) <= set("0123456789abcdef")
    assert len(mark) == 64
    assert TOKEN.key.hex() not in mark


@pytest.mark.parametrize("text", ["", "short", OTHER[:-2], OTHER + "AAAA", "ü" * 43])
def test_what_is_no_join_secret_has_no_mark(text: str) -> None:
    assert join_mark(text) is None


@pytest.mark.parametrize(
    ("role", "expires_at", "random"),
    [
        (Role.LOCAL, 1, RANDOM),
        (Role.HOST, 1, RANDOM[1:]),
        (Role.HOST, -1, RANDOM),
        (Role.HOST, 2**32, RANDOM),
    ],
)
def test_no_other_token_can_be_made(role: Role, expires_at: int, random: bytes) -> None:
    with pytest.raises(ValueError, match="token"):
        invitation(JAM, role, expires_at, random, JOIN)


@pytest.mark.parametrize(
    "text",
    ["", "h", TOKEN.id + "0", TOKEN.id[:-1], "x" + TOKEN.id[1:], TOKEN.id.upper()],
)
def test_no_other_id_is_read(text: str) -> None:
    with pytest.raises(Refused):
        read_token_id(text)


@pytest.mark.parametrize(
    ("members", "strangers"),
    [
        ("10.0.0.1:7700", "10.0.0.1:7701"),
        ("alice.local:65534", "alice.local:65535"),
        ("[fe80::1]:7700", "[fe80::1]:7701"),
    ],
)
def test_strangers_are_answered_one_port_above(members: str, strangers: str) -> None:
    assert join_address(Address(members)) == strangers


@pytest.mark.parametrize("address", ["10.0.0.1:65535", "10.0.0.1:0", "alice", ""])
def test_beside_the_last_port_and_any_port_there_is_none(address: str) -> None:
    with pytest.raises(Refused, match="Nothing can be joined"):
        join_address(Address(address))
