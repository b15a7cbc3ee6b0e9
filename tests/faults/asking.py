"""An agent's status without the command line, which takes half a second to start."""

import asyncio
import json
from typing import Any

from sessiond.cli.document import as_text, status_document
from sessiond.cli.lab import LabHost
from sessiond.core.status import SessionStatus
from sessiond.errors import SessiondError
from sessiond.units import Seconds
from sessiond.wire.client import AgentClient

_WITHIN = Seconds(3.0)


def status_of(host: LabHost) -> dict[str, Any]:
    """Return what ``sessiond status --json`` would print on a host.

    Raises:
        AssertionError: Its agent does not answer.
    """
    try:
        seen = asyncio.run(_asked(f"unix:{host.agent_socket}"))
    except SessiondError as e:
        raise AssertionError(f"{host.name}: {e.sentence}") from e
    document: dict[str, Any] = json.loads(as_text(status_document(seen)))
    return document


async def _asked(where: str) -> SessionStatus:
    async with AgentClient(where, within=_WITHIN) as agent:
        return await agent.status(None)


def running_on(host: LabHost) -> dict[str, int]:
    """Return each running proc of a host with its pid, as its agent says."""
    shown = status_of(host)["hosts"]
    (own,) = (one for one in shown if one["name"] == host.name)
    return {p["name"]: p["pid"] for p in own["procs"] if p["state"] == "running"}


def reasons_on(host: LabHost) -> dict[str, str]:
    """Return a host's conditions as its agent says: reason → messages."""
    shown = status_of(host)["hosts"]
    (own,) = (one for one in shown if one["name"] == host.name)
    found: dict[str, str] = {}
    for one in own["conditions"]:
        words = f"{one['message']} {one['hint']}\n"
        found[one["reason"]] = found.get(one["reason"], "") + words
    return found
