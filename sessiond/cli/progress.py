"""How far a new session has come: values out of one status after another."""

from collections.abc import Iterator
from dataclasses import dataclass

from sessiond.core.liveness import Liveness
from sessiond.core.status import (
    LinkState,
    MountState,
    Phase,
    SessionStatus,
)
from sessiond.units import HostName


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a session still lacks of what `create` waits for.

    Attributes:
        lacks: One phrase a thing, such as ``/mix.ogg is down``; empty when done.
        missing: Hosts that nobody has heard, in the session's order.
    """

    lacks: tuple[str, ...]
    missing: tuple[HostName, ...]

    @property
    def done(self) -> bool:
        """The mounts are live; without mounts, the present hosts' links are up."""
        return not self.lacks


def standing(status: SessionStatus, found: frozenset[HostName]) -> Standing:
    """Return what this session lacks at this moment.

    Args:
        status: The newest.
        found: The hosts that answered at the start; they count as present although
            no heartbeat of theirs may have come yet.
    """
    gone = tuple(h.name for h in status.hosts if h.state is not Liveness.ALIVE)
    absent = frozenset(gone) - found
    return Standing(lacks=tuple(_lacks(status, absent)), missing=gone)


def _lacks(status: SessionStatus, absent: frozenset[HostName]) -> Iterator[str]:
    if status.mounts:
        for mount in status.mounts:
            if mount.state is not MountState.LIVE:
                yield f"{mount.path} is {mount.state}"
        return
    if not status.hosts or status.phase is Phase.STOPPED:
        yield f"the session is {status.phase}"
    for link in status.links:
        present = not {link.a, link.b} & absent
        if present and link.state is not LinkState.UP:
            yield f"the link {link.a} – {link.b} is {link.state}"


def news(before: SessionStatus | None, now: SessionStatus) -> tuple[str, ...]:
    """Return what has changed since the last status, one line a thing."""
    old = _facts(before) if before is not None else {}
    return tuple(
        sentence for key, sentence in _facts(now).items() if old.get(key) != sentence
    )


def _facts(status: SessionStatus) -> dict[str, str]:
    facts = {f"host {h.name}": f"{h.name} is {h.state}" for h in status.hosts}
    if status.leader:
        facts["leader"] = f"{status.leader} is {status.role or 'leader'}"
    for link in status.links:
        pair = f"link {link.a} – {link.b}"
        facts[pair] = f"{pair} is {link.state}"
    for mount in status.mounts:
        at = f" at {mount.url}" if mount.state is MountState.LIVE else ""
        facts[f"mount {mount.path}"] = f"{mount.path} is {mount.state}{at}"
    return facts
