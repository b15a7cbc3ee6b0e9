"""A real browser as a listener has one, and what it makes of the listener page.

Debian's Chromium, driven by Playwright. It has no flag that lets it play without a
click, and the page's own security policy is in force.
"""

import os
from base64 import b64decode
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import numpy as np
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright

from sessiond.units import Hertz
from tests.support.ear import Pcm, tones
from tests.support.eventually import aeventually

CHROMIUM: Final = "/usr/bin/chromium"

# Chromium's sandbox does not start for root, as CI is.
_FLAGS: Final = ("--no-sandbox",) if os.geteuid() == 0 else ()

PHONE: Final = (390, 844)
DESKTOP: Final = (1280, 900)

# A mount's first page takes Icecast up to 2.4 s, a busy machine much longer.
PLAYS_WITHIN: Final = 20.0

# The card of a mount: its module is the one that the page runs.
_CARD: Final = """
  const card = document.body.classList.contains("embedded")
    ? (await import("/page/embed.js")).card
    : (await import("/page/app.js")).cards.get(path);
"""

_LOOK: Final = f"""async (path) => {{{_CARD}
  if (!card) return null;
  const {{ player }} = card;
  return {{
    condition: card.condition,
    state: player.state,
    paused: player.audio.paused,
    position: player.audio.currentTime,
    title: card.title,
    listeners: card.listeners,
    silent: player.silent,
  }};
}}"""

# The last third of a second on both channels, as the page's own analysers have it: as
# 16 bits in base64, because a browser takes long to write so many numbers as text.
_SOUND: Final = f"""async (path) => {{{_CARD}
  const channels = card.player.analysers.map((analyser) => {{
    analyser.fftSize = 16384;
    const samples = new Float32Array(analyser.fftSize);
    analyser.getFloatTimeDomainData(samples);
    const words = Int16Array.from(samples, (sample) => Math.round(sample * 32767));
    return btoa(Array.from(new Uint8Array(words.buffer), (byte) =>
      String.fromCharCode(byte)).join(""));
  }});
  return {{ rate: card.player.analysers[0].context.sampleRate, channels }};
}}"""

# Writes down whatever would be heard as an interruption.
_WATCH: Final = f"""async (path) => {{{_CARD}
  window.interruptions = [];
  for (const name of ["pause", "ended", "error", "emptied", "abort", "loadstart"])
    card.player.audio.addEventListener(name, () => window.interruptions.push(name));
}}"""


@dataclass(slots=True, kw_only=True)
class Visit:
    """One page open in the browser, seen by someone who never clicks on their own.

    Attributes:
        requests: Every address that the page has asked for.
        complaints: What the browser's console says is wrong.
    """

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

        def console(message: ConsoleMessage) -> None:
            # A mount that is off the air is a 404, and no fault of the page.
            if message.type == "error" and "404" not in message.text:
                self.complaints.append(message.text)

        self.page.on("console", console)

    @property
    def servers(self) -> frozenset[str]:
        """Whom the page has asked for anything: HOST:PORT."""
        return frozenset(urlsplit(address).netloc for address in self.requests)

    async def look(self, path: str) -> Mapping[str, Any]:
        """Return what the card of a mount is at."""
        found: dict[str, Any] | None = await self.page.evaluate(_LOOK, path)
        assert found is not None, f"the page has no card for {path} yet"
        return found

    async def plays(self, path: str) -> None:
        """Return once a mount is being played."""

        async def playing() -> bool:
            seen = await self.look(path)
            assert seen["state"] == "playing", seen
            return bool(seen["position"] > 0)

        await aeventually(playing, within=PLAYS_WITHIN)

    async def hears(self, path: str, sines: Sequence[int]) -> None:
        """Return once exactly these sines are what is played of a mount."""

        async def heard() -> bool:
            found = tones(await self._sound(path))
            assert found == frozenset(sines), f"{path} sounds of {sorted(found)}"
            return True

        await aeventually(heard, within=PLAYS_WITHIN)

    async def _sound(self, path: str) -> Pcm:
        found = await self.page.evaluate(_SOUND, path)
        words = [np.frombuffer(b64decode(c), dtype="<i2") for c in found["channels"]]
        samples = np.stack(words, axis=1).astype(np.float32) / np.float32(32767)
        return Pcm(rate_hz=Hertz(int(found["rate"])), samples=samples)

    async def watch(self, path: str) -> None:
        """Write down from now on what interrupts a mount."""
        await self.page.evaluate(_WATCH, path)

    async def interruptions(self) -> list[str]:
        """Return what has interrupted the mount since `watch`."""
        found: list[str] = await self.page.evaluate("window.interruptions")
        return found

    async def nodes(self) -> list[tuple[str, str]]:
        """Return role and name of all that a screen reader is told of, in order."""
        session = await self.page.context.new_cdp_session(self.page)
        tree = await session.send("Accessibility.getFullAXTree")
        await session.detach()
        return [
            (node["role"]["value"], node.get("name", {}).get("value", ""))
            for node in tree["nodes"]
            if not node["ignored"]
        ]


@asynccontextmanager
async def browsing() -> AsyncIterator[Browser]:
    """Run a browser of its own."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=list(_FLAGS)
        )
        try:
            yield browser
        finally:
            await browser.close()


async def visit(
    browser: Browser, address: str, *, size: tuple[int, int] = DESKTOP
) -> Visit:
    """Open an address in a window of its own, as someone who was never there.

    Whoever signed the server's certificate is believed, as a test signs its own.
    """
    width, height = size
    context = await browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="light",
        has_touch=size == PHONE,
        ignore_https_errors=True,
    )
    seen = Visit(page=await context.new_page())
    await seen.page.goto(address)
    return seen
