"""Who runs a command, and the line to the agent that it speaks to.

The only place of the command line that opens a connection; gRPC is imported when the
first one is, because it takes longer than all else together.
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from sessiond.core.namerules import split_address
from sessiond.errors import Refused
from sessiond.places import AGENT_PORT, AGENT_SOCKET
from sessiond.units import Certificate
from sessiond.wire.api import AgentApi, MembershipApi

_Answer = TypeVar("_Answer")


class PeopleApi(AgentApi, MembershipApi, Protocol):
    """All that a person can ask of an agent."""


Connect = Callable[[str], AbstractAsyncContextManager[PeopleApi]]
"""Opens a line to ``HOST:PORT`` or ``unix:PATH``."""

_UNIX = "unix:"

_IF_NOBODY = (
    "On one of its session's hosts run `sessiond invite --operator` (or --viewer), and"
    " here `sessiond join` with that link. This computer's own agent needs no address."
)
_IF_SOMEBODY = (
    "Did that host come to your session later, or move? `sessiond join` with the"
    " session's name looks anew. Else you need a link: `sessiond invite --operator` (or"
    " --viewer) on one of its session's hosts."
)


def connect_by_grpc(
    where: str, pinned: Certificate | None = None
) -> AbstractAsyncContextManager[PeopleApi]:
    """Return the real line to an agent.

    Args:
        where: As `resolve_where` found it.
        pinned: Who has to answer on another computer; None: whomever this person knows
            to be there.

    Raises:
        Refused: It is on another computer, and this person does not know it.
    """
    from sessiond.wire.client import AgentClient  # noqa: PLC0415  slow to import

    if where.startswith(_UNIX):
        return AgentClient(where)
    # Also slow, and of no use on the way to this computer's own agent.
    from sessiond.cli.person import Belongings  # noqa: PLC0415

    own = Belongings.of(os.environ)
    identity, pinned = own.identity(), pinned or own.certificate_at(where)
    if identity is None or pinned is None:
        raise Refused(
            f"You have no way in to an agent at {where}.",
            _IF_NOBODY if identity is None else _IF_SOMEBODY,
        )
    return AgentClient(where, pinned=pinned, identity=identity)


def resolve_where(
    given: str | None, environment: Mapping[str, str], state_dir: str
) -> str:
    """Return which agent to speak to.

    That is the one given, else ``$SESSIOND_AGENT``, else this host's own.

    Raises:
        Refused: What was given is neither ``HOST:PORT`` nor ``unix:PATH``.
    """
    wanted = given or environment.get("SESSIOND_AGENT", "")
    if not wanted:
        return f"{_UNIX}{Path(state_dir) / AGENT_SOCKET}"
    if wanted.startswith(_UNIX) and wanted != _UNIX:
        return wanted
    if split_address(wanted) is None:
        guess = f"{wanted}:{AGENT_PORT}"
        fits = split_address(guess) is not None
        raise Refused(
            f"{wanted!r} is no agent's address.",
            f"Write HOST:PORT or unix:PATH{f', such as {guess}' if fits else ''}.",
        )
    return wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """The person or script at the command line.

    Attributes:
        where: As `resolve_where` found it.
        on_terminal: Standard output is a terminal: pictures may be redrawn.
        can_answer: Standard input is one too: questions may be asked.
    """

    where: str = f"{_UNIX}{AGENT_SOCKET}"
    connect: Connect = field(default=connect_by_grpc)
    on_terminal: bool = False
    can_answer: bool = False

    @property
    def asks_this_host(self) -> bool:
        """The agent is on the computer where the command runs."""
        return self.where.startswith((_UNIX, "127.", "[::1]", "localhost:"))

    def ask(self, call: Callable[[PeopleApi], Awaitable[_Answer]]) -> _Answer:
        """Return what the agent answers to one or several calls on one line."""

        async def on_line() -> _Answer:
            async with self.connect(self.where) as agent:
                return await call(agent)

        return asyncio.run(on_line())


def sitting_at(where: str) -> Operator:
    """Return the operator of this process."""
    return Operator(
        where=where,
        on_terminal=sys.stdout.isatty(),
        can_answer=sys.stdin.isatty() and sys.stdout.isatty(),
    )
