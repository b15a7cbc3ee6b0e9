import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessiond.core.playlist import (
    MOST_HISTORY,
    MOST_QUEUED,
    Draw,
    Order,
    Played,
    Playlist,
    Track,
    hand_out,
    is_track,
    record_of,
    restored,
    wish,
    with_tracks,
)
from sessiond.errors import Refused


def numbered(count: int) -> tuple[Track, ...]:
    return tuple(Track(f"/music/{n:03}.ogg") for n in range(count))


A, B, C, D = numbered(4)


def never(_: int) -> int:
    raise AssertionError("nobody draws for what is settled")


def loaded(numbers: Iterator[int]) -> Draw:
    return lambda n: next(numbers, 0) % n


def playlist(*tracks: Track, order: Order = Order.AS_LISTED) -> Playlist:
    return with_tracks(Playlist(order=order), tracks)


def played(
    before: Playlist, count: int, draw: Draw = never
) -> tuple[list[Track], Playlist]:
    tracks = []
    for _ in range(count):
        one, before = hand_out(before, draw, "noon")
        assert one is not None
        tracks.append(one.track)
    return tracks, before


def test_without_tracks_there_is_nothing_and_nothing_changes() -> None:
    assert hand_out(Playlist(), never, "noon") == (None, Playlist())


def test_as_listed_is_the_lists_order_round_after_round() -> None:
    assert played(playlist(B, A, C), 7)[0] == [B, A, C, B, A, C, B]


def test_a_single_track_comes_again_and_again() -> None:
    for order in Order:
        assert played(playlist(A, order=order), 3, lambda _: 0)[0] == [A, A, A]


DRAWS = st.lists(st.integers(min_value=0, max_value=10_000)).map(iter)


@given(count=st.integers(min_value=1, max_value=12), draws=DRAWS)
def test_shuffled_each_round_has_every_track_once(
    count: int, draws: Iterator[int]
) -> None:
    tracks = numbered(count)
    rounds, _ = played(playlist(*tracks, order=Order.SHUFFLE), 4 * count, loaded(draws))
    for start in range(0, 4 * count, count):
        assert sorted(rounds[start : start + count]) == sorted(tracks)


@given(count=st.integers(min_value=2, max_value=12), draws=DRAWS)
def test_shuffled_nothing_comes_again_before_half_of_the_others_have(
    count: int, draws: Iterator[int]
) -> None:
    tracks = playlist(*numbered(count), order=Order.SHUFFLE)
    rounds, _ = played(tracks, 4 * count, loaded(draws))
    for at, track in enumerate(rounds):
        assert track not in rounds[at + 1 : at + 1 + count // 2]


def test_shuffled_every_order_can_come() -> None:
    found = set()
    for number in range(6):
        three = playlist(A, B, C, order=Order.SHUFFLE)
        draws = loaded(iter((number // 2, number % 2)))
        found.add(tuple(played(three, 3, draws)[0]))
    # The second one is never held back by the first: half of three is one.
    assert len(found) == 6


def stepped(now: Playlist, kind: str, choice: int) -> Playlist:
    tracks = numbered(8)
    if kind == "find":
        return with_tracks(now, (t for n, t in enumerate(tracks) if choice >> n & 1))
    if kind == "wish" and now.tracks:
        return wish(now, now.tracks[choice % len(now.tracks)])
    return hand_out(now, lambda n: choice % n, "noon")[1]


STEPS = st.tuples(st.sampled_from(("find", "wish", "play")), st.integers(0, 255))


@given(st.lists(STEPS, max_size=60))
def test_whatever_happens_only_what_is_there_is_handed_out(
    steps: list[tuple[str, int]],
) -> None:
    now = playlist(*numbered(8), order=Order.SHUFFLE)
    for step in steps:
        before, now = now, stepped(now, *step)
        if len(now.history) > len(before.history):
            assert now.history[-1].track in before.tracks
        assert set(now.queue) <= set(now.tracks)
        assert restored(now.order, record_of(now)) == Playlist(
            order=now.order, done=now.done, queue=now.queue, history=now.history
        )


def test_the_queue_comes_first_and_counts_for_the_round() -> None:
    wished = wish(wish(playlist(A, B, C), C), B)
    tracks, after = played(wished, 4)
    assert tracks == [C, B, A, A]
    assert [one.wished for one in after.history] == [True, True, False, False]
    assert after.queue == ()


def test_a_track_may_be_asked_for_twice() -> None:
    assert played(wish(wish(playlist(A, B), B), B), 3)[0] == [B, B, A]


def test_a_wish_at_a_rounds_end_begins_the_next_one() -> None:
    _, over = played(playlist(A, B), 2)
    assert played(wish(over, A), 3)[0] == [A, B, A]


def test_what_is_no_track_here_is_refused() -> None:
    with pytest.raises(Refused, match="none of the tracks"):
        wish(playlist(A), Track("/etc/passwd"))


def test_the_queue_takes_only_so_many() -> None:
    full = playlist(A)
    for _ in range(MOST_QUEUED):
        full = wish(full, A)
    with pytest.raises(Refused, match="full"):
        wish(full, A)


def test_a_new_track_comes_in_this_very_round() -> None:
    _, after = played(playlist(A, C), 1)
    assert played(with_tracks(after, (A, B, C)), 4)[0] == [B, C, A, B]


def test_a_removed_track_comes_no_more_even_if_asked_for() -> None:
    left = with_tracks(wish(playlist(A, B, C), B), (A, C))
    assert played(left, 3)[0] == [A, C, A]


def test_a_folder_that_was_away_for_a_while_goes_on_where_it_was() -> None:
    _, after = played(playlist(A, B, C), 1)
    back = with_tracks(with_tracks(after, ()), (A, B, C))
    assert played(back, 3)[0] == [B, C, A]


def test_a_track_listed_twice_counts_where_it_stands_first() -> None:
    assert playlist(B, A, B).tracks == (B, A)


def test_the_history_is_bounded_and_the_latest_is_last() -> None:
    _, after = played(playlist(A, B), MOST_HISTORY + 1)
    assert len(after.history) == MOST_HISTORY
    assert after.history[-1] == Played(track=A, at="noon")


@pytest.mark.parametrize(
    "path", ["", "music/a.ogg", "process:rm", "/a\nb", "/a\x1b[2J", "/\udcff.ogg"]
)
def test_what_is_no_line_with_an_absolute_path_is_no_track(path: str) -> None:
    assert not is_track(path)
    assert is_track("/música/a b: c.ogg")


def test_a_restart_goes_on_in_the_same_round() -> None:
    _, before = played(wish(playlist(A, B, C, D), D), 2)
    record = json.loads(json.dumps(record_of(wish(before, C))))
    after = with_tracks(restored(Order.AS_LISTED, record), (A, B, C, D))
    assert played(after, 2)[0] == [C, B]
    assert [one.track for one in after.history] == [D, A]


def test_a_record_that_holds_everything_back_holds_nothing_up() -> None:
    record = {
        "done": [A, B],
        "queue": [],
        "history": [{"path": t, "at": "", "wished": False} for t in (C, D)],
    }
    odd = with_tracks(restored(Order.SHUFFLE, record), (A, B, C, D))
    assert played(odd, 1, lambda _: 0)[0] == [C]


GOOD: dict[str, object] = {"done": [], "queue": [], "history": []}


@pytest.mark.parametrize(
    "record",
    [
        None,
        [],
        {},
        {**GOOD, "done": None},
        {**GOOD, "done": [7]},
        {**GOOD, "queue": ["relative.ogg"]},
        {**GOOD, "history": [{"path": A, "at": 7, "wished": False}]},
        {**GOOD, "history": [{"path": "process:x", "at": "", "wished": False}]},
    ],
)
def test_what_is_no_record_is_refused(record: object) -> None:
    with pytest.raises(Refused, match="ecord"):
        restored(Order.SHUFFLE, record)
