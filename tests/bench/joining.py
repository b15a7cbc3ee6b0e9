"""How long it takes to belong: a host by a link, and a viewer on another computer.

Agents alone, without JACK: what a join costs has nothing to do with sound. Nobody is of
a studio, and the two hosts are in two networks.
"""

import tempfile
import time
from pathlib import Path
from typing import Final

from tests.bench.figures import Row, spread
from tests.support.eventually import eventually
from tests.support.jam import SESSION, Jam, jamming
from tests.support.written import written

FIRST: Final = "alice"
JOINER: Final = "bob"
# Has no agent; people sit there.
OTHER: Final = "carol"
_WITHIN: Final = 20.0


def measure(runs: int) -> list[Row]:
    """Return the rows of a host's join and of a viewer's."""
    commands, alive, viewers = [], [], []
    with (
        tempfile.TemporaryDirectory(prefix="sessiond-bench-") as folder,
        jamming(Path(folder), FIRST, JOINER, OTHER, studio=False, far=(JOINER,)) as jam,
    ):
        for name in (FIRST, JOINER):
            jam.start_agent(name)
        jam.await_agents((FIRST, JOINER))
        file = written(jam, (FIRST,), {}, station=False)
        said = jam.operate(FIRST, "create", str(file), "--wait", "0")
        assert said.code == 0, said
        for number in range(runs):
            # The one before has gone for the others, too.
            eventually(lambda: _members(jam) == {FIRST: "alive"}, within=_WITHIN)
            link = _link(jam)
            began = time.monotonic()
            said = jam.operate(JOINER, "join", link)
            commands.append(time.monotonic() - began)
            assert said.code == 0, said
            eventually(lambda: _members(jam).get(JOINER) == "alive", within=_WITHIN)
            alive.append(time.monotonic() - began)
            viewers.append(_looks(jam, Path(folder) / f"viewer-{number}"))
            assert jam.operate(FIRST, "remove", SESSION, JOINER).code == 0
    return [
        Row(
            figure="sessiond join, a host, whole process",
            measured=spread(commands, "s"),
            goal="≤ 1 s",
            note="a member when it returns; two networks with a router between",
        ),
        Row(
            figure="the same, until the others' status shows it alive",
            measured=spread(alive, "s"),
            note="looked for with `sessiond status`",
        ),
        Row(
            figure="sessiond join, a viewer, whole process",
            measured=spread(viewers, "s"),
            goal="≤ 1 s",
            note="makes the viewer's key, too",
        ),
    ]


def _link(jam: Jam, *role: str) -> str:
    said = jam.operate(FIRST, "invite", SESSION, *role)
    assert said.code == 0, said
    return said.out.strip()


def _members(jam: Jam) -> dict[str, str]:
    return {host["name"]: host["state"] for host in jam.status(FIRST)["hosts"]}


def _looks(jam: Jam, identity: Path) -> float:
    """Return how long it takes to become a viewer."""
    link = _link(jam, "--viewer")
    began = time.monotonic()
    said = jam.personally(OTHER, identity, "join", link, "--as", identity.name)
    took = time.monotonic() - began
    assert said.code == 0, said
    return took
