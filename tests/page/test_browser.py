"""The listener page in a real browser, beside a station that can be broken."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import segno
from playwright.async_api import Browser

from sessiond.core.page import live_document, mounts_document
from sessiond.core.spec import Codec, HostRef, MountSpec, SessionSpec
from sessiond.page import write_page
from sessiond.units import HostName, Kbps, MountPath, SessionName
from tests.support.browser import DESKTOP, PHONE, Visit, browsing, visit
from tests.support.eventually import aeventually
from tests.support.fakestation import FakeStation, fake_station

pytestmark = [pytest.mark.real, pytest.mark.timeout(90)]

SESSION = "friday-jam"
MIX, ALONE = "/mix.ogg", "/dj1.mp3"
PITCHES = {MIX: 440, ALONE: 550}
SPEC = SessionSpec(
    name=SessionName(SESSION),
    hosts=(HostRef(name=HostName("alice")),),
    mounts=(
        MountSpec(
            path=MountPath(MIX),
            codec=Codec.VORBIS,
            bitrate_kbps=Kbps(128),
            name="Everybody",
        ),
        MountSpec(
            path=MountPath(ALONE),
            codec=Codec.MP3,
            bitrate_kbps=Kbps(128),
            name="Only <alice>",
        ),
    ),
)
ON_AIR = {"stream_start_iso8601": "2026-11-22T20:00:00+0000", "listeners": 1}

# Two looks of the page, on a busy machine.
SEEN_WITHIN = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    browser: Browser
    station: FakeStation

    async def enter(self, where: str = "/", *, phone: bool = False) -> Visit:
        address = f"{self.station.address}{where}"
        return await visit(self.browser, address, size=PHONE if phone else DESKTOP)


@asynccontextmanager
async def scene(folder: Path, *, live: bool = False) -> AsyncIterator[Scene]:
    write_page(folder, mounts_document(SPEC, live=live))
    async with fake_station(folder, dict(PITCHES)) as station, browsing() as browser:
        station.tell(mix_ogg=ON_AIR, dj1_mp3=ON_AIR)
        yield Scene(browser=browser, station=station)


def named(nodes: list[tuple[str, str]], role: str) -> Iterator[str]:
    return (name for kind, name in nodes if kind == role)


async def focused(seen: Visit) -> str:
    """Return what a screen reader calls the element that has the focus."""
    found: str = await seen.page.evaluate(
        "document.activeElement.getAttribute('aria-label') ?? "
        "document.activeElement.labels?.[0]?.textContent ?? "
        "document.activeElement.textContent"
    )
    return found.strip()


async def press_until(seen: Visit, name: str) -> None:
    """Press Tab until the focus is there; a person would give up earlier."""
    for _ in range(12):
        await seen.page.keyboard.press("Tab")
        if await focused(seen) == name:
            return
    raise AssertionError(f"Tab does not lead to {name!r}")


async def test_who_has_no_mouse_and_no_eyes_can_listen_and_share(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path) as at:
        seen = await at.enter()
        await aeventually(lambda: seen.look(MIX), within=SEEN_WITHIN)
        nodes = await seen.nodes()
        assert [*named(nodes, "heading")] == [SESSION, "Everybody", "Only <alice>"]
        assert [*named(nodes, "article")] == ["Everybody", "Only <alice>"]
        assert [*named(nodes, "meter")] == ["Level", "Level"]
        assert "main" in dict(nodes)
        assert "status" in dict(nodes)
        operable = [n for n in nodes if n[0] in {"button", "link", "textbox"}]
        assert operable == [
            ("button", "Play Everybody"),
            ("button", "Share Everybody"),
            ("button", "Play Only <alice>"),
            ("button", "Share Only <alice>"),
        ]

        await press_until(seen, "Play Everybody")
        await seen.page.keyboard.press("Enter")
        await seen.plays(MIX)
        await seen.hears(MIX, [PITCHES[MIX]])
        assert await focused(seen) == "Stop Everybody"

        # A new title is there and is said.
        title = "Carla <b>Bley</b> & band – Ida Lupino"
        at.station.tell(mix_ogg={**ON_AIR, "title": title}, dj1_mp3=ON_AIR)

        async def told() -> bool:
            assert (await seen.look(MIX))["title"] == title
            said = await seen.page.locator("#announcer").text_content()
            return said == f"Everybody: {title}"

        await aeventually(told, within=SEEN_WITHIN)
        assert await seen.page.get_by_text(title).first.is_visible()

        # One mount at a time: another one stops the first.
        await press_until(seen, "Play Only <alice>")
        await seen.page.keyboard.press("Space")
        await seen.plays(ALONE)
        await seen.hears(ALONE, [PITCHES[ALONE]])
        assert (await seen.look(MIX))["state"] == "stopped"
        await seen.page.keyboard.press("Space")
        assert (await seen.look(ALONE))["state"] == "stopped"

        await press_until(seen, "Share Only <alice>")
        await seen.page.keyboard.press("Enter")
        nodes = await seen.nodes()
        assert [*named(nodes, "dialog")] == ["Share Only <alice>"]
        link = f"{at.station.address}/#dj1.mp3"
        assert f"QR code of {link}" in {name for _, name in nodes}
        assert await seen.page.input_value("#share-link") == link
        stream = f"{at.station.address}{ALONE}"
        assert await seen.page.input_value("#share-stream") == stream
        embedding = await seen.page.input_value("#share-embed")
        assert "embed.html?mount=%2Fdj1.mp3" in embedding
        assert "<alice" not in embedding
        await seen.page.keyboard.press("Escape")
        assert await focused(seen) == "Share Only <alice>"

        assert seen.servers == {at.station.address.removeprefix("http://")}
        assert seen.complaints == []


async def test_a_stream_that_ends_is_back_without_a_click(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        seen = await at.enter()
        await seen.page.get_by_role("button", name="Play Only <alice>").click()
        await seen.plays(ALONE)
        assert at.station.asked[ALONE] == 1

        async def again(times: int) -> bool:
            return at.station.asked[ALONE] >= times

        at.station.hang_up()
        await aeventually(lambda: again(2), within=SEEN_WITHIN + 5)
        await seen.plays(ALONE)

        # Off the air: it is asked for less and less often, and says so.
        del at.station.mounts[ALONE]
        at.station.tell(mix_ogg=ON_AIR)
        at.station.hang_up()
        await aeventually(lambda: again(3), within=20)
        assert (await seen.look(ALONE))["state"] == "retrying"
        note = seen.page.get_by_text("coming back by itself")
        await aeventually(note.is_visible, within=SEEN_WITHIN)
        assert at.station.asked[ALONE] < 8

        # On the air again: at once, not only when the next try is due.
        at.station.mounts[ALONE] = 660
        at.station.tell(mix_ogg=ON_AIR, dj1_mp3=ON_AIR)
        await seen.plays(ALONE)
        await seen.hears(ALONE, [660])
        assert seen.complaints == []


async def test_the_page_believes_the_session_first_and_broken_pages_never(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path, live=True) as at:
        source = {"listenurl": "http://x/mix.ogg", **ON_AIR, "listeners": 5}
        page = json.dumps({"icestats": {"source": [source]}}, separators=(",", ":"))
        at.station.status = page.replace("}]", ',"title":007,"dummy":null}]')
        live = tmp_path / "live.json"
        live.write_text(live_document(SPEC, (), {}, beat=1, filler=True))
        seen = await at.enter(phone=True)

        async def shows(path: str, condition: str, listeners: int, title: str) -> bool:
            found = await seen.look(path)
            told = (found["condition"], found["listeners"], found["title"])
            assert told == (condition, listeners, title), told
            return True

        await aeventually(lambda: shows(MIX, "filler", 0, ""), within=SEEN_WITHIN)
        # Nobody writes it any more: Icecast is asked, whose page is no JSON.
        await aeventually(lambda: shows(MIX, "on-air", 5, "007"), within=20)
        await aeventually(lambda: shows(ALONE, "off-air", 0, ""), within=1)
        live.write_text(live_document(SPEC, (), {}, beat=2, filler=False))
        await aeventually(lambda: shows(MIX, "on-air", 0, ""), within=SEEN_WITHIN)
        assert seen.complaints == []


async def test_it_fits_a_phone_by_day_and_night(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        seen = await at.enter(phone=True)
        await aeventually(lambda: seen.look(MIX), within=SEEN_WITHIN)
        await seen.page.get_by_role("button", name="Share Everybody").tap()
        sizes = await seen.page.evaluate(
            "[document.documentElement.scrollWidth,"
            " ...[...document.querySelectorAll('button')]"
            "   .filter((b) => b.offsetParent).map((b) => b.offsetHeight)]"
        )
        assert sizes[0] == PHONE[0], "it scrolls sideways"
        assert len(sizes) > 5
        # As large as a finger wants it.
        assert min(sizes[1:]) >= 44
        await seen.page.get_by_role("button", name="Close").tap()
        assert not await seen.page.get_by_role("dialog").is_visible()

        paper = "getComputedStyle(document.body).backgroundColor"
        assert await seen.page.evaluate(paper) == "rgb(243, 238, 228)"
        await seen.page.emulate_media(color_scheme="dark")
        assert await seen.page.evaluate(paper) == "rgb(18, 17, 15)"


async def test_one_mount_is_embedded_and_codes_are_what_segno_makes(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path) as at:
        seen = await at.enter("/embed.html?mount=/dj1.mp3")
        await aeventually(lambda: seen.look(ALONE), within=SEEN_WITHIN)
        nodes = await seen.nodes()
        assert [*named(nodes, "heading")] == ["Only <alice>"]
        assert [*named(nodes, "link")] == [SESSION]
        await seen.page.get_by_role("button", name="Play Only <alice>").click()
        await seen.plays(ALONE)
        await seen.hears(ALONE, [PITCHES[ALONE]])
        assert seen.complaints == []

        await seen.page.goto(f"{at.station.address}/embed.html?mount=/absent.ogg")
        note = seen.page.get_by_text(f"{SESSION} has no mount /absent.ogg.")
        await aeventually(note.is_visible, within=SEEN_WITHIN)

        # As many bytes as each version holds: segno pads shorter texts otherwise.
        sizes = [14, 26, 42, 62, 84, 106, 122, 152, 180, 213]
        texts = ["https://radio.example/"[:size].ljust(size, "x") for size in sizes]
        made = await seen.page.evaluate(
            "async (texts) => { const { qrCode } = await import('/page/qr.js');"
            " return texts.map((text) => qrCode(text)); }",
            [*texts, "x" * 214],
        )
        assert made.pop() is None
        for text, code in zip(texts, made, strict=True):
            assert code in _codes(text), f"no code of {len(text)} bytes"


def _codes(text: str) -> list[list[list[bool]]]:
    """Return segno's code of a text with each mask: which is best is a judgement."""
    made = (
        segno.make(
            text.encode(),
            error="m",
            mode="byte",
            mask=mask,
            boost_error=False,
            micro=False,
        )
        for mask in range(8)
    )
    return [[[bool(dark) for dark in row] for row in code.matrix] for code in made]
