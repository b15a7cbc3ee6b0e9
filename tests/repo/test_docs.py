"""What the documents promise is there."""

import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from sessiond.core.conditions import Reason
from tests.repo.tree import ROOT, text, tracked

FENCE = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
OURS = re.compile(r"^(?:\$ |# )?(?:sudo )?(sessiond(?:-agent)?(?: .*)?|\./deploy/.*)$")
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")


def commands(document: str) -> Iterator[list[str]]:
    """Yield the words of each of our commands that a document shows."""
    lines = [line for block in FENCE.findall(document) for line in block.splitlines()]
    lines += INLINE.findall(FENCE.sub("", document))
    for line in lines:
        if match := OURS.match(line.strip()):
            shown = match[1].split(" #")[0]
            yield re.split(r"\s+|[|=…]", shown)


def shown(names: tuple[str, ...] = ("README.md", "docs/runbook.md")) -> set[str]:
    return {" ".join(words) for name in names for words in commands(text(Path(name)))}


@cache
def usage(name: str) -> str:
    """Return what a program says about itself."""
    program = str(Path(sys.executable).with_name(name))
    asked = (program, "--help")
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{name}: {done.stderr}"
    return done.stdout


def check(words: list[str]) -> None:
    """Fail unless the program has this command with these options."""
    program, *rest = words
    if program.startswith("./deploy/"):
        assert (ROOT / program).is_file(), program
        return
    if program == "sessiond":
        return  # test_readme has click take the whole line, in this process
    told = usage(program)
    for option in (word for word in rest if word.startswith("--")):
        assert option in told, f"{words}: {option}"


def test_every_command_in_the_readme_and_the_runbook_is_true() -> None:
    found = shown()
    assert found
    for line in sorted(found):
        check(line.split())


def test_the_runbook_has_one_heading_for_each_reason() -> None:
    headings = re.findall(
        r"^#+ `?(\w+)`?$", text(Path("docs/runbook.md")), re.MULTILINE
    )
    for reason in Reason:
        assert headings.count(reason) == 1, reason


def test_links_between_documents_lead_somewhere() -> None:
    dead = {
        f"{path}: {target}"
        for path in tracked()
        if path.suffix == ".md"
        for target in LINK.findall(text(path))
        if not (ROOT / path.parent / target).exists()
    }
    assert not dead
