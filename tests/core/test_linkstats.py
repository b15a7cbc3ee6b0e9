"""The logs are JackTrip 1.7's own: two of them on loopback, each with a jackd."""

import pytest

from sessiond.core.linkstats import MINUTE, SILENT_AFTER, TRICKLE, LinkSeen, read_log
from sessiond.core.status import LinkState
from sessiond.units import Frames, Hertz, Seconds

WAITING = """\
Using UDP Protocol
---------------------------------------------------------
Using JitterBuffer strategy 1
Waiting for Connection From a Client...
UDP Socket Receiving in Port: 4464
---------------------------------------------------------
Waiting for Peer...
STATS1
"""
HEARD = "Received Connection from Peer!\n"
TOO_LONG = "UDP waiting too long (more than 30ms) for 127.0.0.1...\n"
STATS = """\
2026-11-22T06:43:04 127.0.0.1 send: 0/0 recv: 0/0 prot: 0/0/0 tot: 203 \
sync: 4/0/0/0/0 skew: 0/0 bcast: 0/0 autoq: 2.3/47.2
2026-11-22T06:43:06 127.0.0.1 send: 0/0 recv: 22/0 prot: 0/0/0 tot: 385 \
sync: 4/13/0/0/0 skew: 13/15 bcast: 0/0 autoq: 8.2/44.4
2026-11-22T06:43:07 127.0.0.1 send: 0/0 recv: 77/0 prot: 0/0/0 tot: 552 \
sync: 4/42/0/0/0 skew: 42/45 bcast: 0/0 autoq: 14.1/41.8
""".splitlines(keepends=True)
# The peer was killed with -9 in the first of these seconds.
KILLED = """\
2026-11-22T06:43:08 127.0.0.1 send: 0/0 recv: 77/0 prot: 0/0/0 tot: 624 \
sync: 4/42/0/0/0 skew: 42/45 bcast: 0/0 autoq: 59.3/39.3
2026-11-22T06:43:09 127.0.0.1 send: 0/0 recv: 77/0 prot: 0/0/0 tot: 624 \
sync: 4/42/0/0/0 skew: 42/45 bcast: 0/0 autoq: 134.2/37
2026-11-22T06:43:10 127.0.0.1 send: 0/0 recv: 77/0 prot: 0/0/0 tot: 624 \
sync: 4/42/0/0/0 skew: 42/45 bcast: 0/0 autoq: 201.9/34.9
""".splitlines(keepends=True)
ANEW = """\
2026-11-22T06:43:15 127.0.0.1 send: 0/3 recv: 7/0 prot: 0/0/0 tot: 173 \
sync: 4/4/0/0/0 skew: 4/3 bcast: 0/0 autoq: 7.5/44.7
"""
NOT_HEARD = """\
2026-11-22T06:43:25 127.0.0.1 send: 0/0 recv: 0/0 prot: 0/0/0 tot: 0 \
sync: 4/0/0/0/0 skew: 0/0 bcast: 0/0 autoq: 2/50
"""
STOPPED = """\
Peer Stopped
Stopping JackTrip...
sending exit packet
JackTrip Processes STOPPED!
"""
OTHER_PERIOD = """\
WARNING: Peer Buffer Size is  : 128
         Local Buffer Size is : 256
"""
OTHER_RATE = """\
ERROR: Peer Sampling Rate is   : 44100
       Local Sampling Rate is  : 48000
Make sure both machines use the same Sampling Rate
"""
OTHER_DEPTH = """\
ERROR: Peer Audio Bit Resolution is  : 3
       Local Audio Bit Resolution is : 2
"""
BUSY = """\
ERROR:
Could not bind UDP socket. It may already be binded by another process on your \
machine. Try using a different port number
Exiting JackTrip...
"""

T0 = 1000.0


def at(second: float) -> Seconds:
    return Seconds(T0 + second)


def told(*pieces: str) -> LinkSeen:
    """Read one piece a second, the first at T0."""
    seen = LinkSeen()
    for second, piece in enumerate(pieces):
        seen = read_log(seen, piece, at(second))
    return seen


def test_a_link_that_waits_for_its_peer_is_connecting() -> None:
    seen = told(WAITING)
    assert seen == LinkSeen()
    assert seen.state(at(0)) is LinkState.CONNECTING


def test_statistics_without_a_packet_are_no_sign_of_life() -> None:
    seen = told(WAITING, NOT_HEARD)
    assert seen.packets == 0
    assert seen.state(at(1)) is LinkState.CONNECTING


def test_the_peers_first_packet_is_up_at_once() -> None:
    assert told(WAITING, HEARD).state(at(1)) is LinkState.UP


def test_a_count_that_grows_keeps_it_up() -> None:
    seen = told(WAITING + HEARD, *STATS)
    assert (seen.packets, seen.moved) == (552, at(3))
    assert seen.glitches_per_min(at(3)) == 77
    assert seen.state(at(3 + SILENT_AFTER - 0.01)) is LinkState.UP
    assert seen.state(at(3 + SILENT_AFTER)) is LinkState.CONNECTING


def test_a_killed_peer_is_missed_within_the_limit_though_statistics_go_on() -> None:
    seen = told(WAITING + HEARD, *STATS, TOO_LONG * 20 + KILLED[0], *KILLED[1:])
    assert (seen.packets, seen.moved) == (624, at(4))
    assert seen.state(at(6)) is LinkState.UP
    assert seen.state(at(6.5)) is LinkState.CONNECTING


@pytest.mark.parametrize(("grown", "moved"), [(TRICKLE, 3), (TRICKLE + 1, 4)])
def test_a_trickle_of_packets_is_no_sound(grown: int, moved: int) -> None:
    trickle = KILLED[0].replace("tot: 624", f"tot: {552 + grown}")
    assert told(WAITING + HEARD, *STATS, trickle).moved == at(moved)


def test_packets_that_all_come_too_late_are_no_sound() -> None:
    """So an automatic queue was, for four seconds after a cut of five."""
    late = STATS[1].replace("recv: 22/0", "recv: 182/0")
    seen = told(WAITING + HEARD, STATS[0], late)
    assert (seen.packets, seen.moved) == (385, at(1))
    half = STATS[1].replace("recv: 22/0", "recv: 91/0")
    assert told(WAITING + HEARD, STATS[0], half).moved == at(2)


def test_a_peer_that_started_anew_counts_from_nothing() -> None:
    seen = told(WAITING + HEARD, *STATS, *KILLED, ANEW)
    assert (seen.packets, seen.moved) == (173, at(7))
    assert seen.state(at(7)) is LinkState.UP


def test_a_peer_that_stopped_is_remembered() -> None:
    assert told(WAITING + HEARD, STATS[0], STOPPED).peer_stopped


def test_a_port_that_another_program_holds_is_noticed() -> None:
    seen = told(BUSY)
    assert seen.port_busy
    assert seen.state(at(0)) is LinkState.CONNECTING


@pytest.mark.parametrize(
    ("text", "mismatch"),
    [
        (OTHER_PERIOD, "buffer size 128"),
        (OTHER_RATE, "sampling rate 44100"),
        (OTHER_DEPTH, "audio bit resolution 3"),
    ],
)
def test_settings_that_differ_are_told_in_jacktrips_words(
    text: str, mismatch: str
) -> None:
    assert told(WAITING, text).mismatch == mismatch


def test_packets_too_early_are_glitches_as_those_too_late() -> None:
    seen = told(STATS[2].replace("recv: 77/0", "recv: 77/5"))
    assert [total for _, total in seen.glitches] == [82]


def test_glitches_of_more_than_a_minute_ago_are_forgotten() -> None:
    seen = told(WAITING + HEARD, *STATS)
    assert seen.glitches_per_min(at(1 + MINUTE)) == 77
    assert seen.glitches_per_min(at(3 + MINUTE)) == 0
    assert LinkSeen().glitches_per_min(at(0)) == 0


def test_a_peer_that_begins_anew_begins_its_glitches_anew() -> None:
    again = STATS[1].replace("recv: 22/0", "recv: 0/0")
    seen = told(WAITING + HEARD, *STATS, again, STATS[1])
    assert seen.glitches_per_min(at(5)) == 22


def test_a_line_that_is_cut_counts_once_it_is_whole() -> None:
    cut = STATS[0].index("tot: 2") + len("tot: 2")
    seen = told(WAITING, STATS[0][:cut])
    assert seen.packets is None


def test_what_the_queue_holds_back_is_read_and_told_as_time() -> None:
    seen = told(WAITING + HEARD, STATS[0])
    assert (seen.held, seen.told) == (4, at(1))
    assert seen.queue(Hertz(48000), Frames(128)) == pytest.approx(3.5 * 128 / 48000)
    assert seen.queue(Hertz(0), Frames(0)) is None
    grown = told(WAITING + HEARD, STATS[0].replace("sync: 4/", "sync: 555/"))
    assert grown.queue(Hertz(48000), Frames(128)) == pytest.approx(1.4787, abs=0.001)


def test_an_empty_queue_holds_nothing_back() -> None:
    empty = told(WAITING + HEARD, STATS[0].replace("sync: 4/", "sync: 0/"))
    assert empty.queue(Hertz(48000), Frames(128)) == pytest.approx(0)
    assert told(WAITING).queue(Hertz(48000), Frames(128)) is None


def test_a_process_that_writes_no_statistics_any_more_has_ceased() -> None:
    seen = told(WAITING + HEARD, *KILLED)
    assert not seen.has_ceased(at(3))
    assert seen.has_ceased(at(3 + SILENT_AFTER))
    assert not told(WAITING).has_ceased(at(60)), "it waits for its peer"


def test_another_word_changes_nothing() -> None:
    seen = told(WAITING + HEARD, STATS[0])
    assert read_log(seen, TOO_LONG + "STATS1\n", at(9)) == seen
