"""Who runs a command, and the line to the agent that it speaks to.

The only place of the command line that opens a connection; gRPC is imported when the
first one is, because it takes longer than all else together.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from sessiond.core.namerules import split_address
from sessiond.errors import Refused
from sessiond.places import AGENT_PORT, AGENT_SOCKET
from sessiond.wire.api import AgentApi

_Answer = TypeVar("_Answer")
Connect = Callable[[str], AbstractAsyncContextManager[AgentApi]]
"""Opens a line to ``HOST:PORT`` or ``unix:PATH``."""

_UNIX = "unix:"


def connect_by_grpc(where: str) -> AbstractAsyncContextManager[AgentApi]:
    """Return the real line to an agent."""
    from sessiond.wire.client import AgentClient  # noqa: PLC0415  slow to import

    return AgentClient(where)


def resolve_where(
    given: str | None, environment: Mapping[str, str], state_dir: str
) -> str:
    """Return which agent to speak to.

    That is the one given, else ``$SESSIOND_AGENT``, else this host's own: its socket
    if it is there, else its port.

    Raises:
        Refused: What was given is neither ``HOST:PORT`` nor ``unix:PATH``.
    """
    wanted = given or environment.get("SESSIOND_AGENT", "")
    if not wanted:
        socket = Path(state_dir) / AGENT_SOCKET
        return f"{_UNIX}{socket}" if _is_there(socket) else f"127.0.0.1:{AGENT_PORT}"
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


def _is_there(socket: Path) -> bool:
    try:
        return socket.is_socket()
    except PermissionError:  # another user's agent: its port may still be open
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """The person or script at the command line.

    Attributes:
        where: As `resolve_where` found it.
        on_terminal: Standard output is a terminal: pictures may be redrawn.
        can_answer: Standard input is one too: questions may be asked.
    """

    where: str = f"127.0.0.1:{AGENT_PORT}"
    connect: Connect = field(default=connect_by_grpc)
    on_terminal: bool = False
    can_answer: bool = False

    @property
    def asks_this_host(self) -> bool:
        """The agent is on the computer where the command runs."""
        return self.where.startswith((_UNIX, "127.", "[::1]", "localhost:"))

    def ask(self, call: Callable[[AgentApi], Awaitable[_Answer]]) -> _Answer:
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
