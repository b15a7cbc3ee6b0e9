"""Commands that only look: hosts, spec, status, watch."""

from collections.abc import AsyncIterator

import click
from rich.live import Live

from sessiond.cli.arguments import SECONDS, SESSION, json_flag
from sessiond.cli.document import (
    as_text,
    hosts_document,
    spec_document,
    status_document,
)
from sessiond.cli.operator import Operator
from sessiond.cli.render import hosts_picture, status_picture
from sessiond.cli.screen import console, draw
from sessiond.core.specwriter import format_spec
from sessiond.core.status import SessionStatus
from sessiond.units import Seconds, SessionName
from sessiond.wire.api import AgentApi


@click.command
@click.option(
    "--wait",
    type=SECONDS,
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to look.",
)
@json_flag
@click.pass_obj
def hosts(operator: Operator, wait: float, as_json: bool) -> None:  # noqa: FBT001
    """Show the agents found on this network.

    The agent that is asked is among them.

    \b
    Example:
      sessiond hosts --wait 5
    """  # noqa: D301
    found = operator.ask(lambda agent: agent.hosts(Seconds(wait)))
    if as_json:
        click.echo(as_text(hosts_document(found)))
    else:
        draw(operator, hosts_picture(found))


@click.command
@click.argument("name", type=SESSION)
@json_flag
@click.pass_obj
def spec(operator: Operator, name: str, as_json: bool) -> None:  # noqa: FBT001
    """Print the running spec as a session file.

    Edit it and `sessiond apply` it. Passwords are not part of it; apply keeps what is
    stored for the same Icecast.

    \b
    Example:
      sessiond spec friday-jam > friday-jam.toml
    """  # noqa: D301
    stamped = operator.ask(lambda agent: agent.spec(SessionName(name)))
    if as_json:
        click.echo(as_text(spec_document(stamped)))
    else:
        click.echo(format_spec(stamped.spec, stamped.stamp), nl=False)


@click.command
@click.argument("name", type=SESSION, required=False)
@json_flag
@click.pass_obj
def status(operator: Operator, name: str | None, as_json: bool) -> None:  # noqa: FBT001
    """Show a session as it is.

    Its hosts, links and mounts, and what is not as asked. Without NAME it is the
    session that the agent is in.

    \b
    Example:
      sessiond status
      sessiond status friday-jam --json
    """  # noqa: D301
    picture = operator.ask(lambda agent: agent.status(_session(name)))
    if as_json:
        click.echo(as_text(status_document(picture)))
    else:
        draw(operator, status_picture(picture))


@click.command
@click.argument("name", type=SESSION, required=False)
@json_flag
@click.pass_obj
def watch(operator: Operator, name: str | None, as_json: bool) -> None:  # noqa: FBT001
    """Show a session as it changes, until Ctrl-C.

    With --json every status is one line.

    \b
    Example:
      sessiond watch friday-jam
    """  # noqa: D301

    async def follow(agent: AgentApi) -> None:
        statuses = agent.watch(_session(name))
        if as_json:
            await _print_documents(statuses)
        elif operator.on_terminal:
            await _redraw(operator, statuses)
        else:
            await _print_pictures(operator, statuses)

    operator.ask(follow)


async def _print_documents(statuses: AsyncIterator[SessionStatus]) -> None:
    async for picture in statuses:
        click.echo(as_text(status_document(picture), indent=None))


async def _print_pictures(
    operator: Operator, statuses: AsyncIterator[SessionStatus]
) -> None:
    async for picture in statuses:
        draw(operator, status_picture(picture))
        click.echo()


async def _redraw(operator: Operator, statuses: AsyncIterator[SessionStatus]) -> None:
    with Live(console=console(operator), screen=True, auto_refresh=False) as live:
        async for picture in statuses:
            live.update(status_picture(picture), refresh=True)


def _session(name: str | None) -> SessionName | None:
    return SessionName(name) if name is not None else None
