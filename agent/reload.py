"""Whether an agent may be started again with what its file says now."""

import socket
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Final

import structlog

from agent.config import read, read_studio
from agent.notify import READY, RELOADING, Notifier
from sessiond.core.configfile import AgentConfig
from sessiond.errors import Refused, SessiondError, Unavailable
from sessiond.wire.address import TcpAddress, parse_address

# Its children are known by the one and found by the other.
FIXED: Final = frozenset({"name", "state_dir"})

_log = structlog.get_logger()


def may_restart(path: Path | None, running: AgentConfig, notifier: Notifier) -> bool:
    """Tell whether the agent should be started again; the log says what and why.

    A file with mistakes, or one that the next agent could not start with, leaves the
    running one as it is.
    """
    notifier.tell(RELOADING)
    try:
        changed = changed_keys(path, running)
    except SessiondError as e:
        for line in e.hint.splitlines() or [""]:
            _log.error("agent.reload_refused", why=e.sentence, hint=line)
        notifier.tell(READY, "STATUS=Goes on as before: the log says why.")
        return False
    _log.info("agent.reload", changed=changed)
    return True


def changed_keys(path: Path | None, running: AgentConfig) -> tuple[str, ...]:
    """Return what the file now says otherwise, as ``table.key``.

    Raises:
        Refused: The file has mistakes, or changes what a running agent has to keep.
        Unavailable: The new port is busy.
        Broken: The file can't be read.
    """
    wanted = read(path)
    changed = tuple(_differing(running, wanted))
    if fixed := FIXED.intersection(changed):
        raise Refused(
            f"A running agent keeps its {' and its '.join(sorted(fixed))}.",
            "Stop it and start it again for that to change.",
        )
    read_studio(wanted, path)
    if wanted.listen != running.listen:
        _try_port(running, wanted)
    return changed


def _differing(old: object, new: object, table: str = "") -> Iterator[str]:
    if not is_dataclass(old):
        return
    for each in fields(old):
        before, after = getattr(old, each.name), getattr(new, each.name)
        if is_dataclass(before):
            yield from _differing(before, after, f"{each.name}.")
        elif before != after:
            yield f"{table}{each.name}"


def _try_port(running: AgentConfig, wanted: AgentConfig) -> None:
    """Bind the new port for a moment; one that is ours already can't be tried.

    Raises:
        Unavailable: Something else listens there, or it is no address of this host.
    """
    before, after = parse_address(running.listen), parse_address(wanted.listen)
    match before, after:
        case TcpAddress(port=old), TcpAddress(host=host, port=new) if old != new:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            try:
                socket.create_server((host, new), family=family).close()
            except OSError as e:
                raise Unavailable(
                    f"Can't listen on {wanted.listen}: {e.strerror}.",
                    "Give another address in `listen`.",
                ) from e
        case _:
            pass
