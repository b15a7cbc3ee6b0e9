"""The whole command line as a process, over gRPC, to an agent that answers values."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sessiond.errors import Broken
from sessiond.wire.server import open_server
from tests.cli import pictures
from tests.cli.fakeagent import FakeAgent
from tests.support.identities import identity_of, trusting

PROGRAM = (sys.executable, "-c", "from sessiond.cli.main import main; main()")


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


async def sessiond(where: str, *arguments: str) -> Ended:
    process = await asyncio.create_subprocess_exec(
        *PROGRAM,
        "--agent",
        where,
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


def keep(file: Path, text: str) -> None:
    file.write_text(text)


def fail(method: str, error: Exception) -> None:
    raise AssertionError(method) from error


@pytest.fixture
async def where(agent: FakeAgent, tmp_path: Path) -> AsyncIterator[str]:
    address = f"unix:{tmp_path}/agent.sock"
    server = await open_server(
        [address],
        identity=identity_of("server"),
        trust=trusting(),
        agent=agent,
        membership=agent,
        on_fault=fail,
    )
    yield address
    await server.close()


async def test_status(where: str) -> None:
    ended = await sessiond(where, "status")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("friday-jam  degraded  3.2   leader alice")
    assert all(line == line.rstrip() for line in ended.out.splitlines())
    ended = await sessiond(where, "status", "--json")
    assert json.loads(ended.out)["hosts"][0]["strips"][0]["peak_db"] is None


async def test_create_leaves_when_the_mounts_are_live(
    agent: FakeAgent, where: str, file: Path
) -> None:
    agent.pictures, agent.stays = (pictures.FORMING, pictures.LIVE), True
    ended = await sessiond(where, "create", str(file))
    assert (ended.code, ended.err) == (0, "")
    assert "Listen: http://192.168.1.20:8000/mix.ogg" in ended.out


async def test_apply_of_a_printed_spec_changes_nothing(
    agent: FakeAgent, where: str, file: Path
) -> None:
    keep(file, (await sessiond(where, "spec", "friday-jam")).out)
    ended = await sessiond(where, "apply", str(file))
    assert (ended.code, ended.out) == (0, "friday-jam is as the file says already.\n")
    assert [call[0] for call in agent.asked] == ["spec", "spec"]


async def test_errors_arrive_as_they_were_raised(agent: FakeAgent, where: str) -> None:
    agent.error = Broken("The password is wrong.", "Look at source.password.")
    ended = await sessiond(where, "stop", "friday-jam")
    assert ended.code == 4
    assert ended.err == (
        "error: The password is wrong.\nhint: Look at source.password.\n"
    )


async def test_an_absent_agent_is_3(tmp_path: Path) -> None:
    ended = await sessiond(f"unix:{tmp_path}/none.sock", "status")
    assert (ended.code, ended.out) == (3, "")
    assert ended.err.startswith("error: ")
    assert "hint: " in ended.err
