"""The README is true: its commands parse, its files are there, its TOML is valid."""

import re
import shlex
from pathlib import Path

import click

from sessiond.cli.main import commands as command_line
from sessiond.core.configfile import HostDefaults, parse_config
from sessiond.core.specfile import parse_spec
from tests.repo.test_docs import commands
from tests.repo.tree import ROOT, text, tracked

README = Path("README.md")
DOCS = [p for p in tracked() if p.suffix == ".md"]

TOML = re.compile(r"^```toml\n(.*?)^```", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"`((?:deploy|docs|proto|sessiond|agent|tests)/[\w./-]+)`")
# What a reader chooses, or finds on the screen, stands for itself.
REDIRECTED = re.compile(r"\s[<>|].*$")


def shown(document: Path) -> set[str]:
    """Return each ``sessiond …`` command of a document as one line."""
    lines = {" ".join(words) for words in commands(text(document))}
    return {
        REDIRECTED.sub("", line)
        for line in lines
        if line.startswith("sessiond ") and "…" not in line
    }


def parse(line: str) -> str:
    """Return a line's command once click has taken its arguments; nothing is run.

    A name that stands alone is a mention, and may lack its arguments.

    Raises:
        click.UsageError: There is no such command, option or argument.
    """
    _, *words = shlex.split(line)
    if words[0] == "--agent":
        words = words[2:]
    name, *rest = words
    group = click.Context(command_line, info_name="sessiond")
    command = command_line.get_command(group, name)
    assert command is not None, line
    if rest:
        with command.make_context(name, rest, parent=group):
            pass
    return name


def test_every_command_parses() -> None:
    lines = {line for document in DOCS for line in shown(document)}
    assert len(lines) > 20
    for line in sorted(lines):
        assert parse(line)


def test_every_command_of_the_command_line_is_shown() -> None:
    told = {parse(line) for line in shown(README)}
    names = command_line.list_commands(click.Context(command_line))
    # `demo` is what quickstart runs; apply and the like must be met by a reader.
    assert set(names) - told <= {"demo"}


def test_every_file_that_a_document_names_is_there() -> None:
    absent = {
        f"{document}: {name}"
        for document in DOCS
        for name in NAMED.findall(text(document))
        if not (ROOT / name).exists()
    }
    assert not absent


def test_every_session_and_agent_file_in_the_readme_is_valid() -> None:
    defaults = HostDefaults(host_name="x", state_dir="/x", advertise="192.0.2.1")
    files = TOML.findall(text(README))
    assert len(files) >= 2
    for file in files:
        if "hosts" in file:
            assert parse_spec(file).spec.mounts
        else:
            assert parse_config(file, defaults).audio.inputs
