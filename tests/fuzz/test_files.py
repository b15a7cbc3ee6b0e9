"""A session or agent file is a value or `BadFile`, whatever is written in it."""

import re
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sessiond.core.configfile import HostDefaults, parse_config
from sessiond.core.mistakes import BadFile
from sessiond.core.specfile import parse_spec
from sessiond.core.specwriter import format_spec
from tests.fuzz.inputs import BATCH, arbitrary, examples, scrambled, toml

EXAMPLES = examples(2, share=1)
ROOT = Path(__file__).parents[2]
SESSIONS = tuple(
    path.read_text() for path in sorted(ROOT.glob("deploy/examples/[!a]*.toml"))
)
AGENTS = ((ROOT / "deploy/examples/agent.toml").read_text(),)
DEFAULTS = HostDefaults(host_name="x", state_dir="/x", advertise="192.0.2.1")


def read_session(text: str) -> None:
    written = parse_spec(text)
    again = parse_spec(format_spec(written.spec, written.based_on))
    assert (again.spec, again.based_on) == (written.spec, written.based_on)


def read_agent(text: str) -> None:
    config = parse_config(text, DEFAULTS)
    assert config.state_dir.startswith("/")


READERS: dict[str, tuple[Callable[[str], None], tuple[str, ...]]] = {
    "session": (read_session, SESSIONS),
    "agent": (read_agent, AGENTS),
}


def keys_of(files: tuple[str, ...]) -> tuple[str, ...]:
    """Return what the examples name, and keys that are none."""
    found = {
        key
        for file in files
        for key in re.findall(r"^\[*([a-z_]+)", file, re.MULTILINE)
    }
    return (*sorted(found), "icecast.host", '"ä b"', "hosts", "''", "mount.x")


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", READERS)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32 - 1), text=st.text(max_size=200))
def test_no_file_does_more_than_be_refused(kind: str, seed: int, text: str) -> None:
    read, files = READERS[kind]
    random = Random(seed)  # noqa: S311  nothing secret
    keys = keys_of(files)
    for turn in range(BATCH):
        if turn == 0:
            content = text
        elif turn == 1:
            content = arbitrary(random).decode("latin-1")
        elif turn % 4 == 0:
            lines = (f"{random.choice(keys)} = {toml(random)}" for _ in range(4))
            content = "\n".join(lines)
        else:
            content = scrambled(random, random.choice(files), keys)
        take(read, content)


def take(read: Callable[[str], None], content: str) -> None:
    """Read a file; its mistakes are named, and no terminal obeys them."""
    mistakes = BadFile("none", ())
    try:
        read(content)
    except BadFile as e:
        mistakes = e
    except Exception as e:
        e.add_note(f"in {content[:4000]!r}")
        raise
    assert mistakes.title == "none" or mistakes.mistakes, content
    assert "\x1b" not in mistakes.hint, content
