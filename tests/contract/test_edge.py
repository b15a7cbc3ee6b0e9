"""The shipped nginx before a real Icecast: what the public gets, and when."""

import asyncio
import contextlib
import ssl
import statistics
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Frame

from sessiond.core.icecast_config import WEB_FOLDER
from sessiond.core.page import INDEX, TYPES, mounts_document
from sessiond.core.spec import Codec, HostRef, MountSpec, SessionSpec
from sessiond.page import write_page
from sessiond.units import HostName, Kbps, MountPath, SessionName
from tests.support.browser import browsing, visit
from tests.support.ear import Heard, decode, listening, tones
from tests.support.edge import Edge, edge, replaced
from tests.support.eventually import aeventually, asteadily
from tests.support.icecast import ADDRESS, RealIcecast, icecast
from tests.support.sines import PLAIN, feeding

pytestmark = pytest.mark.real

# So few bytes a second that one of nginx's buffers would hold back two seconds.
SLOW = MountSpec(path=MountPath("/slow.mp3"), codec=Codec.MP3, bitrate_kbps=Kbps(16))
SLOW_RATE_HZ = 16000
# Of the slow one a browser waits half a minute for as much as it wants to begin with.
FAST = MountSpec(path=MountPath("/fast.mp3"), codec=Codec.MP3, bitrate_kbps=Kbps(192))
PITCH = 440
SPEC = SessionSpec(
    name=SessionName("friday-jam"),
    hosts=(HostRef(name=HostName("alice")),),
    mounts=(SLOW, FAST),
)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Make a folder that the servers' own users can look into; pytest's are private."""
    with tempfile.TemporaryDirectory() as name:
        made = Path(name)
        made.chmod(0o755)
        yield made


@pytest.fixture
def web(folder: Path) -> Path:
    """Put the listener page where Icecast finds it, beside its own pages."""
    made = folder / "web"
    write_page(made, mounts_document(SPEC))
    for own in Path(WEB_FOLDER).iterdir():
        (made / own.name).symlink_to(own)
    return made


@pytest.fixture
async def station(folder: Path, web: Path) -> AsyncIterator[RealIcecast]:
    types = f"<mime-types>{web / TYPES}</mime-types>"

    def with_page(configuration: str) -> str:
        return replaced(
            configuration,
            (WEB_FOLDER, str(web)),
            ('destination="/status.xsl"', f'destination="{INDEX}"'),
            ("</icecast>", f"{types}</icecast>"),
        )

    async with icecast(SPEC, PLAIN, folder, rewrite=with_page) as server:
        yield server


@pytest.fixture
async def front(station: RealIcecast, folder: Path) -> AsyncIterator[Edge]:
    async with edge(folder, station.port) as made:
        yield made


async def asked(front: Edge, request: str, *, secure: bool = True) -> str:
    """Return an answer's head and body; the request's first line is given."""
    port = front.port if secure else front.plain_port
    trust: ssl.SSLContext | None = front.trust if secure else None
    reader, writer = await asyncio.open_connection(ADDRESS, port, ssl=trust)
    writer.write(f"{request}\r\nHost: radio\r\nConnection: close\r\n\r\n".encode())
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        await writer.wait_closed()
    return answer.decode("latin-1")


REFUSED = (
    "GET /admin/stats",
    "GET /admin/",
    "GET /admin",
    "GET /admin.cgi",
    "GET //admin/listmounts",
    "GET /x/../admin/stats",
    "GET /%61dmin/stats",
    "GET /admin/player.js",
    "POST /admin/metadata?mode=updinfo&mount=/slow.mp3&song=x",
    "PUT /slow.mp3",
    "POST /index.html",
)
PAGE = {
    "/": "text/html",
    "/index.html": "text/html",
    "/embed.html": "text/html",
    "/mounts.json": "application/json",
    "/page/app.js": "text/javascript",
    "/page/style.css": "text/css",
    "/page/icon.svg": "image/svg+xml",
    "/status-json.xsl": "application/json",
}
ABSENT = (
    "GET /slow-standby.mp3",
    "GET /slow-filler.mp3",
    "GET /status.xsl",
    "GET /server_version.xsl",
    "GET /auth.xsl",
    "GET /x.xsl",
    "GET /slow.mp3.xspf",
)


async def test_the_public_gets_the_page_and_the_streams_and_no_more(
    station: RealIcecast, front: Edge
) -> None:
    for line in REFUSED:
        answer = await asked(front, f"{line} HTTP/1.1")
        assert answer.startswith("HTTP/1.1 403 "), line
    for line in ABSENT:
        answer = await asked(front, f"{line} HTTP/1.1")
        assert answer.startswith("HTTP/1.1 404 "), line
        assert "Icecast" not in answer, line
    assert "admin" not in station.log
    page = await asked(front, "GET / HTTP/1.1")
    for name, kind in PAGE.items():
        answer = await asked(front, f"GET {name} HTTP/1.1")
        assert answer.startswith("HTTP/1.1 200 "), name
        assert f"Content-Type: {kind}" in answer, name
    embedded = await asked(front, "GET /embed.html?mount=/slow.mp3 HTTP/1.1")
    assert "frame-ancestors *" in embedded
    assert "frame-ancestors 'self'" in page
    facts = await asked(front, "GET /status-json.xsl HTTP/1.1")
    assert '"icestats"' in facts
    for head in (page.partition("\r\n\r\n")[0], await asked(front, "GET /x HTTP/1.1")):
        assert "Strict-Transport-Security: max-age=31536000" in head
        assert "X-Content-Type-Options: nosniff" in head
        assert "Content-Security-Policy: default-src 'self'" in head
        assert "\r\nServer: nginx\r\n" in head
    moved = await asked(front, "GET /slow.mp3 HTTP/1.1", secure=False)
    assert moved.startswith("HTTP/1.1 301 ")
    assert "Location: https://radio/slow.mp3\r\n" in moved


async def test_icecast_is_not_asked_by_every_page(
    station: RealIcecast, front: Edge
) -> None:
    async with asyncio.TaskGroup() as tasks:
        for _ in range(40):
            tasks.create_task(asked(front, "GET /status-json.xsl HTTP/1.1"))
    assert 1 <= station.log.count("GET /status-json.xsl ") < 20


async def test_a_stream_comes_through_as_it_comes(
    station: RealIcecast, front: Edge
) -> None:
    async with feeding(station, SLOW, PITCH, rate_hz=SLOW_RATE_HZ):
        async with (
            listening(ADDRESS, station.port, SLOW.path) as direct,
            listening(ADDRESS, front.port, SLOW.path, tls=front.trust) as proxied,
        ):
            await aeventually(lambda: direct.chunks and proxied.chunks, within=15)
            await asteadily(lambda: not proxied.finished.is_set(), during=4)
        assert " 200 " in proxied.status
        assert proxied.headers["content-type"] == "audio/mpeg"
        assert tones(decode(proxied.body)) == {PITCH}
        # With buffers it is seconds.
        assert statistics.median(lags(direct, proxied)) < 0.3


@pytest.mark.timeout(90)
async def test_a_browser_plays_behind_it_and_anyone_may_embed_the_player(
    station: RealIcecast, front: Edge, web: Path
) -> None:
    place = f"https://{ADDRESS}:{front.port}"
    async with (
        feeding(station, FAST, PITCH),
        browsing() as chrome,
    ):
        seen = await visit(chrome, f"{place}/")
        await seen.page.get_by_role("button", name="Play fast").click()
        await seen.hears(FAST.path, [PITCH])
        assert seen.servers == {f"{ADDRESS}:{front.port}"}
        assert seen.complaints == []

        # Another scheme and port are another site.
        (web / "elsewhere.html").write_text(
            f'<iframe src="{place}/embed.html?mount={FAST.path}"></iframe>'
            f'<iframe src="{place}/"></iframe>'
        )
        other = f"http://{ADDRESS}:{station.port}/elsewhere.html"
        elsewhere = await visit(chrome, other)
        player = elsewhere.page.frame_locator("iframe >> nth=0")
        await player.locator(".play").click()
        await aeventually(lambda: moves(elsewhere.page.frames[1]), within=20)
        refused = elsewhere.page.frames[2]
        assert not refused.url.startswith(place)


async def moves(frame: Frame) -> bool:
    """Tell whether an embedded player plays."""
    found: float = await frame.evaluate(
        "async () => (await import('/page/embed.js')).card.player.audio.currentTime"
    )
    assert found > 0, found
    return True


def lags(direct: Heard, proxied: Heard) -> list[float]:
    """Return for each chunk's first byte how much later it came than without nginx."""
    sample = proxied.body[len(proxied.body) // 2 :][:256]
    assert len(sample) == 256
    assert direct.body.count(sample) == proxied.body.count(sample) == 1
    at = direct.body.find(sample) - proxied.body.find(sample)
    found = []
    for came, chunk in proxied.chunks:
        if 0 <= at < len(direct.body):
            found.append(came - direct.came_at(at + 1))
        at += len(chunk)
    return found
