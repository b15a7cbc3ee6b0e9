import base64
import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessiond.core.holder import Role, parse_label
from sessiond.core.put_head import (
    HEAD_LIMIT_BYTES,
    request_head,
    title_head,
    title_refusal,
)
from sessiond.core.sourcing import Lease, Seat, SourceOrder
from sessiond.core.spec import Codec
from sessiond.errors import Refused
from sessiond.units import MountPath, Seconds, Term
from tests.core.test_sourcing import MOUNT, order

LEASE = Lease(
    seat=Seat.PRIMARY,
    term=Term(3),
    role=Role.CARETAKER,
    grant=1,
    sent_at=Seconds(0),
)
HIDDEN = dataclasses.replace(LEASE, seat=Seat.HIDDEN, role=Role.STANDBY)


def changed(**fields: object) -> SourceOrder:
    return dataclasses.replace(order(), **fields)  # type: ignore[arg-type]


def head(wanted: SourceOrder, password: str = "hack", lease: Lease = LEASE) -> bytes:  # noqa: S107
    return request_head(wanted, password=password, lease=lease)


def test_the_request_opens_the_mount() -> None:
    assert head(order()).decode() == (
        "PUT /dj1.ogg HTTP/1.1\r\n"
        "Host: radio.local:8000\r\n"
        "Authorization: Basic c291cmNlOmhhY2s=\r\n"
        "User-Agent: sessiond\r\n"
        "Content-Type: application/ogg\r\n"
        "Ice-Public: 1\r\n"
        "Ice-Name: Friday jam é\r\n"
        "Ice-Description: live [from] the cellar "
        "[session=friday-jam term=3 host=alice role=caretaker]\r\n"
        "Ice-Genre: jam\r\n"
        "Ice-Bitrate: 128\r\n"
        "\r\n"
    )


def test_what_is_not_said_is_not_sent() -> None:
    wanted = changed(name="", genre="", bitrate_kbps=None, public=False)
    text = head(wanted).decode()
    assert "Ice-Name" not in text
    assert "Ice-Genre" not in text
    assert "Ice-Bitrate" not in text
    assert "Ice-Public: 0" in text


def test_mp3_says_so() -> None:
    assert b"Content-Type: audio/mpeg\r\n" in head(changed(codec=Codec.MP3))


@given(password=st.text())
def test_every_password_arrives_exactly(password: str) -> None:
    text = head(order(), password)
    line = next(x for x in text.split(b"\r\n") if x.startswith(b"Authorization"))
    assert base64.b64decode(line.split()[-1]) == b"source:" + password.encode()


@given(text=st.text(max_size=200))
def test_no_text_adds_a_header(text: str) -> None:
    wanted = changed(name=text, description=text, genre=text)
    try:
        lines = head(wanted).decode().split("\r\n")
    except Refused:
        return
    assert len(lines) <= 12
    description = next(x for x in lines if x.startswith("Ice-Description"))
    assert parse_label(description) is not None


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"name": "a\r\nX: y"}, "Ice-Name can't hold a line break"),
        ({"description": "a\nb"}, "Ice-Description"),
        ({"genre": "\0"}, "Ice-Genre"),
        ({"address": "x\r\n"}, "Host"),
        ({"user": "a:b"}, "colon"),
        ({"path": "/a b.ogg"}, "no mount path"),
        ({"path": "/a.ogg HTTP/1.1\r\nX: y"}, "no mount path"),
        ({"description": "x" * 5000}, "too long for Icecast by"),
    ],
)
def test_what_would_break_the_request_is_refused(
    fields: dict[str, str], word: str
) -> None:
    with pytest.raises(Refused, match=word):
        head(changed(**fields))


def test_half_a_character_is_refused_without_showing_the_text() -> None:
    with pytest.raises(Refused, match="half a Unicode character") as refusal:
        head(order(), "hidden\ud800")
    assert refusal.value.__cause__ is None


def test_the_hidden_seats_request_claims_nothing() -> None:
    text = head(order(), lease=HIDDEN).decode()
    assert text.startswith("PUT /dj1-standby.ogg HTTP/1.1\r\n")
    assert "Ice-Public: 0\r\n" in text
    assert "[session=friday-jam term=3 host=alice role=standby]\r\n" in text


def test_the_longest_paths_standby_mount_is_a_mount_path() -> None:
    longest = dataclasses.replace(MOUNT, path=MountPath(f"/{'a' * 48}.flac"))
    assert head(order(longest), lease=HIDDEN).startswith(b"PUT /aaa")


def test_a_title_is_told_with_the_sources_own_credentials() -> None:
    asked = changed(title='Björk & "x" + 100 % - It\'s')
    told = title_head(asked, Seat.HIDDEN, password="hack").decode()
    first, *lines = told.split("\r\n")
    assert first == (
        "GET /admin/metadata?mode=updinfo&mount=%2Fdj1-standby.ogg&charset=UTF-8"
        "&song=Bj%C3%B6rk%20%26%20%22x%22%20%2B%20100%20%25%20-%20It%27s HTTP/1.0"
    )
    assert "Authorization: Basic c291cmNlOmhhY2s=" in lines
    assert told.endswith("\r\n\r\n")


def test_the_longest_title_fits_what_icecast_reads() -> None:
    longest = changed(title="\U0001d11e" * 200)
    assert len(title_head(longest, Seat.PRIMARY, password="x" * 99)) <= HEAD_LIMIT_BYTES


def answered(message: str) -> str:
    page = f"<iceresponse>\n<message>{message}</message>\n<return>1</return>"
    return f"HTTP/1.0 200 OK\r\nContent-Type: text/xml\r\n\r\n{page}"


REFUSED = "Mountpoint will not accept URL updates"
DENIED = "HTTP/1.0 401 Authentication Required"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (answered("Metadata update successful"), ""),
        (answered(REFUSED), REFUSED),
        ("HTTP/1.0 400 Bad\r\n\r\n<b>No source</b>", "No source"),
        (f"{DENIED}\r\n\r\nNo.", DENIED),
        ("", "it said nothing"),
    ],
)
def test_icecasts_own_words_say_whether_it_shows_a_title(
    answer: str, words: str
) -> None:
    assert title_refusal(answer) == words
