"""True time stays inside the bound while a majority of the servers is honest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessiond.core.clockcheck import (
    ASK_EVERY,
    DRIFT,
    EXCHANGES_KEPT,
    MAX_AGE,
    ClockVerdict,
    NtpSample,
    PeerClock,
    judge,
    newest,
    peer_offset,
)
from sessiond.core.spec import ClockSettings
from sessiond.core.status import Verdict
from sessiond.units import Seconds

NOW = Seconds(1000.0)
SETTINGS = ClockSettings(warn=Seconds(0.005), fail=Seconds(0.05))
# Sums of floats differ in the last digits.
HAIR = 1e-9


def sample(server: str, offset: float, bound: float, taken: float = NOW) -> NtpSample:
    return NtpSample(
        server=server,
        taken=Seconds(taken),
        offset=Seconds(offset),
        bound=Seconds(bound),
    )


def verdict(*samples: NtpSample) -> ClockVerdict:
    return judge(samples, NOW, SETTINGS)


def test_nobody_has_answered() -> None:
    assert verdict() == ClockVerdict(reason="no time server has answered yet")


def test_one_server_suffices() -> None:
    answer = verdict(sample("a", 0.001, 0.002))
    assert answer.verdict is Verdict.OK
    assert answer.offset == pytest.approx(0.001)
    assert answer.bound == pytest.approx(0.002)
    assert (answer.servers, answer.falsetickers, answer.reason) == (1, (), "")


@pytest.mark.parametrize(
    ("offset", "bound", "expected", "limit"),
    [
        (0.002, 0.00299, Verdict.OK, ""),
        (0.002, 0.0031, Verdict.WARN, "limit 5 ms"),
        (-0.04, 0.0099, Verdict.WARN, "limit 5 ms"),
        (-0.04, 0.0101, Verdict.FAIL, "limit 50 ms"),
        (3600.0, 0.001, Verdict.FAIL, "limit 50 ms"),
    ],
)
def test_offset_and_bound_together_make_the_verdict(
    offset: float, bound: float, expected: Verdict, limit: str
) -> None:
    answer = verdict(sample("a", offset, bound))
    assert answer.verdict is expected
    assert answer.reason.endswith(limit)


def test_a_warning_says_by_how_much() -> None:
    assert verdict(sample("a", -0.006, 0.002)).reason == (
        "the clock may be 8 ms off (offset -6 ms, bound 2 ms), limit 5 ms"
    )


def test_fail_below_warn_fails() -> None:
    odd = ClockSettings(warn=Seconds(0.05), fail=Seconds(0.005))
    assert judge([sample("a", 0.01, 0.0)], NOW, odd).verdict is Verdict.FAIL


def test_one_liar_of_four_is_named_and_outvoted() -> None:
    answer = verdict(
        sample("a", 0.0001, 0.001),
        sample("b", -0.0002, 0.001),
        sample("c", 0.0, 0.02),
        sample("liar", 3.0, 0.001),
    )
    assert answer.verdict is Verdict.OK
    assert answer.falsetickers == ("liar",)
    assert answer.servers == 4


def test_liars_on_both_sides_are_named_in_order() -> None:
    answer = verdict(
        sample("z", -9.0, 0.001),
        sample("b", 0.0, 0.001),
        sample("a", 9.0, 0.001),
        sample("c", 0.0, 0.001),
        sample("d", 0.0, 0.001),
    )
    assert answer.falsetickers == ("a", "z")


@pytest.mark.parametrize("servers", [2, 3, 4])
def test_servers_that_all_disagree_give_no_verdict(servers: int) -> None:
    answer = verdict(*(sample(f"s{n}", n * 1.0, 0.001) for n in range(servers)))
    assert answer.verdict is Verdict.UNKNOWN
    assert answer.offset is None
    assert answer.servers == servers
    assert answer.reason.startswith("the time servers disagree")
    assert "s1 1e+03 ms" in answer.reason


def test_two_against_two_is_no_majority() -> None:
    answer = verdict(
        *(sample(f"s{n}", float(n > 1), 0.001) for n in range(4)),
    )
    assert answer.verdict is Verdict.UNKNOWN


def test_intervals_that_touch_agree() -> None:
    answer = judge([sample("a", 0.0, 0.25), sample("b", 0.5, 0.25)], NOW, SETTINGS)
    assert answer.offset == 0.25
    assert answer.bound == 0.25, "never less than the best server's own bound"


def test_two_liars_cannot_move_the_truth_out_of_the_bound() -> None:
    honest = [sample(name, 0.005, 0.005) for name in "abc"]
    liars = [sample(name, 0.0085, 0.0005) for name in "yz"]
    answer = verdict(*honest, *liars)
    assert answer.offset == pytest.approx(0.005)
    assert answer.bound == pytest.approx(0.005)


def test_an_old_answer_counts_for_less_and_then_for_nothing() -> None:
    fresh = verdict(sample("a", 0.0, 0.001, NOW - 40))
    assert fresh.bound == pytest.approx(0.001 + 40 * DRIFT)
    old = verdict(sample("a", 0.0, 0.001, NOW - MAX_AGE - 1))
    assert old == ClockVerdict(reason="no time server has answered for 50 s")


def test_two_lost_answers_in_a_row_are_borne() -> None:
    assert 3 * ASK_EVERY < MAX_AGE


def test_only_the_newest_answer_of_a_server_counts() -> None:
    early, late = sample("a", 9.0, 0.001, NOW - 1), sample("a", 0.0, 0.001)
    assert newest([late, early, sample("b", 1, 1)]) == (late, sample("b", 1, 1))
    assert verdict(late, early).servers == 1


offsets = st.floats(-10, 10)
bounds = st.floats(0, 1)


@st.composite
def servers_with_an_honest_majority(
    draw: st.DrawFn,
) -> tuple[float, list[NtpSample]]:
    truth = draw(offsets)
    honest = draw(st.integers(1, 6))
    liars = draw(st.integers(0, honest - 1))
    samples = []
    for number in range(honest):
        bound = draw(bounds)
        offset = truth + draw(st.floats(-1, 1)) * bound
        samples.append(sample(f"honest{number}", offset, bound))
    samples += [sample(f"liar{n}", draw(offsets), draw(bounds)) for n in range(liars)]
    return truth, draw(st.permutations(samples))


@given(servers_with_an_honest_majority())
def test_the_truth_is_inside_the_bound_and_no_honest_server_is_called_a_liar(
    drawn: tuple[float, list[NtpSample]],
) -> None:
    truth, samples = drawn
    # Rounding may part two honest intervals that only touch in the truth.
    answer = judge(
        [sample(s.server, s.offset, s.bound + HAIR) for s in samples], NOW, SETTINGS
    )
    assert answer.offset is not None
    assert answer.bound is not None
    assert abs(truth - answer.offset) <= answer.bound + HAIR
    assert not [name for name in answer.falsetickers if name.startswith("honest")]
    assert answer.bound >= min(s.bound for s in samples)


@given(st.lists(st.tuples(offsets, bounds), max_size=7))
def test_false_tickers_are_fewer_than_half_and_order_is_nothing(
    drawn: list[tuple[float, float]],
) -> None:
    samples = [sample(f"s{n}", *pair) for n, pair in enumerate(drawn)]
    answer = verdict(*samples)
    assert answer == verdict(*reversed(samples))
    assert len(answer.falsetickers) < max(1, len(samples) / 2)


# Host against host.


@given(offset=offsets, there=bounds, held=bounds, back=bounds, begun=st.floats(0, 1e6))
def test_a_peers_true_offset_is_inside_half_the_round_trip(
    offset: float, there: float, held: float, back: float, begun: float
) -> None:
    t2 = begun + there + offset
    t3 = t2 + held
    t4 = begun + there + held + back
    measured = peer_offset(Seconds(begun), Seconds(t2), Seconds(t3), Seconds(t4))
    if there + back < HAIR:
        return  # the delay is lost in rounding
    assert measured is not None
    assert abs(measured[0] - offset) <= measured[1] + HAIR
    assert measured[1] == pytest.approx((there + back) / 2, abs=HAIR)


@pytest.mark.parametrize(
    "stamps",
    [
        (0.0, 5.0, 7.0, 1.0),
        (1.0, 5.0, 5.0, 0.0),
        (0.0, 5.0, 4.0, 9.0),
        (0.0, float("nan"), 4.0, 9.0),
    ],
)
def test_timestamps_that_no_network_makes_are_no_measurement(
    stamps: tuple[float, float, float, float],
) -> None:
    t1, t2, t3, t4 = map(Seconds, stamps)
    assert peer_offset(t1, t2, t3, t4) is None


def exchange(offset: float, bound: float) -> tuple[Seconds, Seconds]:
    return Seconds(offset), Seconds(bound)


def test_the_exchange_with_the_shortest_delay_is_believed() -> None:
    clock = PeerClock()
    assert clock.best is None
    for offset, bound in ((1.0, 0.5), (2.0, 0.1), (3.0, 0.4), (4.0, 0.1)):
        clock = clock.heard(exchange(offset, bound))
    assert clock.best == (4.0, 0.1)


def test_old_exchanges_are_forgotten() -> None:
    clock = PeerClock().heard(exchange(1.0, 0.0))
    for _ in range(EXCHANGES_KEPT):
        clock = clock.heard(exchange(2.0, 0.5))
    assert clock.best == (2.0, 0.5)


def test_a_step_of_a_clock_forgets_all_before_it() -> None:
    clock = PeerClock().heard(exchange(1.0, 0.0)).heard(None)
    assert clock.best is None
