import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessiond.core.onair import Listening, ListenState
from sessiond.core.streamtitles import split_title
from sessiond.core.titles import (
    LONGEST_TITLE,
    SHOWN_WITHIN,
    TITLE,
    TitleHeard,
    heard_title,
    sound_titles,
    with_title,
)
from sessiond.errors import Refused
from sessiond.units import MountPath, Seconds
from tests.core.examples import ALICE, NOW, document, mount, session

MIX, DJ = mount(), mount("/dj1.ogg", ALICE)
DOC = document(session(mounts=(MIX, DJ)))
EMPTY = document(session(mounts=()))


def test_a_title_is_set_changed_and_taken_away() -> None:
    first = with_title(DOC, MIX.path, "  Björk - Jóga \n")
    assert first.titles == {MIX.path: "Björk - Jóga"}
    both = with_title(first, DJ.path, "x" * LONGEST_TITLE)
    assert both.titles.keys() == {MIX.path, DJ.path}
    assert with_title(both, DJ.path, "  ") == first
    assert with_title(first, MIX.path, "") == DOC


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("a\nb", 'Did you mean "a b"?'),
        ("a\u00a0b", 'Did you mean "a b"?'),
        ("a\u202eb", ""),
        ("\x1b[31mred", ""),
        ("a\ud800", ""),
        ("x" * (LONGEST_TITLE + 1), f'Did you mean "{"x" * 47}…?'),
    ],
)
def test_what_no_title_can_be_is_refused_with_the_nearest_one(
    text: str, hint: str
) -> None:
    with pytest.raises(Refused, match="1 to 200 characters on one line") as refused:
        with_title(DOC, MIX.path, text)
    assert refused.value.hint == hint


@pytest.mark.parametrize(
    ("doc", "has"), [(DOC, "It has: /mix.ogg, /dj1.ogg."), (EMPTY, "It has: none.")]
)
def test_a_title_needs_its_mount(doc: object, has: str) -> None:
    assert isinstance(doc, type(DOC))
    with pytest.raises(Refused, match=r"jam has no mount /x\.mp3") as refused:
        with_title(doc, MountPath("/x.mp3"), "A")
    assert refused.value.hint == has


def test_only_titles_of_mounts_are_kept() -> None:
    titles = {MIX.path: "A", DJ.path: "a\tb", MountPath("/x.mp3"): "B"}
    assert sound_titles(titles, DOC.spec) == {MIX.path: "A"}


@pytest.mark.parametrize(
    ("title", "parts"),
    [
        ("Artist - Title", ("Artist", "Title")),
        ("A - B - C", ("A", "B - C")),
        ("A-B", ("", "A-B")),
        ("A -  B", ("", "A -  B")),
        ("A  - B", ("", "A  - B")),
        ("", ("", "")),
    ],
)
def test_a_title_is_split_where_an_artist_stands(
    title: str, parts: tuple[str, str]
) -> None:
    assert split_title(title) == parts


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=LONGEST_TITLE))
def test_players_put_together_what_was_split(title: str) -> None:
    if TITLE.accepts(title):
        parts = [part for part in split_title(title) if part.strip()]
        assert " - ".join(part.strip() for part in parts) == title


def listening(
    title: str = "A",
    state: ListenState = ListenState.OPEN,
    first_at: Seconds | None = NOW,
) -> Listening:
    return Listening(
        path=MIX.path, state=state, since=NOW, first_at=first_at, title=title
    )


@pytest.mark.parametrize(
    "deaf", [listening(state=ListenState.CLOSED), listening(first_at=None)]
)
def test_without_a_byte_nothing_is_known_of_a_title(deaf: Listening) -> None:
    before = TitleHeard(title="A", wanted="A")
    assert heard_title(before, deaf, "A", NOW, ours=True) is None


def test_another_title_than_asked_for_is_off_after_a_while() -> None:
    shown = heard_title(None, listening("A"), "A", NOW, ours=True)
    assert shown == TitleHeard(title="A", wanted="A")
    assert shown is not None
    assert not shown.is_off(NOW)
    begun = heard_title(shown, listening("A"), "B", NOW, ours=True)
    assert begun == TitleHeard(title="A", wanted="B", other_since=NOW)
    later = Seconds(NOW + SHOWN_WITHIN + 0.1)
    still = heard_title(begun, listening("C"), "B", later, ours=True)
    assert still == TitleHeard(title="C", wanted="B", other_since=NOW)
    assert still is not None
    assert still.is_off(later)
    # What was asked for since has a while of its own.
    again = heard_title(still, listening("C"), "D", later, ours=True)
    assert again is not None
    assert not again.is_off(later)
    assert heard_title(still, listening("B"), "B", later, ours=True) == TitleHeard(
        title="B", wanted="B"
    )


def test_a_fillers_title_is_nobodys_fault() -> None:
    shown = heard_title(None, listening("Filler"), "A", NOW, ours=False)
    assert shown == TitleHeard(title="Filler", wanted="A")
