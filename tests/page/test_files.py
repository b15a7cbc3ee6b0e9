"""What can be seen of the listener page without a browser."""

import json
import re
from pathlib import Path
from types import MappingProxyType

import pytest

import sessiond.page
from sessiond.page import write_anew, write_page

WEB = Path(sessiond.page.__file__).parent / "web"
CODE = tuple(p for p in WEB.rglob("*") if p.suffix in {".html", ".js", ".css", ".svg"})
STYLE = (WEB / "page/style.css").read_text()

# Of WCAG 2.2: text (1.4.3), and what one must see to use the page (1.4.11).
TEXT = 4.5
CONTROLS = 3.0


def test_there_is_a_page() -> None:
    assert {"index.html", "embed.html"} <= {path.name for path in CODE}
    assert len([path for path in CODE if path.suffix == ".js"]) >= 5


@pytest.mark.parametrize("path", CODE, ids=lambda path: path.name)
def test_nothing_is_asked_of_anybody_else(path: Path) -> None:
    addresses = re.findall(r"\bhttps?://[^\s\"'`)]+", path.read_text())
    assert set(addresses) <= {"http://www.w3.org/2000/svg"}


@pytest.mark.parametrize("name", ["index.html", "embed.html"])
def test_what_the_page_names_is_there(name: str) -> None:
    page = (WEB / name).read_text()
    named = re.findall(r'(?:src|href)="([^"#]+)"', page)
    assert {"page/style.css", "page/icon.svg"} <= set(named)
    assert all((WEB / file).is_file() for file in named)
    assert '<html lang="en">' in page
    assert 'name="viewport"' in page
    assert "unsafe" not in page
    assert not re.search(r"<script(?![^>]* src=)|\son[a-z]+=|\sstyle=", page)


@pytest.mark.parametrize("path", [p for p in CODE if p.suffix == ".js"])
def test_every_module_that_is_imported_is_there(path: Path) -> None:
    for name in re.findall(r'from "(.+?)"', path.read_text()):
        assert (path.parent / name).is_file()
    assert "innerHTML" not in path.read_text()


def palette(dark: bool) -> MappingProxyType[str, str]:
    """Return the colours of a scheme by their names."""
    blocks = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
    light, night = (dict(re.findall(r"--([a-z-]+): (#[0-9a-f]+);", b)) for b in blocks)
    return MappingProxyType({**light, **night} if dark else light)


def luminance(colour: str) -> float:
    """Return a colour's relative luminance, as WCAG 2.2 defines it."""
    digits = colour[1:] if len(colour) == 7 else "".join(c * 2 for c in colour[1:])
    shares = (int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4))
    red, green, blue = (
        s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    bright, dim = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize(
    ("colour", "on", "least"),
    [
        ("ink", "paper", TEXT),
        ("ink", "card", TEXT),
        ("soft", "paper", TEXT),
        ("soft", "card", TEXT),
        ("signal", "card", TEXT),
        ("on-signal", "signal", TEXT),
        ("signal", "paper", CONTROLS),
        ("line", "card", CONTROLS),
        ("line", "paper", CONTROLS),
    ],
)
def test_colours_can_be_told_apart(
    dark: bool, colour: str, on: str, least: float
) -> None:
    colours = palette(dark)
    assert contrast(colours[colour], colours[on]) >= least


def test_black_on_white_is_the_most() -> None:
    assert contrast("#000000", "#fff") == pytest.approx(21)


def test_the_page_is_written_for_everybody_to_read(tmp_path: Path) -> None:
    folder = tmp_path / "srv" / "radio"
    write_page(folder, '{"mounts": []}')
    written = {p.relative_to(folder) for p in folder.rglob("*") if p.is_file()}
    files = {p.relative_to(WEB) for p in WEB.rglob("*") if p.is_file()}
    assert written == {*files, Path("mounts.json")}
    assert json.loads((folder / "mounts.json").read_text()) == {"mounts": []}
    for path in folder.rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o755 if path.is_dir() else 0o644)


def test_what_is_right_already_is_not_touched(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    write_anew(file, b"one")
    first = file.stat()
    write_anew(file, b"one")
    assert file.stat().st_ino == first.st_ino
    write_anew(file, b"two")
    assert (file.read_bytes(), file.stat().st_ino == first.st_ino) == (b"two", False)


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "a.txt").symlink_to(tmp_path / "precious")
    write_anew(tmp_path / "a.txt", b"page")
    assert (tmp_path / "precious").read_text() == "mine"
    assert (tmp_path / "a.txt").read_bytes() == b"page"
