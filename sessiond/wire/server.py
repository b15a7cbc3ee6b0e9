"""The one door through which an agent's gRPC servers open."""

from collections.abc import Callable, Sequence
from typing import Protocol

from sessiond.units import Seconds
from sessiond.wire.api import AgentApi, PeerApi

OnFault = Callable[[str, Exception], None]
"""Told the method's name and the bug that a call ran into."""


class Server(Protocol):
    """A server that listens.

    Attributes:
        addresses: As asked for, with the ports that were taken for port 0.
    """

    @property
    def addresses(self) -> tuple[str, ...]:
        """As asked for, with the ports that were taken for port 0."""
        ...

    async def close(self, grace: Seconds = Seconds(0.5)) -> None:
        """End all calls within `grace`, and the listening at once."""
        ...


async def open_server(
    listen: Sequence[str],
    *,
    agent: AgentApi | None = None,
    peer: PeerApi | None = None,
    on_fault: OnFault,
    reflection: bool = False,
) -> Server:
    """Serve on every address of `listen`: ``HOST:PORT`` or ``unix:PATH``.

    Raises:
        Unavailable: A port is busy or not ours to take; it is named.
    """
    raise NotImplementedError
