import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessiond.core import tries
from sessiond.core.tries import Nonces, Tries, origin_of
from sessiond.errors import Refused, Unavailable
from sessiond.units import Seconds, TokenId

START = Seconds(100.0)
HERE = "192.168.1.20"
TOKEN = TokenId("h" + "0" * 24)


def nonce(number: int) -> bytes:
    return number.to_bytes(16, "big")


def address(number: int) -> str:
    return f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"


def at(seconds: float) -> Seconds:
    return Seconds(START + seconds)


def test_a_nonce_is_good_once() -> None:
    nonces = Nonces()
    assert nonces.issue(nonce(1), HERE, START) == nonce(1)
    assert nonces.take(nonce(1), at(1.0))
    assert not nonces.take(nonce(1), at(1.0))


def test_a_nonce_of_nobodys_is_not_good() -> None:
    assert not Nonces().take(nonce(1), START)


def test_a_nonce_is_good_for_thirty_seconds() -> None:
    nonces = Nonces()
    nonces.issue(nonce(1), HERE, START)
    nonces.issue(nonce(2), HERE, at(0.1))
    assert not nonces.take(nonce(1), at(30.0))
    assert nonces.take(nonce(2), at(30.0))
    assert len(nonces) == 0


def test_who_asks_for_many_drives_out_his_own_nonces_only() -> None:
    nonces = Nonces()
    nonces.issue(nonce(0), HERE, START)
    for number in range(1, 1000):
        nonces.issue(nonce(number), "10.0.0.1", at(number / 100))
    assert len(nonces) == 1 + tries.MOST_NONCES_EACH
    assert nonces.take(nonce(0), at(10.0))
    assert nonces.take(nonce(999), at(10.0))


def test_there_are_never_more_nonces_than_the_most() -> None:
    nonces = Nonces()
    for number in range(1000):
        nonces.issue(nonce(number), address(number), START)
    assert len(nonces) == tries.MOST_NONCES
    assert not nonces.take(nonce(1000 - tries.MOST_NONCES - 1), START)
    assert nonces.take(nonce(1000 - tries.MOST_NONCES), START)


def test_five_wrong_proofs_burn_a_token_for_everybody() -> None:
    counted = Tries()
    for number in range(tries.TRIES_EACH):
        counted.require_room(TOKEN, HERE, START)
        counted.wrong(TOKEN, address(number), START)
    for hours in (0, 1, 24):
        with pytest.raises(Refused, match="burnt"):
            counted.require_room(TOKEN, HERE, at(hours * 3600))
    counted.require_room(TokenId("v" + TOKEN[1:]), HERE, START)


def test_twenty_wrong_proofs_a_minute_close_an_address_until_it_is_quieter() -> None:
    counted = Tries()
    for number in range(tries.TRIES_A_MINUTE):
        counted.require_room(None, HERE, at(number))
        counted.wrong(None, HERE, at(number))
    for second in (20.0, 59.0):
        with pytest.raises(Unavailable, match="Too many"):
            counted.require_room(None, HERE, at(second))
    counted.require_room(None, "192.168.1.21", at(20.0))
    counted.require_room(None, HERE, at(60.0))


def test_an_address_that_is_still_tried_while_closed_stays_closed() -> None:
    counted = Tries()
    for number in range(100):
        counted.wrong(None, HERE, at(number))
    with pytest.raises(Unavailable):
        counted.require_room(None, HERE, at(139.0))
    counted.require_room(None, HERE, at(140.0))


def test_invented_tokens_and_addresses_are_forgotten_before_burnt_ones() -> None:
    counted = Tries()
    for number in range(tries.TRIES_EACH):
        counted.wrong(TOKEN, address(number), START)
    for number in range(tries.MOST_TOKENS + tries.MOST_ORIGINS):
        counted.wrong(TokenId(f"h{number:024x}0"), address(number), START)
    assert len(counted) == tries.MOST_TOKENS + tries.MOST_ORIGINS
    with pytest.raises(Refused, match="burnt"):
        counted.require_room(TOKEN, HERE, START)


@given(st.lists(st.floats(0.0, 9.0), min_size=25, max_size=120))
def test_no_more_than_twenty_wrong_proofs_are_looked_at_in_a_minute(
    waits: list[float],
) -> None:
    counted, now, looked = Tries(), START, list[Seconds]()
    for wait in waits:
        now = Seconds(now + wait)
        try:
            counted.require_room(None, HERE, now)
        except Unavailable:
            continue
        counted.wrong(None, HERE, now)
        looked.append(now)
    for end in looked:
        assert (
            sum(end - one < 60 and one <= end for one in looked) <= tries.TRIES_A_MINUTE
        )


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        (HERE, HERE),
        ("::ffff:192.168.1.20", HERE),
        ("fd00:1:2:3:4:5:6:7", "fd00:1:2:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unix:", "unix:"),
        ("x" * 999, "x" * 64),
    ],
)
def test_one_network_of_ipv6_is_one_origin(text: str, origin: str) -> None:
    assert origin_of(text) == origin
