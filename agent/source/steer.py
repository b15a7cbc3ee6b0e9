"""The agent's side of a source process: its requests, over the steering socket.

Each call is one request on a connection of its own and returns the source's report;
all raise `Unavailable` when the source does not answer, `Refused` when it won't.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from agent.source.leases import lease_clock
from agent.steering import Json, ask
from sessiond.core.holder import Role
from sessiond.core.source_messages import (
    lease_document,
    order_document,
    parse_report,
)
from sessiond.core.sourcing import Lease, Seat, SourceOrder, SourceReport
from sessiond.errors import Refused, Unavailable
from sessiond.units import Seconds, Term

# The answer is made at once from what is known; a paused process gives none.
WITHIN: Final = Seconds(1.0)


async def send_order(path: Path, order: SourceOrder, password: str) -> SourceReport:
    """Say what to feed and where; another order than before ends both PUTs."""
    return await _ask(path, {"order": order_document(order), "password": password})


async def renew(
    path: Path, *, seat: Seat, term: Term, role: Role, grant: int
) -> SourceReport:
    """Renew a seat's lease; due every second or two, valid for 10 s from now.

    The hidden seat is for `Role.STANDBY` alone, and the other is not for it. Each seat
    counts grants of its own. A seat's report of ``lost`` or ``denied`` with this same
    grant means that only a larger grant number makes it connect again.
    """
    lease = Lease(seat=seat, term=term, role=role, grant=grant, sent_at=lease_clock())
    return await _ask(path, {"lease": lease_document(lease)})


async def revoke(path: Path, *, seat: Seat) -> SourceReport:
    """Take a seat's lease back: its PUT ends at once, the encoder goes on."""
    return await _ask(path, {"revoke": seat.value})


async def report(path: Path) -> SourceReport:
    """Ask how it is."""
    return await _ask(path, {"report": True})


async def stop(path: Path) -> SourceReport:
    """Tell it to end its PUTs, then FFmpeg, then itself with exit code 0."""
    return await _ask(path, {"stop": True})


async def _ask(path: Path, request: Mapping[str, Json]) -> SourceReport:
    answer = await ask(path, request, within=WITHIN)
    try:
        return parse_report(answer.get("report"))
    except Refused as e:
        raise Unavailable(f"{path.name} speaks otherwise: {e.sentence}") from e
