"""The join port: open while there is something to join, and not a moment longer."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import structlog

from agent.bell import TurnBell
from agent.host import Host
from sessiond.core.joining import join_address
from sessiond.errors import SessiondError
from sessiond.units import Address, Seconds
from sessiond.wire.join_api import JoinApi
from sessiond.wire.server import OnFault, Server, open_join_server

# A port that somebody holds may be free soon; a person reads of it in the log.
TRY_AGAIN: Final = Seconds(2.0)

_log = structlog.get_logger()


class JoinPort:
    """Opens and closes this host's join port as it is needed.

    Args:
        host: This host.
        admission: Answers there.
        has_session: Tells whether this host is in a session that goes on.
        on_fault: Told of every bug that a call runs into.
    """

    def __init__(
        self,
        *,
        host: Host,
        admission: JoinApi,
        has_session: Callable[[], bool],
        on_fault: OnFault,
    ) -> None:
        self._host = host
        self._admission = admission
        self._has_session = has_session
        self._on_fault = on_fault
        self._bell = TurnBell(asyncio.get_running_loop())
        self._server: Server | None = None
        self._failed = False
        self._turn = asyncio.Lock()

    @property
    def is_open(self) -> bool:
        """Whether strangers are answered."""
        return self._server is not None

    def look(self) -> None:
        """Have it looked at whether the port is needed: a session began or ended."""
        self._bell()

    async def run(self) -> None:
        """Keep the port as it is needed, until cancelled."""
        while True:
            await self.settle()
            await self._bell.wait(TRY_AGAIN)

    async def settle(self) -> None:
        """Open or close the port if it should be otherwise."""
        if self._host.studio or self._has_session():
            with suppress(SessiondError):
                await self.require_open()
        else:
            await self.close()

    async def require_open(self) -> None:
        """Have the port open when this returns.

        Raises:
            Unavailable: Something else listens there.
            Refused: There is no port beside the members'.
        """
        async with self._turn:
            if self._server is None:
                self._server = await self._opened()

    async def close(self) -> None:
        """Close the port; closing twice is fine."""
        async with self._turn:
            server, self._server = self._server, None
            if server is not None:
                await server.close()

    async def _opened(self) -> Server:
        try:
            where = _beside(self._host.config.listen)
            server = await open_join_server(
                [where],
                join=self._admission,
                identity=self._host.identity,
                on_fault=self._on_fault,
            )
        except SessiondError as e:
            if not self._failed:
                _log.error("join_port.failed", why=e.sentence)
            self._failed = True
            raise
        self._failed = False
        _log.info("join_port.open", listen=where)
        return server


def _beside(listen: Address) -> Address:
    """Return where to listen for strangers; beside any free port is any free port."""
    return listen if listen.endswith(":0") else join_address(listen)
