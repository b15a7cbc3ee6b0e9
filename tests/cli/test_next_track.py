"""`sessiond next-track`: what it answers, and whom it does not wait for."""

import asyncio
import contextlib
import json
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterable
from http import HTTPStatus
from pathlib import Path

import pytest

from sessiond.cli import track_server
from sessiond.cli.jukebox import Jukebox
from sessiond.cli.main import run
from sessiond.cli.track_server import (
    LARGEST_BODY,
    LARGEST_HEAD,
    MOST_CONNECTIONS,
    Answer,
    Request,
    TrackServer,
)
from sessiond.cli.tracks import LONGEST_LIST, Journal, Shelf
from sessiond.core.playlist import Order
from sessiond.errors import Broken
from tests.cli.fakeagent import FakeAgent
from tests.support.eventually import aeventually

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def music(tmp_path: Path) -> Path:
    folder = tmp_path / "music"
    for name in ("a.mp3", "jazz/b.flac", ".trash.mp3", "cover.jpg", ".cache/x.ogg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def server(
    place: Path, state: Path | None = None, order: Order = Order.AS_LISTED
) -> TrackServer:
    def broken(error: Broken) -> None:
        raise error

    jukebox = Jukebox(Shelf(place), Journal(state), order, broken)
    return TrackServer(jukebox, lambda *_: None)


async def ask(
    server: TrackServer, path: str, body: str | None = None, **headers: str
) -> Answer:
    return await server.answer(
        Request(
            method="GET" if body is None else "POST",
            path=path,
            headers={name.replace("_", "-"): text for name, text in headers.items()},
            body=(body or "").encode(),
        )
    )


async def lines(server: TrackServer, paths: Iterable[str]) -> list[str]:
    return [line for path in paths for line in (await ask(server, path)).lines]


async def test_a_folders_tracks_come_one_after_another(music: Path) -> None:
    told = await lines(server(music), ["/next"] * 3)
    assert told == [f"{music}/{name}" for name in ("a.mp3", "jazz/b.flac", "a.mp3")]


async def test_new_files_come_and_removed_ones_do_not(music: Path) -> None:
    asked = server(music)
    (music / "b.opus").touch()
    (music / "jazz/b.flac").unlink()
    assert await lines(asked, ["/next"] * 2) == [f"{music}/a.mp3", f"{music}/b.opus"]


async def test_there_may_be_nothing(music: Path) -> None:
    asked = server(music)
    for path in ("a.mp3", "jazz/b.flac"):
        (music / path).unlink()
    answer = await ask(asked, "/next")
    assert (answer.status, answer.lines) == (HTTPStatus.NO_CONTENT, ())
    (music / "c.wav").touch()
    assert await lines(asked, ["/next"]) == [f"{music}/c.wav"]


async def test_a_list_names_what_comes(music: Path, tmp_path: Path) -> None:
    (tmp_path / "far.ogg").touch()
    names = [
        "#EXTM3U",
        "jazz/b.flac",
        str(tmp_path / "far.ogg"),
        "no\0.mp3",
        "gone.mp3",
    ]
    (music / "tonight.m3u").write_text("\n".join(names))
    asked = server(music / "tonight.m3u")
    told = await lines(asked, ["/next"] * 3)
    assert told == [f"{music}/jazz/b.flac", f"{tmp_path}/far.ogg", told[0]]
    refused = await ask(asked, "/queue", "a.mp3")
    assert refused.status == HTTPStatus.UNPROCESSABLE_ENTITY
    (music / "tonight.m3u").unlink()
    assert (await ask(asked, "/next")).status == HTTPStatus.NO_CONTENT


async def test_no_list_is_read_for_ever(music: Path) -> None:
    filling = "#" * LONGEST_LIST
    (music / "long.m3u").write_text(f"a.mp3\n{filling}\njazz/b.flac\n")
    assert (
        await lines(server(music / "long.m3u"), ["/next"] * 2) == [f"{music}/a.mp3"] * 2
    )


async def test_a_name_that_is_no_line_of_text_is_left_out(music: Path) -> None:
    (music / "a\nb.mp3").touch()
    (music / "\udcff.mp3").touch()
    told = await lines(server(music), ["/next"] * 3)
    assert told == [f"{music}/a.mp3", f"{music}/jazz/b.flac", f"{music}/a.mp3"]


async def test_wishes_come_first(music: Path) -> None:
    asked = server(music)
    for path in ("jazz/b.flac", f"{music}/a.mp3"):
        assert (await ask(asked, "/queue", path)).status == HTTPStatus.CREATED
    document = json.dumps({"path": "jazz/b.flac"})
    as_json = await ask(asked, "/queue", document, content_type="application/json")
    assert as_json.status == HTTPStatus.CREATED
    wished = [f"{music}/{name}" for name in ("jazz/b.flac", "a.mp3", "jazz/b.flac")]
    assert (await ask(asked, "/queue")).document == {"queue": wished}
    assert await lines(asked, ["/next"] * 3) == wished
    history = (await ask(asked, "/history")).document
    assert isinstance(history, dict)
    assert [one["path"] for one in history["history"]] == wished[::-1]
    assert all(one["wished"] for one in history["history"])


@pytest.mark.parametrize(
    "body",
    [
        "",
        "none.mp3",
        "../music/a.mp3",
        "../secret.mp3",
        "/etc/passwd",
        "cover.jpg",
        ".trash.mp3",
        "a.mp3\n/etc/passwd",
        "process:reboot",
    ],
)
async def test_only_what_is_there_can_be_asked_for(music: Path, body: str) -> None:
    (music.parent / "secret.mp3").touch()
    asked = server(music)
    answer = await ask(asked, "/queue", body)
    assert answer.status == HTTPStatus.UNPROCESSABLE_ENTITY
    assert answer.lines == ("This is none of the tracks here.",)
    assert (await ask(asked, "/queue")).lines == ()


@pytest.mark.parametrize("body", ["{", "[]", '{"path": 7}', '{"track": "a.mp3"}'])
async def test_what_names_no_path_is_refused(music: Path, body: str) -> None:
    answer = await ask(server(music), "/queue", body, content_type="application/json")
    assert answer.status == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "as JSON" in answer.lines[0]


async def test_other_places_and_methods_are_refused(music: Path) -> None:
    asked = server(music)
    assert (await ask(asked, "/")).status == HTTPStatus.NOT_FOUND
    refused = await ask(asked, "/next", "x")
    assert (refused.status, refused.allow) == (HTTPStatus.METHOD_NOT_ALLOWED, "GET")


async def test_a_page_of_another_site_can_not_have_a_browser_ask(music: Path) -> None:
    asked = server(music)
    answer = await ask(asked, "/queue", "a.mp3", sec_fetch_site="cross-site")
    assert answer.status == HTTPStatus.FORBIDDEN
    assert (await ask(asked, "/queue")).lines == ()


async def test_history_and_queue_outlive_a_restart(music: Path, tmp_path: Path) -> None:
    before = server(music, tmp_path / "state")
    await lines(before, ["/next"])
    await ask(before, "/queue", "a.mp3")
    after = server(music, tmp_path / "state")
    assert (await ask(after, "/queue")).lines == (f"{music}/a.mp3",)
    assert await lines(after, ["/next"] * 2) == [
        f"{music}/a.mp3",
        f"{music}/jazz/b.flac",
    ]


async def test_a_disk_that_takes_no_state_stops_no_music(
    music: Path, tmp_path: Path
) -> None:
    complaints: list[Broken] = []
    (tmp_path / "kept").mkdir()
    journal = Journal(tmp_path / "kept/state")
    jukebox = Jukebox(Shelf(music), journal, Order.SHUFFLE, complaints.append)
    (tmp_path / "kept/state").unlink()
    (tmp_path / "kept").rmdir()
    assert await jukebox.next()
    assert "can't be written" in complaints[0].sentence


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("nowhere",), 2, "neither a folder nor a list"),
        (("nowhere.m3u",), 2, "no list"),
        ((".", "--order", "loudest"), 2, "loudest"),
        ((".", "--listen", "here"), 2, "no address to listen on"),
        ((".", "--listen", "unix:/tmp/x"), 2, "TCP"),
        ((".", "--state", "odd"), 2, "no state of"),
        ((".", "--state", "no/such/folder"), 4, "can't be written"),
    ],
)
def test_what_can_not_be_served_is_said(
    agent: FakeAgent,
    words: tuple[str, ...],
    code: int,
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "odd").write_text("[]")
    assert run(["next-track", *words], agent.operator()) == code
    captured = capsys.readouterr()
    assert (sentence in captured.err, captured.out) == (True, "")


def test_a_busy_port_is_3(agent: FakeAgent, tmp_path: Path, capsys: Capture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        words = ["next-track", str(tmp_path), "--listen", place]
        assert run(words, agent.operator()) == 3
    assert "Nobody can listen" in capsys.readouterr().err


# --- over the wire ----------------------------------------------------------------


@contextlib.asynccontextmanager
async def listening(place: Path) -> AsyncIterator[int]:
    listener = await asyncio.start_server(server(place).converse, "127.0.0.1", 0)
    async with listener:
        yield listener.sockets[0].getsockname()[1]


async def exchange(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    return answer


GET = b"GET /next%s HTTP/1.1\r\nHost: x\r\n%s\r\n"


async def test_text_unless_json_is_asked_for(music: Path) -> None:
    async with listening(music) as port:
        head, _, text = (await exchange(port, GET % (b"", b""))).partition(b"\r\n\r\n")
        assert text.decode() == f"{music}/a.mp3\n"
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"Content-Type: text/plain; charset=utf-8" in head
        accept = b"Accept: application/json\r\n"
        answer = await exchange(port, GET % (b"?station=x", accept))
        head, _, text = answer.partition(b"\r\n\r\n")
        assert b"Content-Type: application/json" in head
        assert json.loads(text)["path"] == f"{music}/jazz/b.flac"


async def test_an_empty_folder_is_204_without_a_body(tmp_path: Path) -> None:
    async with listening(tmp_path) as port:
        answer = await exchange(port, GET % (b"", b""))
    assert answer.startswith(b"HTTP/1.1 204 No Content\r\n")
    assert answer.endswith(b"\r\n\r\n")
    assert b"Content-" not in answer.replace(b"X-Content-", b"")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"\x16\x03\x01 hello\r\n\r\n", b"400"),
        (b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n" % (b"x" * 2 * LARGEST_HEAD), b"431"),
        (
            b"POST /queue HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s"
            % (LARGEST_BODY + 1, b"x" * (LARGEST_BODY + 1)),
            b"413",
        ),
        (b"POST /queue HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nxyz", b"422"),
        (b"DELETE /queue HTTP/1.1\r\nHost: x\r\n\r\n", b"405"),
    ],
    ids=["no HTTP", "head", "body", "no track", "method"],
)
async def test_what_is_refused_is_refused_in_http(
    music: Path, request_: bytes, status: bytes
) -> None:
    async with listening(music) as port:
        answer = await exchange(port, request_)
        assert answer.split()[1] == status
        # And the next one is served.
        assert b" 200 OK" in await exchange(port, GET % (b"", b""))


async def test_nobody_is_waited_for(
    music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(track_server, "REQUEST_WITHIN", 0.1)
    async with listening(music) as port:
        assert await exchange(port, b"GET /next HTTP/1.1\r\nHost:") == b""


async def test_connections_beyond_the_bound_are_hung_up_on(music: Path) -> None:
    async with listening(music) as port:
        silent = [
            await asyncio.open_connection("127.0.0.1", port)
            for _ in range(MOST_CONNECTIONS)
        ]
        with contextlib.suppress(ConnectionError):
            assert await exchange(port, GET % (b"", b"")) == b""
        for _, writer in silent:
            writer.close()

        async def served() -> bool:
            with contextlib.suppress(ConnectionError):
                return b" 200 OK" in await exchange(port, GET % (b"", b""))
            return False

        await aeventually(served, within=5)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)]
)
async def test_a_signal_ends_it_cleanly(
    music: Path, number: signal.Signals, code: int
) -> None:
    child = await asyncio.create_subprocess_exec(
        *(str(Path(sys.executable).with_name("sessiond")), "next-track", str(music)),
        *("--listen", "127.0.0.1:0", "--json"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert child.stdout is not None
    told = json.loads(await child.stdout.readline())
    assert told["event"] == "serving"
    assert told["what"].startswith("2 tracks on http://127.0.0.1:")
    port = int(told["what"].rpartition(":")[2].removesuffix("/next"))
    # Who has asked for nothing yet holds nothing up.
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    assert b" 200 OK" in await exchange(port, GET % (b"", b""))
    child.send_signal(number)
    out, err = await child.communicate()
    assert (child.returncode, b"Traceback" in err) == (code, False)
    assert json.loads(out)["event"] == "next"
    with contextlib.suppress(ConnectionError):
        assert await reader.read() == b""
    writer.close()
