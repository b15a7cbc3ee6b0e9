"""What the door makes of Icecast's pages, word for word as Icecast writes them."""

import pytest

from agent.adapters.icecast import parse_status
from agent.adapters.icecast_admin import AdminOutcome, parse_answer, parse_stats
from sessiond.units import MountPath

PATH = MountPath("/mix.ogg")


def page_of_24(sentence: str) -> str:
    head = "<html><head><title>Error 400</title></head>"
    return f"{head}<body><b>400 - {sentence}</b></body></html>\r\n"


def report_of_25(sentence: str) -> str:
    state = f"<state><text>{sentence}</text></state>"
    return f'<?xml version="1.0"?>\n<report><incident>{state}</incident></report>'


def response(message: str, code: int) -> str:
    return (
        '<?xml version="1.0"?>\n<iceresponse>'
        f"<message>{message}</message><return>{code}</return></iceresponse>"
    )


@pytest.mark.parametrize(
    ("status", "text", "outcome", "words"),
    [
        (200, response("Source Removed", 1), AdminOutcome.DONE, "Source Removed"),
        (200, response("It isn&apos;t", 0), AdminOutcome.REFUSED, "It isn't"),
        (
            200,
            "<html><body><p>Fallback configured</p></body></html>",
            AdminOutcome.DONE,
            "Fallback configured",
        ),
        (
            400,
            page_of_24("Source does not exist"),
            AdminOutcome.NO_SOURCE,
            "400 - Source does not exist",
        ),
        (
            404,
            report_of_25("Source does not exist"),
            AdminOutcome.NO_SOURCE,
            "Source does not exist",
        ),
        (
            400,
            page_of_24("Destination not running"),
            AdminOutcome.NO_DESTINATION,
            "400 - Destination not running",
        ),
        (
            404,
            report_of_25("No such destination"),
            AdminOutcome.NO_DESTINATION,
            "No such destination",
        ),
        (
            401,
            "You need to authenticate\r\n",
            AdminOutcome.DENIED,
            "You need to authenticate",
        ),
        (403, "Mountpoint in use", AdminOutcome.DENIED, "Mountpoint in use"),
        (404, "not\nfound", AdminOutcome.DENIED, "not found"),
        (500, "x" * 5000, AdminOutcome.REFUSED, "x" * 200),
    ],
)
def test_an_answer_is_judged_by_its_words(
    status: int, text: str, outcome: AdminOutcome, words: str
) -> None:
    answer = parse_answer(status, text)
    assert answer.outcome is outcome
    assert answer.words == words


STATS = (
    '<?xml version="1.0"?>\n<icestats><clients>3</clients>'
    '<source mount="/other.ogg"><listeners>9</listeners></source>'
    '<source mount="/mix.ogg"><listeners>2</listeners><title/>'
    "<server_description>a &amp; b&#7;</server_description></source></icestats>"
)


def test_of_all_sources_the_mounts_own_is_taken() -> None:
    found = {"listeners": "2", "title": "", "server_description": "a & b"}
    assert parse_stats(STATS, PATH) == found


def test_a_mount_without_a_source_has_no_stats() -> None:
    assert parse_stats(STATS, MountPath("/late.ogg")) == {}


@pytest.mark.parametrize("text", ["", "<html></html>", "<icestats>", "no", "\0"])
def test_what_is_no_stats_page_tells_nothing(text: str) -> None:
    assert parse_stats(text, PATH) is None


@pytest.mark.parametrize(
    ("said", "title"),
    [
        ('"title":"A - B"', "A - B"),
        ('"artist":"A","title":"B"', "A - B"),
        ('"title":007', "007"),
        ('"genre":"jam"', ""),
    ],
)
def test_icecasts_own_title_is_put_together(said: str, title: str) -> None:
    source = (
        '"listenurl":"http://x:8000/mix.ogg","stream_start_iso8601":"2026",'
        f'{said},"dummy":null'
    )
    (seen,) = parse_status(f'{{"icestats":{{"source":{{{source}}}}}}}')
    assert seen.title == title
