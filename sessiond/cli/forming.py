"""Following a new session from its stamp to the air."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from rich.live import Live

from sessiond.cli.invitation import not_joined
from sessiond.cli.operator import Operator
from sessiond.cli.progress import news, standing
from sessiond.cli.render import status_picture
from sessiond.cli.screen import console
from sessiond.core.mistakes import listed, visible
from sessiond.core.stamped import StampedSpec
from sessiond.core.status import SessionStatus
from sessiond.errors import Unavailable
from sessiond.units import HostName, Seconds, SessionName
from sessiond.wire.api import AgentApi

_Show = Callable[[SessionStatus], None]


def report_stamped(stamped: StampedSpec) -> None:
    """Say that the session is made, and who has not been found yet."""
    click.echo(f"{stamped.spec.name} is created, at {stamped.stamp}.")
    _report_missing(not_joined(stamped))


async def follow_forming(
    operator: Operator,
    agent: AgentApi,
    stamped: StampedSpec,
    wait: Seconds,
    *,
    silent: bool = False,
) -> None:
    """Show the session as it forms, until it is as asked or the time is up.

    Args:
        operator: Who looks on.
        agent: Whose picture it is.
        stamped: As the session was created.
        wait: How long to follow it, seconds.
        silent: Print nothing; how it ended is all that is told.

    Raises:
        Unavailable: It is not as asked after `wait`; it goes on forming.
    """
    found = frozenset(m.name for m in stamped.members if m.id is not None)
    name = stamped.spec.name
    with _shown(operator, silent=silent) as show:
        latest = await _followed(agent, name, wait, found, show)
    lacks = standing(latest, found).lacks if latest else ("nothing is heard of it",)
    if latest is None or lacks:
        if not silent:
            _report_conditions(operator, latest)
        raise Unavailable(
            f"{name} is not as asked after {wait:g} s: {listed(lacks, last='and')}.",
            f"It goes on forming; look again with sessiond status {name}.",
        )
    if not silent:
        _report_end(operator, latest, standing(latest, found).missing)


async def _followed(
    agent: AgentApi,
    name: SessionName,
    wait: Seconds,
    found: frozenset[HostName],
    show: _Show,
) -> SessionStatus | None:
    """Show each status until nothing is lacking or time is up; returns the last."""
    latest: SessionStatus | None = None
    try:
        async with asyncio.timeout(wait):
            async for latest in agent.watch(name):
                show(latest)
                if standing(latest, found).done:
                    break
    except TimeoutError:
        pass  # the caller tells what is lacking
    return latest


def _report_end(
    operator: Operator, latest: SessionStatus, missing: tuple[HostName, ...]
) -> None:
    if not operator.on_terminal:  # the last picture shows them
        for mount in latest.mounts:
            click.echo(f"Listen: {visible(mount.url)}")
    _report_missing(missing)


def _report_conditions(operator: Operator, status: SessionStatus | None) -> None:
    """Say what is wrong where no picture has shown it."""
    if status is None or operator.on_terminal:
        return
    for host in status.hosts:
        for condition in host.conditions:
            click.echo(f"{host.name}: {visible(condition.message)}")


def _report_missing(names: tuple[HostName, ...]) -> None:
    if names:
        verb = "is" if len(names) == 1 else "are"
        click.echo(f"{listed(names, last='and')} {verb} missing; the session waits.")


@contextmanager
def _shown(operator: Operator, *, silent: bool) -> Iterator[_Show]:
    """Give a function that shows a status: redrawn on a terminal, else what is new."""
    if silent:
        yield lambda _: None
        return
    if operator.on_terminal:
        with Live(console=console(operator), auto_refresh=False) as live:
            yield lambda status: live.update(status_picture(status), refresh=True)
        return
    before: SessionStatus | None = None

    def tell(status: SessionStatus) -> None:
        nonlocal before
        for line in news(before, status):
            click.echo(visible(line))
        before = status

    yield tell
