"""Who calls, and whether they may: asked before anything of a call is looked at.

A connection over TCP got through its handshake with a certificate that was trusted
then. What its owner may do is asked anew on every call, and before every value of a
stream, of what the host trusts now. `core.roles` has the one table.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from sessiond.core.roles import Role, may_call
from sessiond.errors import Refused, Unavailable
from sessiond.units import Certificate, HostId
from sessiond.wire.codes import Forbidden, Stranger
from sessiond.wire.gate import UNIX, Context, source_of
from sessiond.wire.identity import id_of

T = TypeVar("T")

_ASK: Final = "Ask whoever runs the session for an invitation of another kind."
_AGAIN: Final = "Ask again."
_JOIN: Final = "Join the session with a link of `sessiond invite`."


class Trust(Protocol):
    """Whom this host trusts now, and as what."""

    def certificates(self) -> tuple[Certificate, ...]:
        """Return the certificates of everybody who has a role.

        Called from threads of gRPC's at each handshake: hand out a value that is kept
        ready, equal as long as nothing has changed.
        """
        ...

    def role_of(self, caller: HostId) -> Role | None:
        """Return what a caller is; None for a stranger. Called in the event loop."""
        ...


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls.

    Attributes:
        source: The address without its port, or ``unix``; to count by.
        id: None for the owner of the socket's file, and at a join port, where nobody
            shows a certificate.
    """

    source: str
    id: HostId | None = None


class Guard:
    """Knows callers by their certificates and asks the table for each call."""

    def __init__(self, trust: Trust) -> None:
        self._trust = trust
        self._waiting: dict[asyncio.Timeout, tuple[Caller, str]] = {}

    def admit(self, context: Context, path: str) -> Caller:
        """Return who calls, if they may call what is at this path.

        Raises:
            Stranger: Nobody that this host knows, or no longer.
            Forbidden: Their role is not one for this.
        """
        caller = self._caller(context)
        self._require(caller, path)
        return caller

    async def each(
        self, values: AsyncIterator[T], caller: Caller, path: str
    ) -> AsyncGenerator[T, None]:
        """Yield these values as long as the caller may have them.

        Raises:
            Stranger: As in `admit`, before any value, or while none comes.
            Forbidden: Likewise.
            Unavailable: The caller was trusted no more, and is again.
        """
        while True:
            self._require(caller, path)
            try:
                async with asyncio.timeout(None) as limit:
                    value = await self._next(values, limit, caller, path)
            except TimeoutError as e:
                if not limit.expired():
                    raise
                self._require(caller, path)
                # Trusted again meanwhile; but what was waited for has been given up.
                raise Unavailable("What the caller may do has changed.", _AGAIN) from e
            except StopAsyncIteration:
                return
            self._require(caller, path)
            yield value

    def ask_again(self) -> None:
        """End the streams of everybody who may not follow them any more."""
        for limit, (caller, path) in tuple(self._waiting.items()):
            try:
                self._require(caller, path)
            except Refused:
                # Only what waits is woken; whoever is being sent a value asks next.
                del self._waiting[limit]
                limit.reschedule(0.0)

    async def _next(
        self,
        values: AsyncIterator[T],
        limit: asyncio.Timeout,
        caller: Caller,
        path: str,
    ) -> T:
        self._waiting[limit] = caller, path
        try:
            return await anext(values)
        finally:
            self._waiting.pop(limit, None)

    def _caller(self, context: Context) -> Caller:
        source = source_of(context.peer())
        shown = context.auth_context().get("x509_pem_cert")
        if source == UNIX and shown is None:
            return Caller(source)
        if not shown:
            raise Stranger("The caller shows no certificate.", _JOIN)
        try:
            return Caller(source, id_of(shown[0]))
        except Refused as e:
            raise Stranger(e.sentence, e.hint) from e

    def _require(self, caller: Caller, path: str) -> None:
        role = Role.LOCAL if caller.id is None else self._trust.role_of(caller.id)
        if role is None:
            raise Stranger("This agent does not know who calls.", _JOIN)
        if not may_call(path, role):
            doing = path.rpartition("/")[2]
            raise Forbidden(f"{doing} is not for the role {role}.", _ASK)
