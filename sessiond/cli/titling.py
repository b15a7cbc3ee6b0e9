"""The command that sets a mount's title, and follows it to the listeners."""

import asyncio

import click

from sessiond.cli.arguments import MOUNT, SECONDS, SESSION
from sessiond.cli.operator import Operator, PeopleApi
from sessiond.core.mistakes import listed, visible
from sessiond.core.status import MountStatus, SessionStatus
from sessiond.core.titles import SHOWN_WITHIN
from sessiond.errors import Unavailable
from sessiond.units import MountPath, Seconds, SessionName


@click.command
@click.argument("name", type=SESSION)
@click.argument("mount", type=MOUNT)
@click.argument("title")
@click.option(
    "--wait",
    type=SECONDS,
    default=SHOWN_WITHIN,
    show_default=True,
    metavar="SECONDS",
    help="How long to look for it as a listener does; 0 returns once it is set.",
)
@click.pass_obj
def title(operator: Operator, name: str, mount: str, title: str, wait: float) -> None:
    """Set what listeners of MOUNT see.

    It stays until another one is set, whoever broadcasts; "" takes it away. The command
    ends when the session's own listener on the mount sees it.

    \b
    Example:
      sessiond title friday-jam /mix.ogg "The Band - Slow Blues"
    """  # noqa: D301
    session, path, asked = SessionName(name), MountPath(mount), title.strip()

    async def show(agent: PeopleApi) -> None:
        stamp = await agent.title(session, path, asked)
        words = f"“{asked}”" if asked else "no title"
        if not wait:
            click.echo(f"{mount} is to show {words}; {name} is now at {stamp}.")
            return
        await _until_shown(agent, session, path, asked, Seconds(wait))
        click.echo(f"Listeners of {mount} see {words}; {name} is now at {stamp}.")

    operator.ask(show)


async def _until_shown(
    agent: PeopleApi, name: SessionName, path: MountPath, asked: str, wait: Seconds
) -> None:
    """Return once a listener of the session's own sees the title.

    Raises:
        Unavailable: None does after `wait`; it stays set.
    """
    latest: MountStatus | None = None
    try:
        async with asyncio.timeout(wait):
            async for status in agent.watch(name):
                latest = _mount(status, path)
                if latest is not None and latest.host and latest.title == asked:
                    return
    except TimeoutError:
        pass  # told below
    raise Unavailable(
        f"No listener has seen it on {path} after {wait:g} s: {_why(latest)}.",
        f"It stays set and is shown as soon as it can be; see sessiond status {name}.",
    )


def _mount(status: SessionStatus, path: MountPath) -> MountStatus | None:
    return next((mount for mount in status.mounts if mount.path == path), None)


def _why(mount: MountStatus | None) -> str:
    if mount is None or not mount.host:
        return "nobody feeds that mount" if mount else "nothing is heard of that mount"
    if mount.conditions:
        reasons = [visible(c.message).rstrip(".") for c in mount.conditions]
        return listed(reasons, last="and")
    return f"they see “{visible(mount.title)}”" if mount.title else "they see none"
